/** Conformance: revisions of lists and objects. */
import assert from "node:assert/strict";
import { type ConformanceSubject, drop, put, save, storageTest, things } from "./harness.ts";

export function revisionTests(open: ConformanceSubject): void {
  storageTest(
    open,
    "a write gets the time of the clock, or one more than the list's revision",
    async ({ storage, clock }) => {
      const first = await save(storage, things, "a");
      assert.equal(first.revision, clock.now());
      assert.equal((await save(storage, things, "b")).revision, clock.now() + 1);
      clock.advance(1_000);
      assert.equal((await save(storage, things, "a")).revision, clock.now());
      clock.advance(-60_000);
      assert.equal((await drop(storage, things, "b")).revision, first.revision + 1_001);
      assert.equal(await storage.timestamp(things), first.revision + 1_001);
    },
  );

  storageTest(open, "revisions of one list never repeat under concurrent commits", async ({ storage }) => {
    const commits = Array.from({ length: 120 }, (_, n) =>
      storage.commit([put(things, `a${n % 40}`, { n }), put({ ...things, parent: "p" }, `b${n}`, { n })]),
    );
    const results = (await Promise.all(commits)).map((result) =>
      result.map((change) => ("object" in change ? change.object.revision : 0)),
    );
    for (const list of [0, 1]) {
      const revisions = results.map((result) => result[list] ?? 0);
      assert.equal(new Set(revisions).size, 120);
      assert.equal(Math.max(...revisions), await storage.timestamp({ ...things, parent: list === 0 ? "" : "p" }));
    }
  });

  storageTest(
    open,
    "a list never touched gets its revision when first asked, and keeps it",
    async ({ storage, clock }) => {
      const revision = await storage.timestamp(things);
      assert.equal(revision, clock.now());
      clock.advance(5_000);
      assert.equal(await storage.timestamp(things), revision);
      assert.equal((await save(storage, things, "a")).revision, clock.now());
      const other = { ...things, parent: "other" };
      const [one, two] = await Promise.all([storage.timestamp(other), storage.timestamp(other)]);
      assert.equal(one, two);
    },
  );

  storageTest(
    open,
    "asked read-only, a list never touched has a stable value and stays untouched",
    async ({ storage, clock }) => {
      const value = await storage.timestamp(things, true);
      clock.advance(5_000);
      assert.equal(await storage.timestamp(things, true), value);
      assert.equal(await storage.timestamp(things), clock.now());
      assert.equal(await storage.timestamp(things, true), clock.now());
    },
  );

  storageTest(open, "creating with a greater revision moves the list there", async ({ storage, clock }) => {
    const wish = clock.now() + 100_000;
    await save(storage, things, "a");
    assert.equal((await save(storage, things, "b", {}, { revision: wish })).revision, wish);
    assert.equal(await storage.timestamp(things), wish);
    assert.equal((await save(storage, things, "c")).revision, wish + 1);
  });

  storageTest(open, "creating with the list's revision bumps it", async ({ storage }) => {
    const { revision } = await save(storage, things, "a");
    assert.equal((await save(storage, things, "b", {}, { revision })).revision, revision + 1);
    assert.equal(await storage.timestamp(things), revision + 1);
  });

  storageTest(open, "creating with a smaller revision keeps it and leaves the list's", async ({ storage }) => {
    const { revision } = await save(storage, things, "a");
    assert.equal((await save(storage, things, "b", {}, { revision: revision - 500 })).revision, revision - 500);
    assert.equal(await storage.timestamp(things), revision);
  });

  storageTest(open, "a smaller revision that another entry has already is not given twice", async ({ storage }) => {
    const a = await save(storage, things, "a", {}, { revision: 500 });
    const gone = await drop(storage, things, "a", { revision: 600 });
    assert.deepEqual([a.revision, gone.revision], [500, 600]);
    const { revision } = await save(storage, things, "b");
    const c = await save(storage, things, "c", {}, { revision: 600 });
    assert.equal(c.revision, revision + 1, "a tombstone has it");
    const d = await save(storage, things, "d", {}, { revision: 550 });
    const e = await save(storage, things, "e", {}, { revision: 550 });
    assert.equal(d.revision, 550);
    assert.equal(e.revision, revision + 2, "an object has it");
  });

  storageTest(open, "on a list never touched any wish becomes the list's revision", async ({ storage }) => {
    assert.equal((await save(storage, things, "a", {}, { revision: 77 })).revision, 77);
    assert.equal(await storage.timestamp(things), 77);
  });

  storageTest(
    open,
    "replacing ignores a wish that is not greater than the object's own",
    async ({ storage, clock }) => {
      const { revision } = await save(storage, things, "a");
      clock.advance(10_000);
      assert.equal((await save(storage, things, "a", {}, { revision })).revision, clock.now());
      assert.equal((await save(storage, things, "a", {}, { revision: revision - 5 })).revision, clock.now() + 1);
      const wish = clock.now() + 50;
      assert.equal((await save(storage, things, "a", {}, { revision: wish })).revision, wish);
      assert.equal(await storage.timestamp(things), wish);
    },
  );

  storageTest(open, "replacing with a wish between the object's and the list's keeps it", async ({ storage }) => {
    await save(storage, things, "a", {}, { revision: 100 });
    await save(storage, things, "b", {}, { revision: 900 });
    assert.equal((await save(storage, things, "a", {}, { revision: 400 })).revision, 400);
    assert.equal(await storage.timestamp(things), 900);
  });

  storageTest(open, "deleting honours a wish as replacing does", async ({ storage, clock }) => {
    const { revision } = await save(storage, things, "a");
    await save(storage, things, "b");
    assert.equal((await drop(storage, things, "a", { revision: revision - 1 })).revision, revision + 2);
    const wish = clock.now() + 9_000;
    assert.equal((await drop(storage, things, "b", { revision: wish })).revision, wish);
    assert.equal(await storage.timestamp(things), wish);
  });

  storageTest(open, "wishes that are no usable revision are ignored", async ({ storage, clock }) => {
    for (const [index, revision] of [-1, 0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53].entries()) {
      assert.equal((await save(storage, things, `a${index}`, {}, { revision })).revision, clock.now() + index);
    }
  });
}
