import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { manualClock } from "rouage";
import { slidingWindow } from "./sliding-window.ts";

describe("a sliding window", () => {
  const make = (maxKeys = 10) => {
    const clock = manualClock();
    return { clock, window: slidingWindow({ limit: 2, windowMs: 60_000, clock, maxKeys }) };
  };

  test("lets through so many in any window, and tells how long to wait", () => {
    const { clock, window } = make();
    assert.deepEqual(window.take("a"), { ok: true });
    clock.advance(20_000);
    assert.deepEqual(window.take("a"), { ok: true });
    clock.advance(10_000);
    assert.deepEqual(window.take("a"), { ok: false, retryAfterSeconds: 30 });
    clock.advance(30_000);
    assert.deepEqual(window.take("a"), { ok: true });
    assert.equal(window.take("a").ok, false);
  });

  test("keeps keys apart", () => {
    const { window } = make();
    window.take("a");
    window.take("a");
    assert.ok(window.take("b").ok);
  });

  test("goes on from what it is told of the past", () => {
    const { clock, window } = make();
    assert.ok(window.isNew("a"));
    window.seed("a", [clock.now() - 1, clock.now() - 2, clock.now() - 3]);
    assert.ok(!window.isNew("a"));
    assert.equal(window.take("a").ok, false);
  });

  test("forgets the key longest unused beyond its bound", () => {
    const { window } = make(2);
    for (const key of ["a", "b", "a", "c"]) window.take(key);
    assert.deepEqual([window.isNew("a"), window.isNew("b"), window.isNew("c")], [false, true, false]);
  });
});
