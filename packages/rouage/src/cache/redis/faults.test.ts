import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ServiceError } from "../../errors.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import type { Cache } from "../cache.ts";
import { type Connection, connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { redisCache } from "./redis.ts";
import { startTestServer, type TestServer, withoutRedis } from "./test-server.ts";
import { parseRedisUrl } from "./url.ts";

describe("faults of Redis", { skip: withoutRedis() }, () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startTestServer();
  });
  afterEach(() => server?.[Symbol.asyncDispose]());

  const lines: { readonly level: string; readonly message: string | undefined; readonly err: unknown }[] = [];
  const log: Logger = {
    ...silentLogger,
    info: (_, message) => void lines.push({ level: "info", message, err: undefined }),
    warn: (fields, message) =>
      void lines.push({ level: "warn", message, err: "err" in fields ? fields.err : undefined }),
  };
  const messages = () => lines.map(({ level, message }) => `${level}: ${message}`);

  async function open(parameters = ""): Promise<Cache> {
    lines.length = 0;
    return redisCache({ url: `${server.url}&command_timeout=0.2&connect_timeout=0.2${parameters}`, log });
  }

  async function admin<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await connect(await loadDriver(), {
      url: parseRedisUrl(server.url),
      name: "admin",
      log: silentLogger,
    });
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  }

  /** Says why, for who reads the log; callers learn that it is unavailable. */
  async function refused(work: () => unknown, why: RegExp): Promise<void> {
    await assert.rejects(
      async () => work(),
      (error) => {
        assert.ok(ServiceError.is(error) && error.code === "unavailable", String(error));
        assert.match(String(error.cause), why);
        return true;
      },
    );
  }

  /** Waits until something is so: there is no other way to know that a server is back. */
  async function eventually(check: () => Promise<unknown>): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      try {
        await check();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    assert.fail("it never came to pass");
  }

  test("a server that was killed is missed at once, by every call, and used again by itself when it is back", async () => {
    await using cache = await open();
    await cache.set("a", "1", 60);
    const underWay = Promise.allSettled(Array.from({ length: 50 }, async () => cache.increment("n", 1, 60)));
    await server.kill();
    for (const outcome of await underWay)
      assert.ok(outcome.status === "fulfilled" || ServiceError.is(outcome.reason), "counted or unavailable");
    const started = performance.now();
    for (const work of [
      () => cache.get("a"),
      () => cache.set("a", "1", 60),
      () => cache.add("a", "1", 60),
      () => cache.replace("a", "1", "2", 60),
      () => cache.delete("a"),
      () => cache.ttl("a"),
      () => cache.expire("a", 60),
      () => cache.increment("n", 1, 60),
      () => cache.flush(),
      () => cache.check(),
    ])
      await refused(work, /closed|ECONNREFUSED|ENOENT|ECONNRESET|EPIPE/);
    // Ten waits would be two seconds.
    assert.ok(performance.now() - started < 1_500, "nothing waits for a server that is known to be away");
    await server.start();
    await eventually(() => cache.check());
    assert.equal(await cache.increment("n", 1, 60), 1);
    assert.deepEqual(messages(), ["warn: the connection to the cache is lost", "info: the cache is reached again"]);
  });

  test("a service starts while the server is away, says so, and uses it when it comes", async () => {
    await server.kill();
    await using cache = await open();
    await refused(() => cache.get("a"), /ENOENT|ECONNREFUSED/);
    await server.start();
    await eventually(() => cache.check());
    assert.match(messages().join("\n"), /^warn: the cache cannot be reached: .*\ninfo: the cache is reached again$/);
  });

  test("a server that stands still costs one wait, then nothing, and is used again when it goes on", async () => {
    await using cache = await open();
    await cache.set("a", "1", 60);
    const pid = server.pid ?? assert.fail();
    process.kill(pid, "SIGSTOP");
    try {
      const started = performance.now();
      await Promise.all(
        Array.from({ length: 20 }, () => refused(() => cache.get("a"), /did not answer GET within 200 ms/)),
      );
      assert.ok(performance.now() - started < 2_000);
      const next = performance.now();
      for (let n = 0; n < 10; n++) await refused(() => cache.get("a"), /./);
      assert.ok(performance.now() - next < 1_500, "who comes later does not wait");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await eventually(() => cache.check());
    assert.equal(await cache.get("a"), "1");
    assert.deepEqual(messages(), ["warn: the connection to the cache is lost", "info: the cache is reached again"]);
  });

  test("a server that stands still while it is connected to is given up in time", async () => {
    const pid = server.pid ?? assert.fail();
    process.kill(pid, "SIGSTOP");
    try {
      const started = performance.now();
      await using cache = await open();
      assert.ok(performance.now() - started < 2_000);
      await refused(() => cache.get("a"), /./);
      process.kill(pid, "SIGCONT");
      await eventually(() => cache.check());
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("connections that the server ends, with a command under way or none, are made again", async () => {
    await using cache = await open();
    await cache.set("a", "1", 60);
    for (const isUsed of [false, true]) {
      await admin(async (connection) => {
        if (isUsed) await connection.send(["CLIENT", "PAUSE", "10000", "WRITE"]);
        const waiting = isUsed ? refused(() => cache.set("b", "1", 60), /closed|did not answer/) : undefined;
        await connection.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        await waiting;
        if (isUsed) await connection.send(["CLIENT", "UNPAUSE"]);
      });
      await eventually(() => cache.check());
      assert.equal(await cache.get("a"), "1");
    }
  });

  test("a server without memory left is said to be, goes on answering reads, and works again when there is room", async () => {
    await using cache = await open();
    await cache.set("a", "1", 60);
    await admin((connection) => connection.send(["CONFIG", "SET", "maxmemory", "1"]));
    const full = /no memory left \(maxmemory\).*allkeys-lru.*OOM/;
    await refused(() => cache.set("b", "1", 60), full);
    await refused(() => cache.add("b", "1", 60), full);
    await refused(() => cache.replace("a", "1", "2", 60), full);
    await refused(() => cache.increment("n", 1, 60), full);
    await refused(() => cache.check(), full);
    assert.equal(await cache.get("a"), "1");
    assert.equal(await cache.delete("a"), "1");
    await admin((connection) => connection.send(["CONFIG", "SET", "maxmemory", "0"]));
    await cache.check();
    assert.equal(await cache.increment("n", 1, 60), 1);
    assert.deepEqual(messages(), []);
  });

  test("a primary that becomes a replica is not written to, and written to again when it is primary again", async () => {
    await using cache = await open();
    await admin((connection) => connection.send(["REPLICAOF", "127.0.0.1", "1"]));
    await refused(() => cache.increment("n", 1, 60), /this Redis is a replica/);
    await admin((connection) => connection.send(["REPLICAOF", "NO", "ONE"]));
    await eventually(() => cache.check());
    assert.equal(await cache.increment("n", 1, 60), 1);
  });

  test("closing waits for what is under way, and for a server that stands still no longer than a command may take", async () => {
    const cache = await open();
    const answers = Promise.all(Array.from({ length: 20 }, async () => cache.increment("n", 1, 60)));
    await cache.close();
    assert.equal((await answers).at(-1), 20);
    await refused(() => cache.get("a"), /closed/);
    const slow = await open();
    const pid = server.pid ?? assert.fail();
    process.kill(pid, "SIGSTOP");
    const waiting = refused(() => slow.get("a"), /./);
    const started = performance.now();
    await slow.close();
    await waiting;
    assert.ok(performance.now() - started < 2_000);
    process.kill(pid, "SIGCONT");
  });
});
