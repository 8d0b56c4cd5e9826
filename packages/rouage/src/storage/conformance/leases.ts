/** Rights that one user of a store at a time has. */
import assert from "node:assert/strict";
import type { Lease, Storage } from "../storage.ts";
import { type ConformanceSubject, storageTest } from "./harness.ts";

export function leaseTests(open: ConformanceSubject): void {
  const leaseTest = (name: string, run: (take: Take, reopen: (() => Promise<Storage>) | undefined) => Promise<void>) =>
    storageTest(open, name, async ({ storage, reopen }) => {
      // Who alone uses a store needs none.
      if (!storage.capabilities.shared) return assert.equal(storage.lease, undefined);
      await run((lease) => taken(storage, lease), reopen);
    });

  leaseTest("one has it, until it is given back", async (take) => {
    const first = await take("work");
    assert.ok(first !== undefined);
    assert.equal(first.lost.aborted, false);
    assert.equal(await take("work"), undefined);
    await first.release();
    const second = await take("work");
    assert.ok(second !== undefined);
    // What has been given back already takes nothing from who has it now.
    await first.release();
    assert.equal(await take("work"), undefined);
    await second.release();
  });

  leaseTest("those of different names do not know each other", async (take) => {
    const first = await take("work");
    const other = await take("other-work");
    assert.ok(first !== undefined && other !== undefined);
    await first.release();
    assert.equal(await take("other-work"), undefined);
    await other.release();
  });

  leaseTest("of many who ask at once one gets it", async (take) => {
    const all = await Promise.all(Array.from({ length: 8 }, () => take("work")));
    assert.equal(all.filter((lease) => lease !== undefined).length, 1);
  });

  leaseTest("it ends when the storage is closed", async (take, reopen) => {
    assert.ok((await take("work")) !== undefined);
    const again = await reopen?.();
    if (again !== undefined) assert.ok((await taken(again, "work")) !== undefined);
  });
}

type Take = (name: string) => Promise<Lease | undefined>;

async function taken(storage: Storage, name: string): Promise<Lease | undefined> {
  assert.ok(storage.lease !== undefined, "a storage that several processes may use has leases");
  return storage.lease(name);
}
