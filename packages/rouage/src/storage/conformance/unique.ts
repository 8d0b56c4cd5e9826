/** Conformance: unique constraints. */
import assert from "node:assert/strict";
import type { Json } from "../../json.ts";
import { type ConformanceSubject, conflict, drop, people, put, remove, save, storageTest } from "./harness.ts";

export function uniqueTests(open: ConformanceSubject): void {
  storageTest(open, "a second object with the value is a conflict that reports the first", async ({ storage }) => {
    const first = await save(storage, people, "a", { email: "x@y" }, { owner: "alice" });
    const { change, reason } = await conflict(
      storage.commit([put(people, "b", { email: "other" }), put(people, "c", { email: "x@y" })]),
    );
    assert.equal(change, 1);
    assert.deepEqual(reason, { kind: "unique", fields: ["email"], existing: first });
    assert.equal(await storage.count(people), 1);
  });

  storageTest(open, "holds for values of every type, and only for equal ones", async ({ storage }) => {
    const values: readonly Json[] = [
      "1",
      1,
      true,
      false,
      0,
      "",
      [1],
      [1, 2],
      [[]],
      {},
      { a: 1, b: [2] },
      "é",
      "e\u0301",
      "[1]",
    ];
    for (const [index, email] of values.entries()) await save(storage, people, `id${index}`, { email });
    for (const [index, email] of values.entries()) {
      const { reason } = await conflict(storage.commit([put(people, "again", { email })]));
      assert.equal(reason.kind === "unique" && reason.existing.id, `id${index}`);
    }
    const { reason } = await conflict(storage.commit([put(people, "again", { email: { b: [2], a: 1 } })]));
    assert.equal(reason.kind, "unique", "the order of keys says nothing");
  });

  storageTest(open, "null and missing never collide", async ({ storage }) => {
    for (const id of ["a", "b"]) {
      await save(storage, people, `null${id}`, { email: null });
      await save(storage, people, `missing${id}`, {});
      await save(storage, people, `half${id}`, { first: "x" });
      await save(storage, people, `other${id}`, { first: "x", last: null });
    }
    assert.equal(await storage.count(people), 8);
  });

  storageTest(open, "several fields are compared together", async ({ storage }) => {
    await save(storage, people, "a", { first: "x", last: "y" });
    await save(storage, people, "b", { first: "x", last: "z" });
    await save(storage, people, "c", { first: "xy", last: "" });
    const { reason } = await conflict(storage.commit([put(people, "d", { last: "y", first: "x" })]));
    assert.deepEqual(reason.kind === "unique" && [reason.fields, reason.existing.id], [["first", "last"], "a"]);
  });

  storageTest(open, "an object may keep its own value, and a value given up is free", async ({ storage }) => {
    await save(storage, people, "a", { email: "x", n: 1 });
    await save(storage, people, "a", { email: "x", n: 2 });
    await save(storage, people, "a", { email: "y" });
    await save(storage, people, "b", { email: "x" });
    await drop(storage, people, "b");
    await storage.commit([put(people, "c", { email: "x" }), remove(people, "c"), put(people, "d", { email: "x" })]);
    await conflict(storage.commit([put(people, "e", { email: "x" })]));
  });

  storageTest(open, "a failed commit claims nothing and frees nothing", async ({ storage }) => {
    await save(storage, people, "a", { email: "x" });
    await conflict(
      storage.commit([put(people, "a", { email: "new" }), put(people, "b", { email: "x" }), remove(people, "nobody")]),
    );
    await save(storage, people, "c", { email: "new" });
    await conflict(storage.commit([put(people, "d", { email: "x" })]));
  });

  storageTest(open, "counts per parent, or over all parents where declared so", async ({ storage }) => {
    await storage.commit([
      put({ ...people, parent: "1" }, "a", { email: "x" }),
      put({ ...people, parent: "2" }, "a", { email: "x" }),
      put({ resource: "names", parent: "1" }, "a", { name: "x" }),
    ]);
    const { reason } = await conflict(storage.commit([put({ resource: "names", parent: "2" }, "a", { name: "x" })]));
    assert.equal(reason.kind === "unique" && reason.existing.id, "a");
  });

  storageTest(open, "of many that want a value at the same time exactly one gets it", async ({ storage }) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => storage.commit([put(people, `id${n}`, { email: "x" })])),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal(await storage.count(people), 1);
  });
}
