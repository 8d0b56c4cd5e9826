/** Conformance: what remains of deleted objects. */
import assert from "node:assert/strict";
import { type ConformanceSubject, drop, put, remove, save, storageTest, things } from "./harness.ts";

export function tombstoneTests(open: ConformanceSubject): void {
  storageTest(open, "a deleted object leaves a tombstone with a revision of its own", async ({ storage }) => {
    const { revision } = await save(storage, things, "a", { n: 1 });
    const tombstone = await drop(storage, things, "a");
    assert.deepEqual(tombstone, { kind: "tombstone", id: "a", revision: revision + 1 });
    assert.deepEqual(await storage.get({ ...things, id: "a" }), tombstone);
    assert.equal(await storage.count(things), 0);
  });

  storageTest(open, "creating again removes the tombstone", async ({ storage }) => {
    await save(storage, things, "a", { n: 1 });
    await drop(storage, things, "a");
    const object = await save(storage, things, "a", { n: 2 });
    assert.deepEqual(await storage.list(things, { sort: [], limit: 9, tombstones: true }), [object]);
  });

  storageTest(open, "lists show tombstones only when asked, sorted among the objects", async ({ storage }) => {
    for (const id of ["a", "b", "c", "d"]) await save(storage, things, id, { n: id });
    await drop(storage, things, "b");
    const list = async (tombstones: boolean, field = "last_modified") =>
      (await storage.list(things, { sort: [{ field, direction: "descending" }], limit: 9, tombstones })).map(
        ({ id, kind }) => `${id} ${kind}`,
      );
    assert.deepEqual(await list(false), ["d object", "c object", "a object"]);
    assert.deepEqual(await list(true), ["b tombstone", "d object", "c object", "a object"]);
    assert.deepEqual(await list(true, "id"), ["d object", "c object", "b tombstone", "a object"]);
    assert.deepEqual(await list(true, "n"), ["b tombstone", "d object", "c object", "a object"]);
  });

  storageTest(open, "filters apply to tombstones, whose only own field is `deleted`", async ({ storage }) => {
    await storage.commit([put(things, "a", { n: 1 }, { owner: "alice" }), put(things, "b", { n: 1, deleted: false })]);
    const { revision } = await drop(storage, things, "a");
    const find = async (filter: Parameters<typeof storage.count>[1]) =>
      (
        await storage.list(things, {
          ...(filter === undefined ? {} : { filter }),
          sort: [{ field: "id", direction: "ascending" }],
          limit: 9,
          tombstones: true,
        })
      ).map(({ id }) => id);
    assert.deepEqual(await find({ kind: "compare", field: "deleted", operator: "eq", value: true }), ["a"]);
    assert.deepEqual(await find({ kind: "compare", field: "n", operator: "eq", value: 1 }), ["b"]);
    assert.deepEqual(await find({ kind: "compare", field: "n", operator: "ne", value: 2 }), ["a", "b"]);
    assert.deepEqual(await find({ kind: "has", field: "n", present: false }), ["a"]);
    assert.deepEqual(await find({ kind: "owner", owner: "alice" }), []);
    assert.deepEqual(await find({ kind: "compare", field: "last_modified", operator: "ge", value: revision }), ["a"]);
    assert.equal(await storage.count(things, { kind: "has", field: "n", present: false }), 0);
  });

  storageTest(open, "purging drops those below a revision and remembers that it did", async ({ storage }) => {
    await storage.commit(["a", "b", "c", "d"].map((id) => put(things, id)));
    const [a, b, c] = [
      await drop(storage, things, "a"),
      await drop(storage, things, "b"),
      await drop(storage, things, "c"),
    ];
    assert.equal(await storage.purgedBefore(things), 0);
    assert.equal(await storage.purgeTombstones(things, a.revision), 0);
    assert.equal(await storage.purgedBefore(things), 0);
    assert.equal(await storage.purgeTombstones(things, c.revision), 2);
    assert.equal(await storage.purgedBefore(things), c.revision);
    assert.equal(await storage.get({ ...things, id: "a" }), undefined);
    assert.equal(await storage.get({ ...things, id: "b" }), undefined);
    assert.deepEqual(await storage.get({ ...things, id: "c" }), c);
    assert.equal((await storage.get({ ...things, id: "d" }))?.kind, "object");
    assert.equal(await storage.timestamp(things), c.revision, "the list's revision stays");
    assert.equal((await save(storage, things, "e", {}, { revision: b.revision })).revision, b.revision);
  });

  storageTest(open, "purging touches one list alone", async ({ storage }) => {
    const other = { ...things, parent: "other" };
    await storage.commit([put(things, "a"), put(other, "a")]);
    await storage.commit([remove(things, "a"), remove(other, "a")]);
    assert.equal(await storage.purgeTombstones(things, Number.MAX_SAFE_INTEGER), 1);
    assert.equal((await storage.get({ ...other, id: "a" }))?.kind, "tombstone");
    assert.equal(await storage.purgedBefore(other), 0);
  });
}
