import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cache } from "../cache/cache.ts";
import { memoryCache } from "../cache/memory.ts";
import { systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/registry.ts";
import { consume } from "./consumer.ts";
import { leased } from "./lease.ts";

const sharedCache = (): Cache => ({ ...memoryCache({ clock: systemClock }), capabilities: { shared: true } });

async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("it never came to pass");
}

/** Workers that only note who works. */
function workers(cache: Cache, count: number) {
  const at: string[] = [];
  let most = 0;
  return {
    at,
    most: () => most,
    all: Array.from({ length: count }, (_, n) => {
      const stopping = new AbortController();
      const done = leased({ cache, name: "test", signal: stopping.signal, seconds: 0.2 }, async (signal) => {
        at.push(`${n}`);
        most = Math.max(most, at.length);
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        at.splice(at.indexOf(`${n}`), 1);
      });
      return {
        async stop() {
          stopping.abort();
          await done;
        },
      };
    }),
  };
}

test("one works at a time, longer than its lease is, and the next one when it stops", async () => {
  const kept = sharedCache();
  let renewals = 0;
  const cache: Cache = {
    ...kept,
    async replace(...parts) {
      const isRenewed = await kept.replace(...parts);
      if (isRenewed) renewals++;
      return isRenewed;
    },
  };
  const { all, at, most } = workers(cache, 3);
  const [one, two, three] = all;
  await eventually(() => at.length === 1);
  assert.deepEqual(at, ["0"]);
  await eventually(() => renewals > 10);
  assert.deepEqual(at, ["0"], "twice as long as a lease, and longer");
  await one?.stop();
  await eventually(() => at.length === 1);
  await two?.stop();
  await eventually(() => at.length === 1);
  assert.deepEqual(at, ["2"]);
  await three?.stop();
  assert.equal(most(), 1);
});

test("a cache that is emptied, or taken by another, ends the work of who had it; one that is away ends nobody's", async () => {
  const cache = sharedCache();
  let isAway = false;
  let refusals = 0;
  const guarded: Cache = {
    ...cache,
    add: (...parts) => {
      if (isAway) throw new ServiceError("unavailable");
      return cache.add(...parts);
    },
    replace: (...parts) => {
      if (isAway && refusals++ >= 0) throw new ServiceError("unavailable");
      return cache.replace(...parts);
    },
  };
  const { all, at } = workers(guarded, 1);
  await eventually(() => at.length === 1);
  isAway = true;
  await eventually(() => refusals > 10);
  assert.deepEqual(at, ["0"]);
  isAway = false;
  cache.set("lease test", "another", 60);
  await eventually(() => at.length === 0);
  cache.flush();
  await eventually(() => at.length === 1);
  await all[0]?.stop();
});

test("of several instances of a consumer one handles each entry, and another goes on where it stopped", async () => {
  const cache = sharedCache();
  const storage: Storage = memoryStorage({ clock: systemClock });
  await storage.define([{ resource: "things", indexes: [], unique: [] }]);
  const handled: string[][] = [[], []];
  const metrics = [createMetrics(), createMetrics()];
  const stops: (() => Promise<void>)[] = [];
  for (const [n, seen] of handled.entries()) {
    const consumer = consume({
      name: "test",
      source: storage,
      resources: ["things"],
      async handle({ id }) {
        seen.push(id);
        await new Promise((resolve) => setTimeout(resolve, 1));
      },
    });
    const host = { storage, cache, clock: systemClock, log: silentLogger, metrics: metrics[n] ?? assert.fail() };
    stops.push(await consumer.start(host));
  }
  const write = async (ids: readonly string[]) => {
    for (const id of ids)
      await storage.commit([
        { kind: "put", key: { resource: "things", parent: "", id }, body: "{}", expect: { kind: "any" } },
      ]);
  };
  const all = () => handled.flat();
  const first = Array.from({ length: 100 }, (_, n) => `a${n}`);
  await write(first);
  await eventually(() => all().length >= 100);
  assert.deepEqual(
    handled.map((each) => each.length).toSorted((a, b) => a - b),
    [0, 100],
  );
  const worker = handled[0]?.length === 100 ? 0 : 1;
  const standby = metrics[1 - worker] ?? assert.fail();
  await eventually(() => /consumer_position\{consumer="test"\} [1-9]/.test(standby.expose()));
  await stops[worker]?.();
  const second = Array.from({ length: 50 }, (_, n) => `b${n}`);
  await write(second);
  await eventually(() => all().length >= 150);
  assert.deepEqual(all().toSorted(), [...first, ...second].toSorted());
  await stops[1 - worker]?.();
});
