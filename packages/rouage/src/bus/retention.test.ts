import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type ManualClock, manualClock } from "../clock.ts";
import { openStorage } from "../storage/open.ts";
import type { Change, ListKey, Storage } from "../storage/storage.ts";
import { createRetention, retentionList } from "./retention.ts";

const things = (parent = ""): ListKey => ({ resource: "things", parent });
const others: ListKey = { resource: "others", parent: "" };

async function opened(url = "memory:"): Promise<{ storage: Storage; clock: ManualClock }> {
  const clock = manualClock();
  const storage = await openStorage(url, { clock });
  await storage.define([
    { resource: "things", indexes: [], unique: [] },
    { resource: "others", indexes: [], unique: [] },
    retentionList,
  ]);
  return { storage, clock };
}

const put = (list: ListKey, id: string): Change => ({
  kind: "put",
  key: { ...list, id },
  body: "{}",
  expect: { kind: "any" },
});
const drop = (list: ListKey, id: string): Change => ({ kind: "delete", key: { ...list, id }, expect: { kind: "any" } });

async function tombstonesOf(storage: Storage, list: ListKey): Promise<readonly string[]> {
  const entries = await storage.list(list, {
    sort: [{ field: "last_modified", direction: "ascending" }],
    limit: 1000,
    tombstones: true,
  });
  return entries.flatMap(({ kind, id }) => (kind === "tombstone" ? [id] : []));
}

describe("tombstones", () => {
  test("go when their time is over, list by list, and the list says since when it lacks some", async () => {
    const { storage, clock } = await opened();
    const { step } = createRetention({ storage, clock, tombstones: new Map([["things", 60]]) });
    await storage.commit([put(things(), "a"), put(things(), "b"), put(things("p"), "a"), put(others, "a")]);
    await storage.commit([drop(things(), "a"), drop(things("p"), "a"), drop(others, "a")]);
    clock.advance(30_000);
    await storage.commit([drop(things(), "b")]);
    assert.equal(await step(), false);
    assert.deepEqual(await tombstonesOf(storage, things()), ["a", "b"]);
    clock.advance(30_000);
    const first = (await storage.get({ ...things(), id: "a" }))?.revision ?? 0;
    await step();
    assert.deepEqual(await tombstonesOf(storage, things()), ["b"]);
    assert.deepEqual(await tombstonesOf(storage, things("p")), []);
    assert.deepEqual(await tombstonesOf(storage, others), ["a"]);
    assert.equal(await storage.purgedBefore(things()), first + 1);
    clock.advance(30_000);
    await step();
    assert.deepEqual(await tombstonesOf(storage, things()), []);
    assert.equal(await step(), false);
  });

  test("go in small steps, and a restart goes on where it was", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "retention-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const url = `sqlite:${join(folder, "things.db")}`;
    const before = await opened(url);
    const ids = Array.from({ length: 300 }, (_, index) => `t${index}`);
    await before.storage.commit(ids.map((id) => put(things(), id)));
    await before.storage.commit(ids.map((id) => drop(things(), id)));
    before.clock.advance(60_000);
    const tombstones = new Map([["things", 60]]);
    const first = createRetention({ storage: before.storage, clock: before.clock, tombstones });
    assert.equal(await first.step(), true, "300 creations and a part of the deletions remain");
    assert.equal(await first.step(), true);
    const left = (await tombstonesOf(before.storage, things())).length;
    assert.ok(left > 0 && left < 300, `${left}`);
    await before.storage.close();

    const after = await opened(url);
    after.clock.set(before.clock.now());
    let read = 0;
    const counting: Storage = {
      ...after.storage,
      async *log(query) {
        for await (const entry of after.storage.log(query)) {
          read++;
          yield entry;
        }
      },
    };
    const second = createRetention({ storage: counting, clock: after.clock, tombstones });
    while (await second.step());
    assert.deepEqual(await tombstonesOf(after.storage, things()), []);
    assert.ok(read <= left + 1, `${read} entries were read for ${left} tombstones`);
    await after.storage.close();
  });

  test("an object that came back is not forgotten, whatever happened when", async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constantFrom("put" as const, "drop" as const),
        id: fc.constantFrom("a", "b", "c"),
        parent: fc.constantFrom("", "p"),
      }),
      fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ kind: fc.constant("purge" as const) }),
      fc.record({ kind: fc.constant("restart" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { storage, clock } = await opened();
        const options = { storage, clock, tombstones: new Map([["things", 60]]) };
        let retention = createRetention(options);
        /** By list and id: the live object, or when it was deleted. */
        const model = new Map<string, "live" | number>();
        for (const each of steps) {
          if (each.kind === "pass") clock.advance(each.seconds * 1000);
          else if (each.kind === "restart") retention = createRetention(options);
          else if (each.kind === "purge") {
            while (await retention.step());
            for (const [key, state] of model) if (state !== "live" && state <= clock.now() - 60_000) model.delete(key);
          } else {
            const key = `${each.parent}/${each.id}`;
            if (each.kind === "put") model.set(key, "live");
            else if (model.get(key) !== "live") continue;
            else model.set(key, clock.now());
            await storage.commit([(each.kind === "put" ? put : drop)(things(each.parent), each.id)]);
          }
          for (const parent of ["", "p"])
            for (const id of ["a", "b", "c"]) {
              const entry = await storage.get({ ...things(parent), id });
              const state = model.get(`${parent}/${id}`);
              assert.equal(entry?.kind, state === undefined ? undefined : state === "live" ? "object" : "tombstone");
            }
        }
      }),
      { numRuns: 60 },
    );
  });
});
