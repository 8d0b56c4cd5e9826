/** Conformance: a store copied into another, by what an interface offers for it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { dumpLines } from "../dump.ts";
import { LoadError, loadLines } from "../load.ts";
import type { Storage } from "../storage.ts";
import { type ConformanceSubject, definitions, drop, people, put, save, storageTest, things } from "./harness.ts";

const resources = definitions.map(({ resource }) => resource);

export function copyTests(open: ConformanceSubject): void {
  storageTest(open, "lists every list that was touched, in order", async ({ storage, clock }) => {
    await save(storage, things, "a");
    await save(storage, { ...things, parent: "x/1" }, "a");
    await storage.timestamp({ ...people, parent: "read" });
    const found = await Array.fromAsync(storage.lists());
    assert.deepEqual(
      found.map(({ resource, parent, purged }) => [resource, parent, purged]),
      [
        ["people", "read", 0],
        ["things", "", 0],
        ["things", "x/1", 0],
      ],
    );
    assert.ok(found.every(({ revision }) => revision >= clock.now()));
  });

  storageTest(open, "names every group with its members", async ({ storage }) => {
    const members = Array.from({ length: 30 }, (_, index) => `m${index}`);
    await storage.commit([
      { kind: "members", group: "/b", members },
      { kind: "members", group: "/a", members: ["z", "a"] },
    ]);
    assert.deepEqual(await Array.fromAsync(storage.permissions.groups()), [
      { group: "/a", members: ["a", "z"] },
      { group: "/b", members: members.toSorted() },
    ]);
  });

  storageTest(open, "puts tombstones and raises lists without a trace in the log", async ({ storage }) => {
    await storage.commit([
      { kind: "tombstone", key: { ...things, id: "a" }, revision: 5 },
      { kind: "list", key: things, revision: 9, purged: 4 },
      { kind: "list", key: things, revision: 7, purged: 2 },
    ]);
    assert.deepEqual(await storage.get({ ...things, id: "a" }), { kind: "tombstone", id: "a", revision: 5 });
    assert.equal(await storage.timestamp(things), 9);
    assert.equal(await storage.purgedBefore(things), 4);
    assert.equal(await storage.position(), 0);
    await save(storage, things, "b");
    await assert.rejects(storage.commit([{ kind: "tombstone", key: { ...things, id: "b" }, revision: 6 }]));
    assert.equal((await storage.get({ ...things, id: "b" }))?.kind, "object");
  });

  storageTest(open, "a dump loaded into another store makes the same store of it", async ({ storage }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await storage.flush();
        for (const { kind, parent, id, value, principal } of steps) {
          const key = { ...things, parent };
          if (kind === "put")
            await storage.commit([
              { ...put(key, id, { n: value }, { owner: principal, permissions: { write: [principal] } }) },
            ]);
          else if (kind === "wish") await save(storage, key, id, { n: value }, { revision: value + 1 });
          else if (kind === "delete") await drop(storage, key, id).catch(() => undefined);
          else if (kind === "purge") await storage.purgeTombstones(key, Number.MAX_SAFE_INTEGER);
          else await storage.commit([{ kind: "members", group: `/${id}`, members: [principal] }]);
        }
        const before = await contents(storage);
        const lines = await Array.fromAsync(dumpLines(storage, { service: "test", version: "1", now: 0, resources }));
        await storage.flush();
        const loaded = await loadLines(lines, storage, { resources });
        assert.deepEqual(await contents(storage), before);
        assert.equal(loaded.objects + loaded.tombstones, before.entries.length);
      }),
      { numRuns: 25 },
    );
  });

  storageTest(open, "of a dump that is broken nothing is left in the store", async ({ storage }) => {
    for (const id of ["a", "b", "c"]) await save(storage, things, id);
    const lines = await Array.fromAsync(dumpLines(storage, { service: "test", version: "1", now: 0, resources }));
    await assert.rejects(loadLines(lines, storage, { resources }), /not empty/);
    await storage.flush();
    const broken: readonly (readonly [readonly string[], RegExp])[] = [
      [lines.slice(0, -1), /cut off after line 5/],
      [lines.slice(1), /line 1: a dump begins with its header/],
      [lines.toSpliced(2, 1), /2 entries came, 3 were announced/],
      [lines.toSpliced(3, 0, "{"), /line 4: not JSON/],
      [lines.toSpliced(3, 0, '{"kind":"object"}'), /line 4: not a line/],
      [lines.toSpliced(3, 0, lines[3] ?? ""), /4 entries came, 3 were announced/],
      [lines.with(2, lines[1] ?? ""), /expectation failed \(a\)/],
      [[...lines, lines[1] ?? ""], /follows the end/],
      [lines.map((line) => line.replace('"format":1', '"format":2')), /line 1: the dump has format 2/],
      [[], /nothing to load/],
    ];
    for (const [text, problem] of broken) {
      await assert.rejects(loadLines(text, storage, { resources }), (error) => {
        assert.ok(error instanceof LoadError);
        assert.match(error.message, problem);
        return true;
      });
      assert.deepEqual((await contents(storage)).entries, []);
    }
    await assert.rejects(loadLines(lines, storage, { resources: ["people"] }), /no resource things/);
  });
}

const step = fc.record({
  kind: fc.constantFrom("put", "put", "put", "wish", "delete", "purge", "members"),
  parent: fc.constantFrom("", "p/1", "p/2"),
  id: fc.constantFrom("a", "b", "c", "d"),
  value: fc.nat(1000),
  principal: fc.constantFrom("ann", "bob"),
});

async function contents(storage: Storage) {
  const entries = await Array.fromAsync(storage.scan("things", { tombstones: true }), async (entry) => ({
    ...entry,
    permissions: await storage.permissions.of({ ...things, parent: entry.parent, id: entry.id }),
  }));
  return {
    entries,
    lists: await Array.fromAsync(storage.lists()),
    groups: await Array.fromAsync(storage.permissions.groups()),
  };
}
