/** A cache in Redis, shared by all who name the same server, database and prefix. Keeps no time of its own: values go by the server's clock. */
import { createHash } from "node:crypto";
import { ServiceError } from "../../errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Cache } from "../cache.ts";
import { checkTtl, notANumber } from "../values.ts";
import { connect, type Reply, type Script } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { replyCode, startRefused, unavailable } from "./failures.ts";
import { parseRedisUrl } from "./url.ts";

export interface RedisCacheOptions {
  /** `redis://` or `rediss://`, see `url.ts`. */
  readonly url: string;
  /** Of the service: what keys begin with unless the URL says. */
  readonly name?: string | undefined;
  readonly log: Logger;
}

/**
 * A server that cannot be reached does not keep it from opening: what is asked of it fails until the server is there.
 * @throws Error when the URL or what it names cannot be used
 */
export async function redisCache({ url: text, name, log }: RedisCacheOptions): Promise<Cache> {
  const url = parseRedisUrl(text, name);
  const connection = await connect(await loadDriver(), { url, name: "rouage", log });
  const { prefix, maxValueBytes } = url;

  const at = (key: string): string => prefix + key;
  const fits = (value: string): boolean =>
    // A unit takes three bytes at most.
    value.length * 3 <= maxValueBytes || Buffer.byteLength(value) <= maxValueBytes;

  async function send(...command: readonly string[]): Promise<Reply> {
    try {
      return await connection.send(command);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async function check(): Promise<void> {
    const key = at("\0check");
    // A write, since a server that can only be read is of no use.
    await send("SET", key, "1", "PX", "1000");
    await send("GETDEL", key);
  }

  const cache: Cache = {
    capabilities: { shared: true },

    async get(key) {
      return textOf(await send("GET", at(key)));
    },

    async set(key, value, ttlSeconds) {
      const ttl = milliseconds(ttlSeconds);
      await (fits(value) ? send("SET", at(key), value, "PX", ttl) : send("DEL", at(key)));
    },

    async add(key, value, ttlSeconds) {
      const ttl = milliseconds(ttlSeconds);
      return fits(value) && (await send("SET", at(key), value, "NX", "PX", ttl)) !== null;
    },

    async replace(key, old, value, ttlSeconds) {
      const ttl = milliseconds(ttlSeconds);
      if (!fits(value)) return false;
      try {
        return (await connection.run(replaceScript, at(key), old, value, ttl)) === 1;
      } catch (error) {
        throw unavailable(error);
      }
    },

    async delete(key) {
      return textOf(await send("GETDEL", at(key)));
    },

    async ttl(key) {
      const left = Number(await send("PTTL", at(key)));
      return left < 0 ? undefined : left / 1000;
    },

    async expire(key, ttlSeconds) {
      await send("PEXPIRE", at(key), milliseconds(ttlSeconds));
    },

    async increment(key, by, ttlSeconds) {
      const ttl = milliseconds(ttlSeconds);
      if (!Number.isSafeInteger(by)) throw notANumber(key);
      try {
        return Number(await connection.run(incrementScript, at(key), String(by), ttl));
      } catch (error) {
        if (replyCode(error) === "ERR" && /not an integer|overflow/.test(String(error))) throw notANumber(key);
        throw unavailable(error);
      }
    },

    async flush() {
      const pattern = `${prefix.replaceAll(/[\\*?[\]^-]/g, "\\$&")}*`;
      let cursor = "0";
      do {
        const [next, keys] = (await send("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")) as [string, string[]];
        if (keys.length > 0) await send("UNLINK", ...keys);
        cursor = next;
      } while (cursor !== "0");
    },

    check,
    close: () => connection.close(),
    [Symbol.asyncDispose]: () => connection.close(),
  };

  try {
    await check();
  } catch (error) {
    // Who is away is waited for; who refuses will go on refusing.
    const refused = ServiceError.is(error) ? startRefused(error.cause) : undefined;
    if (refused === undefined) return cache;
    await connection.close();
    throw refused;
  }
  return cache;
}

function scriptOf(text: string): Script {
  return { text, hash: createHash("sha1").update(text).digest("hex") };
}

/** Takes back what no number of this language can hold; a key without a time gets one. */
const incrementScript = scriptOf(`local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if sum > 9007199254740991 or sum < -9007199254740991 then
  redis.call('DECRBY', KEYS[1], ARGV[1])
  return redis.error_reply('ERR increment or decrement would overflow')
end
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return sum`);

const replaceScript = scriptOf(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`);

/** As Redis takes it: whole, at least one, and no longer than its clock can say. */
function milliseconds(ttlSeconds: number): string {
  return String(Math.min(longestMs, Math.max(1, Math.round(checkTtl(ttlSeconds) * 1000))));
}

/** A hundred years. */
const longestMs = 3_155_760_000_000;

function textOf(reply: Reply): string | undefined {
  return typeof reply === "string" ? reply : undefined;
}
