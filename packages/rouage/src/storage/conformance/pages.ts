/** Conformance: sorts, limits and keyset pages. */
import assert from "node:assert/strict";
import type { Json } from "../../json.ts";
import { type EvaluatedEntry, fieldValue } from "../evaluate.ts";
import type { Sort, SortValue } from "../filter.ts";
import { parseEntry, type Storage, type StoredEntry } from "../storage.ts";
import { type ConformanceSubject, drop, put, save, storageTest, things } from "./harness.ts";

const ascending = (field: string): Sort => ({ field, direction: "ascending" });
const descending = (field: string): Sort => ({ field, direction: "descending" });

export function pageTests(open: ConformanceSubject): void {
  const values: readonly Json[] = [null, "", "a", "b", -1, 0, 2.5, 10, false, true, [1], [], { a: 1 }, {}];

  for (const field of ["n", "v"]) {
    storageTest(
      open,
      `sorts ${field === "n" ? "an indexed" : "any"} field across types, missing last`,
      async ({ storage }) => {
        await storage.commit([
          put(things, "missing"),
          ...values.map((value, index) => put(things, `i${index}`, { [field]: value })).reverse(),
        ]);
        const order = [...values.map((_, index) => `i${index}`), "missing"];
        const list = async (...sort: Sort[]) => (await storage.list(things, { sort, limit: 100 })).map(({ id }) => id);
        assert.deepEqual(await list(ascending(field)), order);
        assert.deepEqual(await list(descending(field)), order.toReversed());
        assert.deepEqual((await list(ascending(field), ascending("id"))).slice(0, 3), order.slice(0, 3));
      },
    );
  }

  storageTest(open, "sorts by several fields, each in its direction", async ({ storage }) => {
    await storage.commit([
      put(things, "a", { kind: "x", n: 1 }),
      put(things, "b", { kind: "y", n: 2 }),
      put(things, "c", { kind: "x", n: 2 }),
      put(things, "d", { n: 2 }),
      put(things, "e", { kind: "y", n: 1 }),
    ]);
    const list = async (...sort: Sort[]) =>
      (await storage.list(things, { sort, limit: 100 })).map(({ id }) => id).join("");
    assert.equal(await list(ascending("kind"), descending("n")), "cabed");
    assert.equal(await list(descending("kind"), ascending("n"), ascending("id")), "debac");
    assert.equal(await list(descending("n"), ascending("id")), "bcdae");
    assert.equal(await list(descending("last_modified")), "edcba");
  });

  storageTest(open, "gives no more than the limit", async ({ storage }) => {
    await storage.commit(Array.from({ length: 20 }, (_, n) => put(things, `i${n}`, { n })));
    for (const limit of [0, 1, 7, 20, 21]) {
      assert.equal((await storage.list(things, { sort: [ascending("n")], limit })).length, Math.min(limit, 20));
    }
  });

  storageTest(open, "stops behind the entry that crosses the size", async ({ storage }) => {
    await storage.commit(Array.from({ length: 9 }, (_, n) => put(things, `i${n}`, { text: "x".repeat(1000) })));
    await drop(storage, things, "i8");
    const count = async (size: number, limit = 100) =>
      (await storage.list(things, { sort: [ascending("id")], limit, size, tombstones: true })).length;
    assert.equal(await count(1_000_000), 9);
    assert.equal(await count(2500), 3);
    assert.equal(await count(1), 1);
    assert.equal(await count(2500, 2), 2);
  });

  const sorts: readonly (readonly Sort[])[] = [
    [descending("last_modified")],
    [ascending("id")],
    [ascending("n"), descending("last_modified")],
    [descending("n"), descending("last_modified")],
    [ascending("v"), ascending("id")],
    [descending("v"), ascending("id")],
    [descending("kind"), ascending("n"), ascending("id")],
    [ascending("a.b"), descending("id")],
    [ascending("nowhere"), ascending("id")],
  ];

  storageTest(open, "pages of any size over any sort show every entry once, in order", async ({ storage }) => {
    const entries = Array.from({ length: 60 }, (_, index) => ({
      ...(index % 5 === 0
        ? {}
        : { n: values[index % values.length] ?? null, v: values[(index * 7) % values.length] ?? null }),
      ...(index % 4 === 0 ? {} : { kind: `k${index % 3}`, a: { b: index % 6 } }),
    }));
    await storage.commit(
      entries.map((object, index) => put(things, `i${String(index * 37).padStart(4, "0")}`, object)),
    );
    for (let index = 0; index < 60; index += 11) await drop(storage, things, `i${String(index * 37).padStart(4, "0")}`);
    for (const sort of sorts) {
      for (const tombstones of [false, true]) {
        const whole = (await storage.list(things, { sort, limit: 1_000, tombstones })).map(({ id }) => id);
        assert.equal(whole.length, tombstones ? 60 : 54);
        for (const limit of [1, 7, 53]) {
          const paged = (await pages(storage, sort, limit, tombstones)).map(({ id }) => id);
          assert.deepEqual(paged, whole, `${JSON.stringify(sort)} by ${limit}`);
        }
      }
    }
  });

  storageTest(open, "paging while others write neither skips nor repeats what stays", async ({ storage }) => {
    const steady = Array.from({ length: 40 }, (_, index) => `s${String(index).padStart(3, "0")}`);
    await storage.commit(
      steady.map((id, index) => put(things, id, { n: index % 7, ...(index % 3 ? { kind: "k" } : {}) })),
    );
    for (const sort of [
      [ascending("n"), ascending("id")],
      [descending("n"), descending("id")],
      [descending("kind"), ascending("id")],
    ]) {
      let turn = 0;
      const seen = await pages(storage, sort, 3, false, async () => {
        turn++;
        await save(storage, things, `t${turn}`, { n: turn % 9, kind: "t" });
        if (turn % 2 === 0) await drop(storage, things, `t${turn - 1}`);
      });
      const ids = seen.map(({ id }) => id).filter((id) => id.startsWith("s"));
      assert.deepEqual([...ids].sort(), steady);
      assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length);
      for (const entry of await storage.list(things, { sort: [], limit: 1_000 })) {
        if (entry.id.startsWith("t")) await drop(storage, things, entry.id);
      }
    }
  });

  storageTest(open, "a place that no entry has is a place all the same", async ({ storage }) => {
    await storage.commit([put(things, "a", { n: 1 }), put(things, "b", { n: "x" }), put(things, "c")]);
    const list = async (sort: Sort[], after: SortValue[]) =>
      (await storage.list(things, { sort, after, limit: 9 })).map(({ id }) => id).join("");
    assert.equal(await list([ascending("n"), ascending("id")], ["y", "z"]), "ac");
    assert.equal(await list([ascending("n"), ascending("id")], [[1, 2], "z"]), "c");
    assert.equal(await list([descending("n"), ascending("id")], [{ q: 1 }, "z"]), "ab");
    assert.equal(await list([descending("n"), ascending("id")], [undefined, "c"]), "ab");
    assert.equal(await list([ascending("id")], [12]), "");
    assert.equal(await list([descending("id")], [12]), "cba");
    assert.equal(await list([ascending("last_modified")], ["text"]), "abc");
  });
}

/** Walks through all pages as a client does, from the last entry of each. */
async function pages(
  storage: Storage,
  sort: readonly Sort[],
  limit: number,
  tombstones: boolean,
  between: () => Promise<void> = async () => {},
): Promise<readonly StoredEntry[]> {
  const seen: StoredEntry[] = [];
  let after: readonly SortValue[] | undefined;
  for (;;) {
    const page = await storage.list(things, { sort, limit, tombstones, ...(after === undefined ? {} : { after }) });
    seen.push(...page);
    const last = page[page.length - 1];
    if (last === undefined || page.length < limit) return seen;
    const entry: EvaluatedEntry = { id: last.id, revision: last.revision, value: parseEntry(last) };
    after = sort.map(({ field }) => fieldValue(entry, field));
    await between();
  }
}
