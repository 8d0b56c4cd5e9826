import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Change } from "../storage/storage.ts";
import { createLag } from "./lag.ts";

const seen = (resource: string): Change => ({
  kind: "event",
  key: { resource, parent: "", id: "a" },
  type: "seen",
  data: {},
});

test("lag is the distance to the end and the age of the oldest entry that waits, looked up when read", async () => {
  const clock = manualClock(1_000_000);
  const source = memoryStorage({ clock });
  const stop = new AbortController();
  let position = 0;
  const lag = createLag({
    ...{ source, clock, signal: stop.signal, resources: ["things"], ignored: new Set(["consumers"]) },
    position: () => position,
  });
  const read = async () => {
    // A look ends within a few turns, the log being in memory; the first may have begun before what is to be seen.
    for (let look = 0; look < 2; look++) {
      lag.positions();
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    return [lag.positions(), lag.seconds()];
  };
  assert.deepEqual(await read(), [0, 0]);
  await source.commit([seen("things"), seen("things"), seen("elsewhere")]);
  clock.advance(5000);
  await source.commit([seen("things")]);
  assert.deepEqual(await read(), [4, 5]);
  position = 1;
  assert.deepEqual(await read(), [3, 5]);
  position = 4;
  assert.deepEqual(await read(), [0, 0]);
  await source.commit([seen("elsewhere")]);
  assert.deepEqual(await read(), [0, 0], "what it does not consume is no lag");
  await source.commit([seen("things")]);
  stop.abort();
  assert.deepEqual(await read(), [0, 0], "a stopped consumer reads no log");
  await source.close();
});
