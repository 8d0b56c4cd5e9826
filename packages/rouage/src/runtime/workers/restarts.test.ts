import assert from "node:assert/strict";
import { test } from "node:test";
import { mostDeaths, restarts, wellAfterMs } from "./restarts.ts";

test("a worker is started again at once, then after longer and longer pauses, and given up in the end", () => {
  const own = restarts();
  const pauses = Array.from({ length: mostDeaths }, () => own.died(1000)).map((next) =>
    next.kind === "again" ? next.afterMs : Number.NaN,
  );
  assert.deepEqual(pauses, [0, 500, 1000, 2000, 4000]);
  assert.deepEqual(own.died(1000), { kind: "give-up" });
});

test("who was well for a while is started again at once however often it died before", () => {
  const own = restarts();
  for (let death = 0; death < mostDeaths; death++) own.died(0);
  assert.deepEqual(own.died(wellAfterMs), { kind: "again", afterMs: 0 });
  assert.deepEqual(own.died(0), { kind: "again", afterMs: 500 });
});
