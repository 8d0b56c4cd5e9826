/** What has to hold after each fault: whatever was acknowledged is there, nothing is there by half, and the store verifies. */
import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { openStorage, type Storage } from "../../src/storage/index.ts";
import { verifyStorage } from "../../src/storage/tools.ts";
import { bodyOf, type Written } from "./writers.ts";

/** Opens the store as the fault has left it. */
export async function assertWhole(url: string, written: readonly Written[]): Promise<void> {
  await using storage = await openStorage(url, { clock: systemClock, asFound: true });
  const values = new Map<Written, readonly (number | undefined)[]>();
  for (let begin = 0; begin < written.length; begin += 100)
    await Promise.all(
      written.slice(begin, begin + 100).map(async (thing) => {
        values.set(thing, await Promise.all(thing.ids.map((id) => valueIn(storage, id))));
      }),
    );
  for (const [{ ids, acknowledged, pending }, [first, ...others]] of values) {
    const where = `${ids}, acknowledged ${acknowledged}, pending ${JSON.stringify(pending)}`;
    assert.ok(first === acknowledged || (pending !== undefined && first === pending.value), `is ${first}: ${where}`);
    for (const other of others) assert.equal(other, first, `an atomic batch is there by half: ${where}`);
  }
  const { violations, complete } = await verifyStorage(storage);
  assert.deepEqual(violations, []);
  assert.ok(complete);
}

async function valueIn(storage: Storage, id: string): Promise<number | undefined> {
  const entry = await storage.get({ resource: "notes", parent: "", id });
  if (entry?.kind !== "object") return undefined;
  const { n } = JSON.parse(entry.body);
  assert.deepEqual(JSON.parse(entry.body), bodyOf(id, n), "half-written");
  return n;
}
