/** SIGKILL of the service under load, again and again: whatever was acknowledged is there, nothing is there by half, log and state agree. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { backends } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { type Spare, spareProcess } from "./processes.ts";
import { eventually, startLoad, type Written } from "./writers.ts";

/** Stores that are written at the same time, and kills of the service of each. */
const lanes = 2;
const allRounds = 25;

for (const { name, skip, start, isSlow = false } of backends) {
  const rounds = isSlow ? 5 : allRounds;
  test(`${name}: after each of ${lanes * rounds} SIGKILLs of the service every acknowledged write is there, none half-written, and the store verifies`, {
    skip,
  }, async () => {
    await using backend = await start();
    let spare: Spare = spareProcess();
    const totals = { acknowledged: 0, interrupted: 0 };

    async function lane(): Promise<void> {
      const url = backend.fresh();
      const everything: Written[] = [];
      for (let round = 0; round < rounds; round++) {
        const next = spare;
        spare = spareProcess();
        const service = await next.start({ storage: url });
        const load = startLoad(service, { untilGone: true });
        // A new moment each time, from the first writes to some hundreds.
        const enough = randomInt(1, isSlow ? 20 : 200);
        await eventually("enough was written", () => load.counts.acknowledged >= enough);
        await service.kill();
        await load.done;
        everything.push(...load.written);
        totals.acknowledged += load.counts.acknowledged;
        totals.interrupted += load.written.filter(({ pending }) => pending !== undefined).length;
        await assertWhole(url, load.written);
      }
      await assertWhole(url, everything);
    }

    try {
      await Promise.all(Array.from({ length: lanes }, lane));
    } finally {
      spare.kill();
    }
    assert.ok(
      totals.acknowledged > lanes * rounds,
      `only ${totals.acknowledged} writes were acknowledged: this proves nothing`,
    );
    assert.ok(
      totals.interrupted > lanes * rounds,
      `only ${totals.interrupted} writes were cut short: this proves nothing`,
    );
  });
}
