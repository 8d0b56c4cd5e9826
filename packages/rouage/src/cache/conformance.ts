/** What every cache has to do, as tests: an adapter's test file calls `cacheConformance` with a way to open it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type ManualClock, manualClock } from "../clock.ts";
import type { Cache } from "./cache.ts";

export interface OpenedCache {
  readonly cache: Cache;
  /** Lets `seconds` pass for the cache: moves the clock, or really waits where the backend has a clock of its own. */
  readonly pass: (seconds: number) => void | Promise<void>;
  /** Another user of the same values, where they are shared. */
  readonly other?: Cache;
  /** Closes what is open and removes every trace. */
  readonly cleanup: () => Promise<void>;
}

/** Opens a fresh, empty cache; one that looks at a clock is given this one. */
export type CacheSubject = (options: { readonly clock: ManualClock }) => Promise<OpenedCache>;

/** Registers the whole suite with node:test. Every test opens a fresh, empty cache and cleans it up. */
export function cacheConformance(name: string, open: CacheSubject): void {
  const cacheTest = (behaviour: string, run: (opened: OpenedCache) => Promise<void>): void => {
    test(behaviour, async () => {
      const opened = await open({ clock: manualClock() });
      try {
        await run(opened);
      } finally {
        await opened.cleanup();
      }
    });
  };

  describe(`${name} is a cache`, () => {
    cacheTest("a value is there until its time is over", async ({ cache, pass }) => {
      assert.equal(await cache.get("a"), undefined);
      await cache.set("a", "1", 2);
      assert.equal(await cache.get("a"), "1");
      await pass(1);
      assert.equal(await cache.get("a"), "1");
      await pass(1.1);
      assert.equal(await cache.get("a"), undefined);
      assert.equal(await cache.ttl("a"), undefined);
    });

    cacheTest("setting again replaces value and time", async ({ cache, pass }) => {
      await cache.set("a", "1", 1);
      await cache.set("a", "2", 60);
      await pass(1.1);
      assert.equal(await cache.get("a"), "2");
    });

    cacheTest("ttl says how long a value stays, and expire changes it", async ({ cache, pass }) => {
      await cache.set("a", "1", 60);
      const left = (await cache.ttl("a")) ?? 0;
      assert.ok(left > 58 && left <= 60, `${left}`);
      await cache.expire("a", 1);
      await cache.expire("absent", 60);
      assert.equal(await cache.get("absent"), undefined);
      await pass(1.1);
      assert.equal(await cache.get("a"), undefined);
    });

    cacheTest("add keeps the first value only, until it has gone", async ({ cache, pass }) => {
      assert.equal(await cache.add("a", "1", 1), true);
      assert.equal(await cache.add("a", "2", 60), false);
      assert.equal(await cache.get("a"), "1");
      await pass(1.1);
      assert.equal(await cache.add("a", "3", 60), true);
      assert.equal(await cache.get("a"), "3");
    });

    cacheTest("of many who add at once, one is told that it was kept", async ({ cache, other = cache }) => {
      const kept = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => (index % 2 === 0 ? cache : other).add("a", String(index), 60)),
      );
      assert.equal(kept.filter((each) => each).length, 1);
      assert.equal(await cache.get("a"), String(kept.indexOf(true)));
    });

    cacheTest(
      "replace keeps a value in the place of the one that was named, and of no other",
      async ({ cache, pass }) => {
        assert.equal(await cache.replace("a", "", "1", 60), false);
        assert.equal(await cache.get("a"), undefined);
        await cache.set("a", "1", 60);
        assert.equal(await cache.replace("a", "2", "3", 60), false);
        assert.equal(await cache.get("a"), "1");
        assert.equal(await cache.replace("a", "1", "2", 1), true);
        assert.equal(await cache.get("a"), "2");
        await pass(1.1);
        assert.equal(await cache.replace("a", "2", "3", 60), false);
        assert.equal(await cache.get("a"), undefined);
      },
    );

    cacheTest(
      "what many make of a value one after the other by replace is all there",
      async ({ cache, other = cache }) => {
        await cache.set("a", "0", 60);
        const step = async (user: Cache): Promise<void> => {
          for (;;) {
            const old = (await user.get("a")) ?? assert.fail();
            if (await user.replace("a", old, String(Number(old) + 1), 60)) return;
          }
        };
        await Promise.all(Array.from({ length: 20 }, (_, index) => step(index % 2 === 0 ? cache : other)));
        assert.equal(await cache.get("a"), "20");
      },
    );

    cacheTest("delete answers what was there", async ({ cache }) => {
      await cache.set("a", "1", 60);
      assert.equal(await cache.delete("a"), "1");
      assert.equal(await cache.delete("a"), undefined);
      assert.equal(await cache.get("a"), undefined);
    });

    cacheTest("increments count from 0, and do not prolong", async ({ cache, pass }) => {
      assert.equal(await cache.increment("n", 1, 2), 1);
      await pass(1);
      assert.equal(await cache.increment("n", 5, 60), 6);
      assert.equal(await cache.increment("n", -2, 60), 4);
      assert.equal(await cache.get("n"), "4");
      await pass(1.1);
      assert.equal(await cache.increment("n", 1, 60), 1);
    });

    cacheTest("increments at the same time are all counted", async ({ cache, other = cache }) => {
      const sums = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => (index % 2 === 0 ? cache : other).increment("n", 1, 60)),
      );
      assert.deepEqual(
        sums.toSorted((a, b) => a - b),
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
    });

    cacheTest("what is no number is not incremented, and no time is no time to live", async ({ cache }) => {
      await cache.set("a", "text", 60);
      await assert.rejects(async () => cache.increment("a", 1, 60), TypeError);
      assert.equal(await cache.get("a"), "text");
      await cache.set("n", String(Number.MAX_SAFE_INTEGER), 60);
      await assert.rejects(async () => cache.increment("n", 1, 60), TypeError);
      await assert.rejects(async () => cache.increment("n", 0.5, 60), TypeError);
      assert.equal(await cache.get("n"), String(Number.MAX_SAFE_INTEGER));
      for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
        await assert.rejects(async () => cache.set("b", "1", ttl), RangeError);
      assert.equal(await cache.get("b"), undefined);
    });

    cacheTest("flush removes everything", async ({ cache }) => {
      await cache.set("a", "1", 60);
      await cache.increment("n", 1, 60);
      await cache.flush();
      assert.equal(await cache.get("a"), undefined);
      assert.equal(await cache.increment("n", 1, 60), 1);
    });

    cacheTest("keys and values are any text", async ({ cache }) => {
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.string({ unit: "grapheme", maxLength: 40 }), { maxLength: 8 }),
          fc.string({ unit: "grapheme", maxLength: 200 }),
          async (keys, value) => {
            for (const key of keys) await cache.set(key, key + value, 60);
            for (const key of keys) assert.equal(await cache.get(key), key + value);
          },
        ),
        { numRuns: 25 },
      );
    });

    cacheTest("is usable, and sees the same as its other user", async ({ cache, other }) => {
      await cache.check();
      if (other === undefined) return;
      assert.equal(cache.capabilities.shared, true);
      await cache.set("a", "1", 60);
      assert.equal(await other.get("a"), "1");
    });
  });
}
