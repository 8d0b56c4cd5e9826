import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { Type } from "typebox";
import { startTestServer, type TestServer, withoutRedis } from "../cache/redis/test-server.ts";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { type Service, service } from "../service.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

describe("services that share a cache in Redis", { skip: withoutRedis() }, () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server?.[Symbol.asyncDispose]());

  const warnings: (string | undefined)[] = [];
  const log: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };

  async function started(t: TestContext, name: string, settings: object = {}): Promise<Service> {
    const running = await service({ name, version: "1.0.0", resources: [kittens] }).start({
      log,
      settings: { storage: "memory:", cache: `${server.url}&command_timeout=0.2&connect_timeout=0.2`, ...settings },
    });
    t.after(() => running.stop(0));
    return running;
  }

  const get = (running: Service, path: string) => running.fetch(new Request(`http://local${path}`));

  async function eventually(check: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      if (await check()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail("it never came to pass");
  }

  test("instances of one service share the limit of a caller, and another service has its own", async (t) => {
    const settings = { rate_limit: "10/3600" };
    const instances = [await started(t, "shared", settings), await started(t, "shared", settings)];
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => get(instances[n % 2] ?? assert.fail(), "/v1/kittens")),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 10);
    assert.equal(answers.filter(({ status }) => status === 429).length, 20);
    const other = await started(t, "other", settings);
    assert.equal((await get(other, "/v1/kittens")).status, 200);
  });

  test("without its cache a service is degraded and serves; limits pass, the log says so, and it recovers by itself", async (t) => {
    const running = await started(t, "faulty", { rate_limit: "1/3600" });
    assert.equal((await get(running, "/v1/kittens")).status, 200);
    assert.equal((await get(running, "/v1/kittens")).status, 429);
    await server.kill();
    warnings.length = 0;
    for (let n = 0; n < 5; n++) assert.equal((await get(running, "/v1/kittens")).status, 200);
    assert.deepEqual(
      warnings.filter((line) => line?.startsWith("rate limits")),
      ["rate limits are not enforced: the cache cannot count"],
    );
    const heartbeat = await get(running, "/v1/__heartbeat__");
    assert.equal(heartbeat.status, 503);
    assert.deepEqual(await heartbeat.json(), { storage: true, cache: false });
    await eventually(async () => (await running.health()).state === "degraded");
    const ready = await get(running, "/readyz");
    assert.equal(ready.status, 200);
    assert.equal(((await ready.json()) as { checks: { cache: { ok: boolean } } }).checks.cache.ok, false);
    await server.start();
    await eventually(async () => (await running.health()).state === "healthy");
    assert.equal((await get(running, "/v1/kittens")).status, 200);
    assert.equal((await get(running, "/v1/kittens")).status, 429, "counted again");
  });

  test("SIGKILL of the cache under load, and standing still: every request is answered as without, and counting goes on by itself", async (t) => {
    const running = await started(t, "loaded", { rate_limit: "1000000/3600" });
    const isCounted = async () => (await get(running, "/v1/kittens")).headers.has("ratelimit");
    let isLoading = true;
    let answered = 0;
    const load = Array.from({ length: 8 }, async () => {
      while (isLoading) {
        assert.equal((await get(running, "/v1/kittens")).status, 200);
        answered++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    try {
      for (let round = 0; round < 4; round++) {
        await eventually(isCounted);
        const before = answered;
        if (round % 2 === 0) {
          await server.kill();
          await eventually(async () => answered > before + 50 && !(await isCounted()));
          await server.start();
        } else {
          const pid = server.pid ?? assert.fail();
          process.kill(pid, "SIGSTOP");
          await eventually(async () => answered > before + 50 && !(await isCounted()));
          process.kill(pid, "SIGCONT");
        }
      }
      await eventually(isCounted);
    } finally {
      isLoading = false;
      await Promise.all(load);
    }
  });

  test("a service starts and serves while its cache is away, and not with a password that is wrong", async (t) => {
    await server.kill();
    try {
      const running = await started(t, "early");
      assert.equal((await get(running, "/v1/kittens")).status, 200);
    } finally {
      await server.start();
    }
    await assert.rejects(
      started(t, "refused", { cache: server.url.replace("///", "//someone:wr0ng@/") }),
      /the cache in Redis cannot be used: user or password is wrong/,
    );
  });
});
