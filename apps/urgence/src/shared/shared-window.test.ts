import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Logger, manualClock, ServiceError, silentLogger } from "rouage";
import { type Cache, openCache } from "rouage/cache";
import { sharedWindow } from "./shared-window.ts";
import { slidingWindow } from "./sliding-window.ts";

async function setUp(limit = 2, windowMs = 60_000) {
  const clock = manualClock();
  const kept = await openCache("memory:", { clock });
  const state = { isAway: false };
  const seen: string[] = [];
  const guard =
    <A extends readonly [string, ...unknown[]], T>(call: (...args: A) => T) =>
    (...args: A): T => {
      seen.push(args.join(" "));
      if (state.isAway) throw new ServiceError("unavailable");
      return call(...args);
    };
  const cache: Cache = {
    ...kept,
    capabilities: { shared: true },
    get: guard(kept.get),
    add: guard(kept.add),
    replace: guard(kept.replace),
  };
  const warnings: (string | undefined)[] = [];
  const log: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
  const instance = () => sharedWindow({ cache, clock, log, name: "test", limit, windowMs });
  return { clock, kept, state, seen, warnings, instance, one: instance(), two: instance() };
}

describe("a sliding window of several instances", () => {
  test("lets through so many over all of them, whatever comes when", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ key: fc.constantFrom("a", "b"), pause: fc.constantFrom(0, 1, 5_000, 30_000, 60_000) }), {
          maxLength: 40,
        }),
        async (limit, events) => {
          const { clock, one, two } = await setUp(limit);
          const alone = slidingWindow({ limit, windowMs: 60_000, clock });
          for (const [index, { key, pause }] of events.entries()) {
            clock.advance(pause);
            assert.deepEqual(await (index % 2 === 0 ? one : two).take(key), alone.take(key));
          }
        },
      ),
    );
  });

  test("events at the same time are all counted", async () => {
    const { one, two } = await setUp(10);
    const taken = await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? one : two).take("a")));
    assert.equal(taken.filter(({ ok }) => ok).length, 10);
  });

  test("begins with what it is told of the past, also after the cache has lost what it had", async () => {
    const { clock, kept, one, two } = await setUp(2);
    const past = async () => [clock.now() - 1_000, clock.now() - 90_000];
    assert.equal((await one.take("a", past)).ok, true);
    assert.deepEqual(await two.take("a", past), { ok: false, retryAfterSeconds: 59 });
    kept.flush();
    assert.equal((await two.take("a", past)).ok, true);
    assert.equal((await one.take("a", past)).ok, false);
    assert.equal((await one.take("b", async () => [clock.now(), clock.now()])).ok, false);
    assert.equal((await one.take("b", () => assert.fail("known by now"))).ok, false);
  });

  test("while the cache is away each counts for itself, from the past where that is known, and says so once a minute", async () => {
    const { clock, state, warnings, one, two } = await setUp(2);
    await one.take("a");
    state.isAway = true;
    const past = async () => [clock.now()];
    for (const each of [one, two]) {
      assert.equal((await each.take("a", past)).ok, true);
      assert.equal((await each.take("a", past)).ok, false);
    }
    assert.equal(warnings.length, 2);
    assert.match(String(warnings[0]), /by this process alone/);
    state.isAway = false;
    assert.equal((await two.take("a")).ok, true);
    assert.equal((await one.take("a")).ok, false);
  });

  test("what it keeps names nobody", async () => {
    const { seen, one } = await setUp();
    await one.take("192.0.2.1");
    assert.ok(seen.length > 0);
    assert.doesNotMatch(seen.join("\n"), /192\.0/);
  });
});
