import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import type { Cache } from "../cache.ts";
import { cacheConformance } from "../conformance.ts";
import { openCache } from "../open.ts";
import { type Connection, connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { redisCache } from "./redis.ts";
import { startTestServer, type TestServer, withoutRedis } from "./test-server.ts";
import { parseRedisUrl } from "./url.ts";

describe("redis:", { skip: withoutRedis() }, () => {
  let server: TestServer;
  let admin: Connection;
  let count = 0;
  before(async () => {
    server = await startTestServer();
    admin = await connectTo(server.url);
  });
  after(async () => {
    await admin?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const open = (parameters = "", url = server.url): Promise<Cache> =>
    redisCache({ url: `${url}${parameters}`, log: silentLogger });

  const keysOf = async (pattern = "*"): Promise<readonly string[]> =>
    (await admin.send(["KEYS", pattern])) as readonly string[];

  cacheConformance("redis", async () => {
    const parameters = `&prefix=test-${++count}:`;
    const [cache, other] = await Promise.all([open(parameters), open(parameters)]);
    return {
      cache,
      other,
      // The server has a clock of its own: what is left to each value is shortened instead.
      async pass(seconds) {
        for (const key of await keysOf(`test-${count}:*`)) {
          const left = Number(await admin.send(["PTTL", key]));
          await admin.send(["PEXPIRE", key, String(left - Math.round(seconds * 1000))]);
        }
      },
      async cleanup() {
        await cache.flush();
        await Promise.all([cache.close(), other.close()]);
      },
    };
  });

  test("services are kept apart by their names, or by what the URL says, and databases by their number", async () => {
    const caches = await Promise.all([
      openCache(server.url, { clock: { now: () => 0 }, name: "kittens" }),
      openCache(server.url, { clock: { now: () => 0 }, name: "puppies" }),
      openCache(`${server.url}&prefix=kit*ens:`, { clock: { now: () => 0 }, name: "puppies" }),
      openCache(server.url.replace("///", "///1"), { clock: { now: () => 0 }, name: "kittens" }),
    ]);
    for (const [index, cache] of caches.entries()) await cache.set("a", String(index), 60);
    assert.deepEqual(await Promise.all(caches.map((cache) => cache.get("a"))), ["0", "1", "2", "3"]);
    assert.deepEqual((await keysOf()).toSorted(), ["kit*ens:a", "kittens:a", "puppies:a"]);
    await caches[2]?.flush();
    assert.deepEqual((await keysOf()).toSorted(), ["kittens:a", "puppies:a"]);
    for (const cache of caches) {
      await cache.flush();
      await cache.close();
    }
  });

  test("flush removes more than one answer can name, and nothing of others", async () => {
    const [one, two] = await Promise.all([open("&prefix=one:"), open("&prefix=two:")]);
    await two.set("stays", "1", 60);
    await Promise.all(Array.from({ length: 5_000 }, (_, index) => one.set(`k${index}`, "1", 60)));
    await one.flush();
    assert.deepEqual(await keysOf(), ["two:stays"]);
    await two.flush();
    await Promise.all([one.close(), two.close()]);
  });

  test("a value larger than the URL allows is not kept, and what was there is gone", async () => {
    const cache = await open("&prefix=large:&max_value_bytes=10");
    await cache.set("a", "1", 60);
    await cache.set("a", "ééééé", 60);
    assert.equal((await cache.get("a"))?.length, 5);
    await cache.set("a", "éééééé", 60);
    assert.equal(await cache.get("a"), undefined);
    assert.equal(await cache.add("b", "x".repeat(11), 60), false);
    await cache.set("c", "1", 60);
    assert.equal(await cache.replace("c", "1", "x".repeat(11), 60), false);
    assert.equal(await cache.get("c"), "1");
    await cache.flush();
    await cache.close();
  });

  test("every key has a time to live, one that others left without is given one, and no time is longer than the server can say", async () => {
    const cache = await open("&prefix=times:");
    await admin.send(["SET", "times:n", "5"]);
    assert.equal(await cache.ttl("n"), undefined);
    assert.equal(await cache.increment("n", 1, 60), 6);
    assert.ok(((await cache.ttl("n")) ?? 0) > 58);
    await cache.set("a", "1", 1e300);
    await cache.set("b", "1", 0.0001);
    assert.ok(((await cache.ttl("a")) ?? 0) > 1e9);
    assert.equal(await admin.send(["PTTL", "times:absent"]), -2);
    await cache.flush();
    await cache.close();
  });

  test("what is asked in one turn travels together", async () => {
    const cache = await open("&prefix=together:");
    const packets = await countPackets(async () => {
      await Promise.all(Array.from({ length: 100 }, (_, index) => cache.increment("n", index, 60)));
    });
    assert.ok(packets < 20, `${packets} reads of the server for 100 commands`);
    await cache.flush();
    await cache.close();
  });

  /** Reads that the server makes of its connections. */
  async function countPackets(work: () => Promise<void>): Promise<number> {
    const reads = async () =>
      Number(/total_reads_processed:(\d+)/.exec(String(await admin.send(["INFO", "stats"])))?.[1]);
    const start = await reads();
    await work();
    return (await reads()) - start - 1;
  }

  test("a server with a password takes the right one, and a start with a wrong one says so without showing it", async () => {
    await using guarded = await startTestServer({ requirepass: "s3cret/ü" });
    const withPassword = (password: string) => guarded.url.replace("///", `//:${encodeURIComponent(password)}@/`);
    const cache = await open("", withPassword("s3cret/ü"));
    await cache.set("a", "1", 60);
    assert.equal(await cache.get("a"), "1");
    await cache.close();
    await assert.rejects(open("", withPassword("wr0ng")), (error: Error) => {
      assert.match(error.message, /the cache in Redis cannot be used: user or password is wrong/);
      assert.doesNotMatch(error.message, /wr0ng/);
      return true;
    });
    await assert.rejects(open("", guarded.url), /cannot be used: Redis asks for a password/);
  });

  test("a start with a database that is not there, or as a user who may not write, is refused", async () => {
    await assert.rejects(open("", server.url.replace("///", "///99")), /cannot be used: ERR .*DB index/);
    await admin.send(["ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection"]);
    await assert.rejects(open("", server.url.replace("///", "//reader:pw@/")), /cannot be used: the user may not run/);
    await admin.send([
      "ACL",
      "SETUSER",
      "cache",
      "on",
      ">pw",
      "~mine:*",
      "+@read",
      "+@write",
      "+@scripting",
      "+@connection",
    ]);
    const cache = await open("&prefix=mine:", server.url.replace("///", "//cache:pw@/"));
    assert.equal(await cache.increment("n", 1, 60), 1);
    await cache.flush();
    await cache.close();
    await admin.send(["ACL", "DELUSER", "reader", "cache"]);
  });

  test("rediss: is encrypted, and takes only a server whose certificate is trusted", async () => {
    const port = await freePort();
    await using plain = await startTestServer();
    const certificate = join(plain.folder, "cert.pem");
    const key = join(plain.folder, "key.pem");
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
      ],
      { stdio: "ignore" },
    );
    await using _ = await startTestServer({
      ...{ "tls-port": String(port), bind: "127.0.0.1 ::1", "tls-auth-clients": "no" },
      ...{ "tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": certificate },
    });
    const url = `rediss://localhost:${port}/?prefix=tls:`;
    const cache = await open(`&ca=${encodeURIComponent(certificate)}`, url);
    await cache.set("a", "1", 60);
    assert.equal(await cache.get("a"), "1");
    await cache.close();
    const warnings: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
    const distrustful = await redisCache({ url, log });
    await assert.rejects(async () => distrustful.get("a"), /temporary unavailable/);
    assert.match(String((warnings[0] as { readonly err: unknown }).err), /self-signed certificate/);
    await distrustful.close();
  });
});

async function connectTo(url: string): Promise<Connection> {
  return connect(await loadDriver(), { url: parseRedisUrl(url), name: "test", log: silentLogger });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : assert.fail();
}
