/** A cache that another process keeps, for all who can ask it: what is asked, and how it is answered there. Knows no channel. */
import { ServiceError } from "../errors.ts";
import type { Cache } from "./cache.ts";
import { checkTtl } from "./values.ts";

/** One call of a cache, as JSON can say it. */
export interface CacheCall {
  readonly method: "get" | "set" | "add" | "replace" | "delete" | "ttl" | "expire" | "increment" | "flush" | "check";
  readonly key: string;
  readonly value: string;
  /** Of `replace`. */
  readonly old: string;
  readonly by: number;
  readonly ttlSeconds: number;
}

/** @param ask has a call answered by `answerCacheCall`; rejects when nobody does */
export function remoteCache(ask: (call: CacheCall) => Promise<unknown>): Cache {
  async function call<T>(method: CacheCall["method"], parts: Partial<CacheCall> = {}): Promise<T | undefined> {
    let answer: unknown;
    try {
      answer = await ask({ key: "", value: "", old: "", by: 0, ttlSeconds: 0, ...parts, method });
    } catch (cause) {
      throw new ServiceError("unavailable", { cause });
    }
    const { value, wrong } = answer as CacheAnswer;
    if (wrong !== undefined) throw new TypeError(wrong);
    return value as T | undefined;
  }

  return {
    capabilities: { shared: true },
    get: (key) => call<string>("get", { key }),
    async set(key, value, ttlSeconds) {
      await call("set", { key, value, ttlSeconds: checkTtl(ttlSeconds) });
    },
    add: async (key, value, ttlSeconds) =>
      (await call<boolean>("add", { key, value, ttlSeconds: checkTtl(ttlSeconds) })) === true,
    replace: async (key, old, value, ttlSeconds) =>
      (await call<boolean>("replace", { key, old, value, ttlSeconds: checkTtl(ttlSeconds) })) === true,
    delete: (key) => call<string>("delete", { key }),
    ttl: (key) => call<number>("ttl", { key }),
    async expire(key, ttlSeconds) {
      await call("expire", { key, ttlSeconds: checkTtl(ttlSeconds) });
    },
    increment: async (key, by, ttlSeconds) =>
      Number(await call<number>("increment", { key, by, ttlSeconds: checkTtl(ttlSeconds) })),
    async flush() {
      await call("flush");
    },
    async check() {
      await call("check");
    },
    // Whose cache it is closes it.
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

interface CacheAnswer {
  readonly value?: unknown;
  /** What is wrong with the call itself. */
  readonly wrong?: string;
}

/** Makes a call that came from elsewhere. */
export async function answerCacheCall(cache: Cache, call: CacheCall): Promise<CacheAnswer> {
  try {
    return { value: await made(cache, call) };
  } catch (error) {
    if (error instanceof TypeError) return { wrong: error.message };
    throw error;
  }
}

function made(cache: Cache, { method, key, value, old, by, ttlSeconds }: CacheCall): unknown {
  switch (method) {
    case "set":
      return cache.set(key, value, ttlSeconds);
    case "add":
      return cache.add(key, value, ttlSeconds);
    case "replace":
      return cache.replace(key, old, value, ttlSeconds);
    case "expire":
      return cache.expire(key, ttlSeconds);
    case "increment":
      return cache.increment(key, by, ttlSeconds);
    case "flush":
      return cache.flush();
    case "check":
      return cache.check();
    default:
      return cache[method](key);
  }
}
