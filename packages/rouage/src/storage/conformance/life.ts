/** Conformance: writing and reading back, whatever the ids, keys and sizes. */
import assert from "node:assert/strict";
import { ServiceError } from "../../errors.ts";
import { type ConformanceSubject, drop, put, save, storageTest, things } from "./harness.ts";

export function lifeTests(open: ConformanceSubject): void {
  storageTest(open, "gives back the body exactly as it was put", async ({ storage }) => {
    const body = '{"text":"é 😀 \\u2028 \\" \\\\ \\n","n":1.5e-7,"empty":{},"list":[null,true,""]}';
    await storage.commit([{ kind: "put", key: { ...things, id: "a" }, body, expect: { kind: "any" } }]);
    const entry = await storage.get({ ...things, id: "a" });
    assert.equal(entry?.kind === "object" && entry.body, body);
  });

  storageTest(open, "answers undefined for what was never there", async ({ storage }) => {
    assert.equal(await storage.get({ ...things, id: "nobody" }), undefined);
    assert.deepEqual(await storage.list({ ...things, parent: "nowhere" }, { sort: [], limit: 10 }), []);
    assert.equal(await storage.count({ ...things, parent: "nowhere" }), 0);
  });

  storageTest(open, "says created, then updated, and keeps one object", async ({ storage }) => {
    const results = await storage.commit([put(things, "a", { n: 1 }), put(things, "a", { n: 2 })]);
    assert.deepEqual(
      results.map(({ kind }) => kind),
      ["created", "updated"],
    );
    assert.equal(await storage.count(things), 1);
    const entry = await storage.get({ ...things, id: "a" });
    assert.equal(entry?.kind === "object" && entry.body, '{"n":2}');
  });

  storageTest(open, "keeps lists apart by parent and by resource", async ({ storage }) => {
    await storage.commit([
      put(things, "a", { n: 1 }),
      put({ ...things, parent: "/p/1" }, "a", { n: 2 }),
      put({ resource: "people", parent: "" }, "a", { n: 3 }),
    ]);
    const bodies = await Promise.all(
      [things, { ...things, parent: "/p/1" }, { resource: "people", parent: "" }].map(async (list) => {
        const entry = await storage.get({ ...list, id: "a" });
        return entry?.kind === "object" ? entry.body : undefined;
      }),
    );
    assert.deepEqual(bodies, ['{"n":1}', '{"n":2}', '{"n":3}']);
    assert.equal(await storage.count(things), 1);
  });

  storageTest(open, "takes ids and parents of any characters", async ({ storage }) => {
    const odd = [
      "",
      " ",
      "a'b",
      'a"b',
      "a\\b",
      "%",
      "_",
      "*",
      "é",
      "e\u0301",
      "😀",
      "a/b/../c",
      "A",
      "a",
      "$",
      "{}",
      "\t\n",
    ];
    await storage.commit(
      odd.flatMap((text) => [
        put(things, `id${text}`, { text }),
        put({ ...things, parent: `parent${text}` }, "x", { text }),
      ]),
    );
    assert.equal(await storage.count(things), odd.length);
    for (const text of odd) {
      for (const key of [
        { ...things, id: `id${text}` },
        { ...things, parent: `parent${text}`, id: "x" },
      ]) {
        const entry = await storage.get(key);
        assert.deepEqual(entry?.kind === "object" && JSON.parse(entry.body), { text });
      }
      assert.equal(
        await storage.count(things, { kind: "compare", field: "id", operator: "eq", value: `id${text}` }),
        1,
      );
    }
  });

  storageTest(open, "keeps keys that mean something to JavaScript or to databases", async ({ storage }) => {
    const body = '{"__proto__":{"n":1},"constructor":1,"$where":2,"a.b":3,"":4,"hasOwnProperty":5}';
    await storage.commit([{ kind: "put", key: { ...things, id: "a" }, body, expect: { kind: "any" } }]);
    const entry = await storage.get({ ...things, id: "a" });
    assert.equal(entry?.kind === "object" && entry.body, body);
    for (const field of ["__proto__.n", "constructor", "$where", "a.b", "", "hasOwnProperty"]) {
      assert.equal(await storage.count(things, { kind: "has", field, present: true }), 1, field);
    }
    assert.equal(await storage.count(things, { kind: "has", field: "toString", present: true }), 0);
  });

  storageTest(open, "keeps a body of a megabyte", async ({ storage }) => {
    const large = "é".repeat(500_000);
    await save(storage, things, "large", { large, n: 1 });
    const [entry] = await storage.list(things, {
      filter: { kind: "compare", field: "n", operator: "eq", value: 1 },
      sort: [],
      limit: 1,
    });
    assert.equal(entry?.kind === "object" && JSON.parse(entry.body).large, large);
  });

  storageTest(open, "keeps the owner of the first put until the object is deleted", async ({ storage }) => {
    assert.equal((await save(storage, things, "a", {}, { owner: "alice" })).owner, "alice");
    assert.equal((await save(storage, things, "a", {}, { owner: "bob" })).owner, "alice");
    assert.equal((await save(storage, things, "a", {})).owner, "alice");
    const entry = await storage.get({ ...things, id: "a" });
    assert.equal(entry?.kind === "object" && entry.owner, "alice");
    assert.equal(await storage.count(things, { kind: "owner", owner: "alice" }), 1);
    assert.equal(await storage.count(things, { kind: "owner", owner: "bob" }), 0);
    await drop(storage, things, "a");
    assert.equal((await save(storage, things, "a", {}, { owner: "bob" })).owner, "bob");
    assert.equal(await storage.count(things, { kind: "not", filter: { kind: "owner", owner: "alice" } }), 1);
  });

  storageTest(open, "scans a resource over all parents in key order", async ({ storage }) => {
    const keys = [
      ["", "b"],
      ["", "a"],
      ["q", "a"],
      ["p", "z"],
      ["p", "é"],
    ] as const;
    for (const [parent, id] of keys) await save(storage, { ...things, parent }, id, { n: id === "a" ? 1 : 2 });
    await drop(storage, things, "b");
    const scan = async (query: Parameters<typeof storage.scan>[1]) =>
      (await Array.fromAsync(storage.scan("things", query))).map(({ parent, id, kind }) => `${parent}/${id} ${kind}`);
    assert.deepEqual(await scan({}), ["/a object", "p/z object", "p/é object", "q/a object"]);
    assert.deepEqual(await scan({ tombstones: true }), [
      "/a object",
      "/b tombstone",
      "p/z object",
      "p/é object",
      "q/a object",
    ]);
    assert.deepEqual(await scan({ filter: { kind: "compare", field: "n", operator: "eq", value: 1 } }), [
      "/a object",
      "q/a object",
    ]);
  });

  storageTest(open, "scans more than fits into one batch, each entry once", async ({ storage }) => {
    const count = 1_203;
    await storage.commit(Array.from({ length: count }, (_, n) => put(things, String(n).padStart(5, "0"), { n })));
    const ids = (await Array.fromAsync(storage.scan("things"))).map(({ id }) => id);
    assert.equal(new Set(ids).size, count);
    assert.deepEqual(ids, [...ids].sort());
    assert.equal(ids.length, count);
  });

  storageTest(open, "refuses resources that were not defined", async ({ storage }) => {
    const list = { resource: "unknown", parent: "" };
    await assert.rejects(async () => storage.get({ ...list, id: "a" }), /not defined/);
    await assert.rejects(storage.list(list, { sort: [], limit: 1 }), /not defined/);
    await assert.rejects(storage.commit([put(list, "a")]), /not defined/);
    await assert.rejects(storage.timestamp(list), /not defined/);
  });

  storageTest(open, "refuses ids that are not well-formed Unicode", async ({ storage }) => {
    await assert.rejects(
      storage.commit([put(things, "\ud800")]),
      (error) => ServiceError.is(error) && error.kind.status === 400,
    );
  });

  storageTest(
    open,
    "may be told a definition again, with other indexes, and keeps its objects",
    async ({ storage }) => {
      await save(storage, things, "a", { m: 5 });
      await storage.define([{ resource: "things", indexes: [["m"]], unique: [] }]);
      await storage.define([{ resource: "things", indexes: [], unique: [["m"]] }]);
      assert.equal(await storage.count(things, { kind: "compare", field: "m", operator: "ge", value: 5 }), 1);
      await assert.rejects(storage.commit([put(things, "b", { m: 5 })]), { name: "CommitConflict" });
    },
  );

  storageTest(open, "refuses a new unique constraint that objects already break", async ({ storage }) => {
    await storage.commit([put(things, "a", { m: 5 }), put(things, "b", { m: 5 })]);
    await assert.rejects(storage.define([{ resource: "things", indexes: [], unique: [["m"]] }]), /already share/);
  });

  storageTest(open, "answers a check, and unavailable once it is closed", async ({ storage }) => {
    await storage.check();
    await storage.check(true);
    await storage.close();
    await storage.close();
    const gone = (error: unknown) => ServiceError.is(error) && error.code === "unavailable";
    await assert.rejects(storage.check(), gone);
    await assert.rejects(storage.commit([put(things, "a")]), gone);
    await assert.rejects(async () => storage.get({ ...things, id: "a" }), gone);
    await assert.rejects(storage.list(things, { sort: [], limit: 1 }), gone);
    await assert.rejects(storage.position(), gone);
  });

  storageTest(open, "answers commits that were called before it is closed", async ({ storage, reopen }) => {
    const commits = Array.from({ length: 20 }, (_, n) => save(storage, things, `id${n}`, { n }));
    await storage.close();
    assert.equal((await Promise.all(commits)).length, 20);
    if (reopen === undefined) return;
    const again = await reopen();
    assert.equal(await again.count(things), 20);
  });

  storageTest(open, "has everything back when it is opened again", async ({ storage, reopen }) => {
    if (!storage.capabilities.durable) return;
    assert.ok(reopen, "a durable storage can be opened again");
    await save(storage, things, "a", { n: 1 }, { owner: "alice" });
    await save(storage, things, "b", { n: 2 });
    await drop(storage, things, "b");
    await storage.purgeTombstones({ ...things, parent: "other" }, 1);
    const before = await state();
    async function state(of = storage) {
      return {
        entries: await of.list(things, { sort: [{ field: "id", direction: "ascending" }], limit: 9, tombstones: true }),
        revision: await of.timestamp(things),
        position: await of.position(),
        log: await Array.fromAsync(of.log()),
      };
    }
    assert.deepEqual(await state(await reopen()), before);
  });
}
