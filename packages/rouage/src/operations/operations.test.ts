import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Type } from "typebox";
import { invalid } from "../errors.ts";
import { resource } from "../resource.ts";
import { QueryTooCostly } from "../storage/storage.ts";
import { authenticated, everyone, owner, predicate, role } from "./access.ts";
import type { ListOptions, PatchDocument, WriteRequest } from "./operations.ts";
import { ann, bench, bob, caller, failure, nobodyKnown, violations } from "./testing.ts";

const kittens = resource("kittens", {
  schema: Type.Object({
    name: Type.String({ minLength: 1 }),
    weight: Type.Number({ default: 1 }),
    chip: Type.Optional(Type.String({ readOnly: true })),
    code: Type.Optional(Type.String({ writeOnly: true })),
  }),
  access: { create: [authenticated], read: [everyone] },
  unique: ["chip"],
});
const list = { params: {} };
const at = (id: string) => ({ params: {}, id });

async function kitchen() {
  const made = await bench([kittens]);
  const operations = made.operations(kittens);
  return {
    ...made,
    operations,
    context: made.as(ann),
    add: (data: Record<string, unknown> = { name: "Tom" }) => operations.create(made.as(ann), list, { data }),
  };
}

describe("create", () => {
  test("makes a time-ordered id, fills in defaults and answers with the object", async () => {
    const { add, clock } = await kitchen();
    const { kind, id, revision, json } = await add();
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    assert.deepEqual([kind, revision], ["created", clock.now()]);
    assert.deepEqual(JSON.parse(json), { id, last_modified: revision, name: "Tom", weight: 1 });
  });

  test("with the id of an existing object leaves it untouched", async () => {
    const { add } = await kitchen();
    const first = await add({ id: "tom", name: "Tom" });
    const second = await add({ id: "tom", name: "Other" });
    assert.deepEqual(second, { ...first, kind: "unchanged" });
  });

  test("names every violation at once", async () => {
    const { add } = await kitchen();
    const error = await failure(() => add({ name: "", weight: "x", colour: "red" }), "invalid-parameters");
    assert.deepEqual(violations(error), ["body colour unknown-field", "body name min-length", "body weight type"]);
  });

  test("refuses a bad id as the protocol says", async () => {
    const { add } = await kitchen();
    for (const id of ["a b", "", 3, null, "-a", "a/b", "a".repeat(300)]) {
      const error = await failure(() => add({ id, name: "Tom" }), "invalid-parameters");
      assert.deepEqual(error.details, [
        { location: "path", name: null, description: "Invalid object id", code: "invalid-id" },
      ]);
    }
  });

  test("keeps a forced last_modified of the past, drops one that is no integer or far ahead", async () => {
    const { add, clock } = await kitchen();
    assert.equal((await add({ name: "Tom", last_modified: 1234 })).revision, 1234);
    for (const last_modified of ["1234", 1.5, true, null, -1, 2 ** 53, clock.now() + 90_000_000]) {
      const { revision } = await add({ name: "Tom", last_modified });
      assert.ok(revision >= clock.now() && revision < clock.now() + 1000, `${last_modified} gave ${revision}`);
    }
  });

  test("refuses data that is not an object, nests too deeply or is too large", async () => {
    const { operations, context } = await kitchen();
    let deep: unknown = 1;
    for (let level = 0; level < 5000; level++) deep = [deep];
    for (const data of [null, [], "x", 3, { name: "Tom", weight: deep }])
      await failure(() => operations.create(context, list, { data }), "invalid-parameters");
    const large = { name: "x".repeat(1_048_577) };
    await failure(() => operations.create(context, list, { data: large }), "body-too-large");
  });

  test("re-creating a deleted id removes its tombstone", async () => {
    const { add, operations, context } = await kitchen();
    await add({ id: "tom", name: "Tom" });
    const { revision } = await operations.delete(context, at("tom"), {});
    const again = await add({ id: "tom", name: "Tom" });
    assert.equal(again.kind, "created");
    assert.ok(again.revision > revision);
    const page = await operations.list(context, list, { query: () => ({ tombstones: true }) });
    assert.equal(page.kind === "page" && page.items.length, 1);
  });

  test("a unique field that is taken is a conflict, with the object in the way for who may read it", async () => {
    const { add } = await kitchen();
    const { json } = await add({ name: "Tom", chip: "c1", code: "secret" });
    const error = await failure(() => add({ name: "Other", chip: "c1" }), "conflict");
    assert.deepEqual(error.details, { field: "chip", existing: JSON.parse(json) });
    assert.doesNotMatch(JSON.stringify(error.details), /secret/);
  });
});

describe("replace", () => {
  test("creates or replaces", async () => {
    const { operations, context } = await kitchen();
    const created = await operations.replace(context, at("tom"), { data: { name: "Tom", weight: 2 } });
    const updated = await operations.replace(context, at("tom"), { data: { name: "Tim" } });
    assert.deepEqual([created.kind, updated.kind], ["created", "updated"]);
    assert.deepEqual(JSON.parse(updated.json), { id: "tom", last_modified: updated.revision, name: "Tim", weight: 1 });
  });

  test("without data keeps the data, under a new revision", async () => {
    const { add, operations, context } = await kitchen();
    const { id, json, revision } = await add({ name: "Tom", chip: "c1", code: "secret" });
    const kept = await operations.replace(context, at(id), {});
    assert.ok(kept.revision > revision);
    assert.deepEqual(JSON.parse(kept.json), { ...JSON.parse(json), last_modified: kept.revision });
  });

  test("keeps what the client cannot send back, and refuses to change what is read-only", async () => {
    const { add, operations, context, storage } = await kitchen();
    const { id } = await add({ name: "Tom", chip: "c1", code: "secret" });
    await operations.replace(context, at(id), { data: { name: "Tim" } });
    const stored = await storage.get({ resource: "kittens", parent: "", id });
    assert.deepEqual(stored?.kind === "object" && JSON.parse(stored.body), {
      name: "Tim",
      weight: 1,
      chip: "c1",
      code: "secret",
    });
    const error = await failure(() => operations.replace(context, at(id), { data: { name: "Tim", chip: "c2" } }));
    assert.equal(error.message, "Cannot modify chip");
    assert.deepEqual(violations(error), ["body chip read-only"]);
  });

  test("refuses an id that is not the path's", async () => {
    const { operations, context } = await kitchen();
    const error = await failure(() => operations.replace(context, at("tom"), { data: { id: "tim", name: "Tom" } }));
    assert.match(error.message, /Object id does not match existing object/);
  });

  test("drops a forced last_modified that is not newer", async () => {
    const { add, operations, context } = await kitchen();
    const { id, revision } = await add();
    for (const last_modified of [revision, revision - 5])
      assert.ok(
        (await operations.replace(context, at(id), { data: { name: "Tim", last_modified } })).revision > revision,
      );
    const wished = revision + 5000;
    const { revision: forced } = await operations.replace(context, at(id), {
      data: { name: "Tim", last_modified: wished },
    });
    assert.equal(forced, wished);
  });
});

describe("patch", () => {
  const patches: readonly (readonly [string, PatchDocument])[] = [
    ["merge", { kind: "merge", data: { weight: 9 } }],
    ["merge-patch", { kind: "merge-patch", data: { weight: 9 } }],
    ["json-patch", { kind: "json-patch", operations: [{ op: "replace", path: "/data/weight", value: 9 }] }],
  ];
  for (const [kind, patch] of patches)
    test(`${kind} changes what it names and leaves the rest, hidden fields included`, async () => {
      const { add, operations, context, storage } = await kitchen();
      const { id } = await add({ name: "Tom", code: "secret" });
      const { json, revision } = await operations.patch(context, at(id), { patch });
      assert.deepEqual(JSON.parse(json), { id, last_modified: revision, name: "Tom", weight: 9 });
      const stored = await storage.get({ resource: "kittens", parent: "", id });
      assert.equal(stored?.kind === "object" && JSON.parse(stored.body).code, "secret");
    });

  test("validates the result", async () => {
    const { add, operations, context } = await kitchen();
    const { id } = await add({ name: "Tom", chip: "c1" });
    const wrong: readonly (readonly [PatchDocument, readonly string[]])[] = [
      [{ kind: "merge", data: { weight: "x", nope: 1 } }, ["body nope unknown-field", "body weight type"]],
      [{ kind: "merge-patch", data: { name: null } }, ["body name required"]],
      [{ kind: "merge-patch", data: { chip: null } }, ["body chip read-only"]],
      [{ kind: "json-patch", operations: [{ op: "remove", path: "/data/chip" }] }, ["body chip read-only"]],
      [{ kind: "merge", data: { id: "other" } }, ["body id id-mismatch"]],
      [{ kind: "json-patch", operations: [{ op: "replace", path: "/data", value: 3 }] }, ["body data type"]],
    ];
    for (const [patch, expected] of wrong)
      assert.deepEqual(violations(await failure(() => operations.patch(context, at(id), { patch }))), expected);
  });

  test("cannot read a write-only field through copy, move or test", async () => {
    const { add, operations, context } = await kitchen();
    const { id } = await add({ name: "Tom", code: "secret" });
    for (const operation of [
      { op: "copy", from: "/data/code", path: "/data/name" },
      { op: "move", from: "/data/code", path: "/data/name" },
      { op: "test", path: "/data/code", value: "secret" },
    ])
      await failure(() =>
        operations.patch(context, at(id), { patch: { kind: "json-patch", operations: [operation] } }),
      );
  });

  test("that changes nothing writes nothing", async () => {
    const { add, operations, context, storage } = await kitchen();
    const { id, revision } = await add();
    const position = await storage.position();
    const same = await operations.patch(context, at(id), { patch: { kind: "merge", data: { name: "Tom" } } });
    assert.deepEqual([same.kind, same.revision, await storage.position()], ["unchanged", revision, position]);
  });

  test("answers light with what changed, and diff with what differs from what was sent", async () => {
    const counters = resource("counters", {
      schema: Type.Object({ a: Type.Number(), b: Type.Number(), s: Type.Optional(Type.String({ writeOnly: true })) }),
      access: { write: [everyone] },
      hooks: { before: ({ next }) => (next === undefined ? undefined : { ...next, b: Math.max(next.b, 5) }) },
    });
    const made = await bench([counters]);
    const operations = made.operations(counters);
    const { id } = await operations.create(made.as(ann), list, { data: { a: 1, b: 5 } });
    const patch = (data: Record<string, number | string>, behavior: "light" | "diff") =>
      operations.patch(made.as(ann), at(id), { patch: { kind: "merge", data }, behavior });
    assert.deepEqual(JSON.parse((await patch({ a: 2, b: 9, s: "x" }, "light")).json), { a: 2, b: 9 });
    assert.deepEqual(JSON.parse((await patch({ a: 3, b: 1 }, "diff")).json), { b: 5 });
  });

  test("of a missing object is a 404 for who may read, whatever is in the patch", async () => {
    const { operations, context } = await kitchen();
    const error = await failure(
      () => operations.patch(context, at("nope"), { patch: { kind: "merge", data: {} } }),
      "object-not-found",
    );
    assert.deepEqual(error.details, { id: "nope", resource_name: "kittens" });
  });
});

describe("delete", () => {
  test("answers with the tombstone; again is a 404", async () => {
    const { add, operations, context } = await kitchen();
    const { id, revision } = await add();
    const deleted = await operations.delete(context, at(id), {});
    assert.ok(deleted.revision > revision);
    assert.deepEqual(JSON.parse(deleted.json), { id, last_modified: deleted.revision, deleted: true });
    await failure(() => operations.delete(context, at(id), {}), "object-not-found");
    await failure(() => operations.get(context, at(id), {}), "object-not-found");
  });

  test("takes a wished revision, but none that would push the list into a distant future", async () => {
    const { add, operations, context, clock } = await kitchen();
    const near = clock.now() + 5000;
    const first = await add();
    assert.equal((await operations.delete(context, at(first.id), { revision: near })).revision, near);
    const second = await add();
    const far = await operations.delete(context, at(second.id), { revision: clock.now() + 86_400_000 });
    assert.equal(far.revision, second.revision + 1);
  });

  test("of a list takes only what the caller may write, in batches, and answers with the tombstones", async () => {
    const { operations, as } = await kitchen();
    for (let index = 0; index < 300; index++)
      await operations.create(as(index % 3 === 0 ? bob : ann), list, { data: { name: "x", weight: index } });
    const { items, revision, next } = await operations.deleteList(as(ann), list, {
      query: () => ({ filter: { kind: "compare", field: "weight", operator: "lt", value: 299 } }),
    });
    assert.equal(items.length, 199);
    assert.equal(next, undefined);
    assert.equal(revision, Math.max(...items.map((item) => JSON.parse(item).last_modified)));
    const left = await operations.list(as(ann), list, { query: () => ({ total: true }) });
    assert.equal(left.kind === "page" && left.total, 101);
  });

  test("of a list stops at the limit and says where to go on", async () => {
    const { add, operations, context } = await kitchen();
    for (let index = 0; index < 7; index++) await add();
    let count = 0;
    let options: ListOptions = { limit: 3 };
    for (let page = 0; page < 3; page++) {
      const { items, next } = await operations.deleteList(context, list, { query: () => options });
      count += items.length;
      if (next === undefined) break;
      options = { limit: 3, after: next.after };
    }
    assert.equal(count, 7);
  });
});

describe("list", () => {
  test("deleting a long list lets others have their turn between its commits", async () => {
    const { storage, operations, context } = await kitchen();
    const key = (n: number) => ({ resource: "kittens", parent: "", id: `k${n}` });
    for (let n = 0; n < 1000; n++)
      await storage.commit([
        { kind: "put", key: key(n), body: '{"name":"Tom"}', owner: String(ann.id), expect: { kind: "absent" } },
      ]);
    let turns = 0;
    let isRunning = true;
    const count = () => {
      turns++;
      if (isRunning) setImmediate(count);
    };
    setImmediate(count);
    const { items } = await operations.deleteList(context, list, {});
    isRunning = false;
    assert.equal(items.length, 1000);
    assert.ok(turns >= 3, `${turns} turns`);
  });

  test("of large objects ends its pages early, and misses none", async () => {
    const { operations, context } = await kitchen();
    for (let index = 0; index < 40; index++)
      await operations.create(context, list, { data: { name: "x".repeat(1_000_000), weight: index } });
    const sizes: number[] = [];
    let options: ListOptions = { limit: 100 };
    while (true) {
      const page = await operations.list(context, list, { query: () => options });
      assert.ok(page.kind === "page");
      sizes.push(page.items.length);
      if (page.next === undefined) break;
      options = { ...options, after: page.next.after };
    }
    assert.deepEqual(sizes, [16, 16, 8]);
    const deleted = await operations.deleteList(context, list, {});
    assert.equal(deleted.items.length, 40);
  });

  test("that would take too long is a 400 that says what helps", async () => {
    const slow = async () => {
      throw new QueryTooCostly();
    };
    const { operations, as } = await bench([kittens], {}, (storage) => ({ ...storage, list: slow, count: slow }));
    for (const request of [{}, { query: () => ({ countOnly: true }) }]) {
      const error = await failure(() => operations(kittens).list(as(ann), list, request), "invalid-parameters");
      assert.deepEqual(violations(error), ["querystring null too-costly"]);
    }
  });

  test("is newest first, pages without gaps, and ends", async () => {
    const { add, operations, context } = await kitchen();
    const made: string[] = [];
    for (let index = 0; index < 10; index++) made.unshift((await add({ name: "x", weight: index % 3 })).id);
    for (const sort of [undefined, [{ field: "weight", direction: "ascending" } as const]]) {
      const seen: string[] = [];
      let options: ListOptions = { limit: 3, ...(sort === undefined ? {} : { sort }) };
      while (true) {
        const page = await operations.list(context, list, { query: () => options });
        assert.ok(page.kind === "page");
        seen.push(...page.items.map((item) => JSON.parse(item).id));
        if (page.next === undefined) break;
        options = { ...options, after: page.next.after };
      }
      assert.deepEqual(seen.toSorted(), made.toSorted());
      if (sort === undefined) assert.deepEqual(seen, made);
    }
  });

  test("answers not-modified before it looks at the query", async () => {
    const { add, operations, context } = await kitchen();
    const { revision } = await add();
    const query = () => {
      throw invalid({ location: "querystring", name: "_sort", description: "bad", code: "bad" });
    };
    assert.deepEqual(await operations.list(context, list, { ifNoneMatch: revision, query }), {
      kind: "not-modified",
      revision,
    });
    await failure(() => operations.list(context, list, { ifMatch: revision + 1, query }), "precondition-failed");
    await failure(() => operations.list(context, list, { ifNoneMatch: "*", query }), "precondition-failed");
    await failure(() => operations.list(context, list, { ifMatch: revision, query }), "invalid-parameters");
  });

  test("never pages beyond its cap", async () => {
    const made = await bench([kittens], { pageSize: 2 });
    const operations = made.operations(kittens);
    for (let index = 0; index < 3; index++) await operations.create(made.as(ann), list, { data: { name: "x" } });
    const page = await operations.list(made.as(ann), list, { query: () => ({ limit: 100 }) });
    assert.ok(page.kind === "page" && page.items.length === 2 && page.next?.limit === 2);
  });

  test("refuses to filter, sort or project by what is unknown or hidden", async () => {
    const { operations, context } = await kitchen();
    const compare = (field: string) => ({ kind: "compare", field, operator: "eq", value: 1 }) as const;
    const refused: readonly ListOptions[] = [
      { filter: compare("nope") },
      { filter: compare("code") },
      { filter: { kind: "not", filter: { kind: "or", filters: [compare("name"), compare("code.x")] } } },
      { sort: [{ field: "code", direction: "ascending" }] },
      { fields: ["name", "code"] },
      { fields: ["nope"] },
      { after: [1, 2, 3] },
    ];
    for (const options of refused)
      await failure(() => operations.list(context, list, { query: () => options }), "invalid-parameters");
  });

  test("projects fields and counts", async () => {
    const { add, operations, context } = await kitchen();
    const { id, revision } = await add();
    const page = await operations.list(context, list, { query: () => ({ fields: ["name"], total: true }) });
    assert.deepEqual(page.kind === "page" && [JSON.parse(page.items[0] ?? ""), page.total], [
      { id, last_modified: revision, name: "Tom" },
      1,
    ]);
    const count = await operations.list(context, list, { query: () => ({ countOnly: true }) });
    assert.deepEqual(count, { kind: "page", revision, items: [], total: 1 });
  });
});

describe("write-only fields", () => {
  test("are in no answer", async () => {
    const { operations, context, add } = await kitchen();
    const answers = [(await add({ id: "tom", name: "Tom", chip: "1", code: "secret" })).json];
    answers.push((await operations.replace(context, at("tom"), { data: { name: "Tim", code: "secret" } })).json);
    const patch = { kind: "merge", data: { code: "secret", weight: 3 } } as const;
    for (const behavior of ["full", "light", "diff"] as const)
      answers.push((await operations.patch(context, at("tom"), { patch, behavior })).json);
    const got = await operations.get(context, at("tom"), {});
    answers.push(got.kind === "object" ? got.json : "");
    const page = await operations.list(context, list, {});
    answers.push(...(page.kind === "page" ? page.items : []));
    const failed = await failure(() => operations.get(context, at("tom"), { ifMatch: 1 }), "precondition-failed");
    answers.push(JSON.stringify(failed.details));
    for (const answer of answers) assert.doesNotMatch(answer, /secret|code/);
  });
});

describe("preconditions", () => {
  type Case = readonly [string, WriteRequest, "present" | "absent", boolean];
  const cases: readonly Case[] = [
    ["If-Match with the revision", { ifMatch: 0 }, "present", true],
    ["If-Match with another revision", { ifMatch: 1 }, "present", false],
    ["If-Match with a revision", { ifMatch: 1 }, "absent", false],
    ["If-Match: *", { ifMatch: "*" }, "present", true],
    ["If-Match: *", { ifMatch: "*" }, "absent", false],
    ["If-None-Match: *", { ifNoneMatch: "*" }, "present", false],
    ["If-None-Match: *", { ifNoneMatch: "*" }, "absent", true],
    ["If-None-Match with the revision", { ifNoneMatch: 0 }, "present", false],
    ["If-None-Match with another revision", { ifNoneMatch: 1 }, "present", true],
  ];
  for (const [what, condition, state, holds] of cases)
    test(`${what} ${holds ? "lets a replacement of" : "stops a replacement of"} an object that is ${state}`, async () => {
      const { operations, context, add } = await kitchen();
      const current = state === "present" ? (await add({ id: "tom", name: "Tom" })).revision : 0;
      const actual = (value: number | "*" | undefined) => (value === 0 ? current : value);
      const { ifMatch, ifNoneMatch } = {
        ifMatch: actual(condition.ifMatch),
        ifNoneMatch: actual(condition.ifNoneMatch),
      };
      const request = {
        data: { name: "Tim" },
        ...(ifMatch === undefined ? {} : { ifMatch }),
        ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
      };
      if (holds) return void (await operations.replace(context, at("tom"), request));
      const error = await failure(() => operations.replace(context, at("tom"), request), "precondition-failed");
      if (state === "absent") return assert.equal(error.details, undefined);
      assert.equal(error.headers.etag, `"${current}"`);
      assert.equal(error.headers["last-modified"], new Date(current).toUTCString());
      assert.deepEqual(error.details, { existing: { id: "tom", last_modified: current, name: "Tom", weight: 1 } });
    });

  test("come before validation", async () => {
    const { operations, context, add } = await kitchen();
    await add({ id: "tom", name: "Tom" });
    await failure(
      () => operations.replace(context, at("tom"), { data: { name: 3 }, ifMatch: 1 }),
      "precondition-failed",
    );
  });

  test("a revision on a creation without id fails, * does not", async () => {
    const { operations, context } = await kitchen();
    const data = { name: "Tom" };
    await failure(() => operations.create(context, list, { data, ifMatch: 1 }), "precondition-failed");
    for (const condition of [{ ifMatch: "*" }, { ifNoneMatch: "*" }] as const)
      assert.equal((await operations.create(context, list, { data, ...condition })).kind, "created");
  });

  test("a known revision on get answers not-modified, any other the object", async () => {
    const { operations, context, add } = await kitchen();
    const { id, revision, json } = await add();
    assert.deepEqual(await operations.get(context, at(id), { ifNoneMatch: revision }), {
      kind: "not-modified",
      revision,
    });
    assert.deepEqual(await operations.get(context, at(id), { ifNoneMatch: 1 }), { kind: "object", revision, json });
    await failure(() => operations.get(context, at(id), { ifNoneMatch: "*" }), "precondition-failed");
    await failure(() => operations.get(context, at("nope"), { ifMatch: 1 }), "precondition-failed");
  });

  test("a deletion of what is not there finds nothing, whatever was expected of it", async () => {
    const { operations, context } = await kitchen();
    for (const condition of [{}, { ifMatch: 1 }, { ifMatch: "*" }, { ifNoneMatch: "*" }] as const)
      await failure(() => operations.delete(context, at("nope"), condition), "object-not-found");
  });
});

describe("get", () => {
  test("answers synchronously where the storage does, with the stored text", async () => {
    const plain = resource("plain", { schema: Type.Object({ a: Type.Number() }), access: { read: [everyone] } });
    const made = await bench([plain]);
    const { id, json } = await made.operations(plain).create(made.as(ann), list, { data: { a: 1 } });
    const answer = made.operations(plain).get(made.as(nobodyKnown), at(id), {});
    assert.ok(!(answer instanceof Promise));
    assert.equal(answer.kind === "object" && answer.json, json);
  });
});

describe("fields", () => {
  const vet = caller("account:vet", "vet");
  const patients = resource("patients", {
    schema: Type.Object({
      name: Type.String(),
      notes: Type.Optional(Type.String()),
      label: Type.String(),
      size: Type.Optional(Type.Object({ cm: Type.Number({ default: 10 }), unit: Type.String({ default: "cm" }) })),
    }),
    access: { create: [authenticated], write: [authenticated], read: [everyone] },
    fieldAccess: { notes: { read: [role("vet"), owner], write: [role("vet")] } },
    computed: { label: ({ name }) => name.toUpperCase() },
  });

  test("closed to a caller are not shown, not to be set, not to be searched, and survive the caller's writes", async () => {
    const made = await bench([patients]);
    const operations = made.operations(patients);
    const data = { id: "p", name: "Tom", notes: "ill" };
    assert.deepEqual(violations(await failure(() => operations.create(made.as(ann), list, { data }))), [
      "body notes read-only",
    ]);
    await operations.create(made.as(vet), list, { data });

    const seen = async (principal: typeof ann) => {
      const answer = await operations.get(made.as(principal), at("p"), {});
      return answer.kind === "object" && JSON.parse(answer.json).notes;
    };
    assert.deepEqual([await seen(vet), await seen(bob), await seen(nobodyKnown)], ["ill", undefined, undefined]);
    const query = (): ListOptions => ({ filter: { kind: "has", field: "notes", present: true } });
    await failure(() => operations.list(made.as(bob), list, { query }), "invalid-parameters");
    assert.equal((await operations.list(made.as(vet), list, { query })).kind, "page");

    for (const guess of ["ill", "well"]) {
      const patch = { kind: "merge", data: { notes: guess } } as const;
      assert.deepEqual(violations(await failure(() => operations.patch(made.as(bob), at("p"), { patch }))), [
        "body notes read-only",
      ]);
    }
    await operations.replace(made.as(bob), at("p"), { data: { name: "Tim" } });
    await operations.patch(made.as(bob), at("p"), { patch: { kind: "merge", data: { name: "Tam" } } });
    assert.equal(await seen(vet), "ill");
  });

  test("computed are derived at each write; what was read may come back, anything else is refused", async () => {
    const made = await bench([patients]);
    const operations = made.operations(patients);
    const { id, json } = await operations.create(made.as(ann), list, { data: { name: "Tom" } });
    assert.equal(JSON.parse(json).label, "TOM");
    const back = { ...JSON.parse(json), name: "Tim" };
    assert.equal(JSON.parse((await operations.replace(made.as(ann), at(id), { data: back })).json).label, "TIM");
    const patch = { kind: "merge", data: { label: "X" } } as const;
    assert.deepEqual(violations(await failure(() => operations.patch(made.as(ann), at(id), { patch }))), [
      "body label read-only",
    ]);
  });

  test("nested defaults are filled in without touching the caller's data", async () => {
    const made = await bench([patients]);
    const data = { name: "Tom", size: {} };
    const { json } = await made.operations(patients).create(made.as(ann), list, { data });
    assert.deepEqual(JSON.parse(json).size, { cm: 10, unit: "cm" });
    assert.deepEqual(data, { name: "Tom", size: {} });
  });

  for (const unknownFields of ["drop", "keep"] as const)
    test(`unknown to the schema are ${unknownFields === "drop" ? "dropped" : "kept"} where the resource says so`, async () => {
      const access = { write: [everyone], read: [everyone] };
      const open = resource("open", { schema: Type.Object({}), unknownFields, access });
      const made = await bench([open]);
      const create = async (data: string) => {
        const { json } = await made.operations(open).create(made.as(nobodyKnown), list, { data: JSON.parse(data) });
        const { id, last_modified, ...fields } = JSON.parse(json);
        return fields;
      };
      const kept: object = unknownFields === "keep" ? { extra: 1, constructor: 2 } : {};
      assert.deepEqual(await create('{"extra": 1, "constructor": 2}'), kept);
      if (unknownFields === "drop") return;
      const unfit = await failure(() => create('{"a": {"__proto__": 1}, "b": "\\u0000", "__proto__": 3}'));
      assert.deepEqual(violations(unfit), ["body null field-name", "body a field-name", "body b invalid-character"]);
      const beyond = await failure(() => create('{"a": 1e400}'));
      assert.deepEqual(violations(beyond), ["body a number-range"]);
      const disguised = await failure(() => create('{"deleted": true}'));
      assert.deepEqual(violations(disguised), ["body deleted field-name"]);
    });
});

test("objects written under an earlier schema stay writable: what they lack gets its default, what they had more is kept", async () => {
  const grown = resource("grown", {
    schema: Type.Object({ name: Type.String(), since: Type.Number({ readOnly: true, default: 7 }) }),
    access: { write: [everyone] },
    hooks: { before: ({ next }) => (next === undefined ? undefined : { ...next }) },
  });
  const made = await bench([grown]);
  const operations = made.operations(grown);
  const key = { resource: "grown", parent: "", id: "old" };
  await made.storage.commit([{ kind: "put", key, body: '{"name":"Tom","colour":"red"}', expect: { kind: "any" } }]);
  const context = made.as(ann);
  const { json } = await operations.patch(context, at("old"), { patch: { kind: "merge", data: { name: "Tim" } } });
  const { id, last_modified, ...fields } = JSON.parse(json);
  assert.deepEqual(fields, { name: "Tim", colour: "red", since: 7 });
  const change = { kind: "merge", data: { colour: "blue", since: 8 } } as const;
  assert.deepEqual(violations(await failure(() => operations.patch(context, at("old"), { patch: change }))), [
    "body colour unknown-field",
    "body since read-only",
  ]);
});

describe("hooks", () => {
  test("before may replace what is stored, add to the commit, and refuse", async () => {
    const orders = resource("orders", {
      schema: Type.Object({ total: Type.Number({ minimum: 0 }) }),
      access: { write: [everyone] },
      hooks: {
        before({ action, id, next, also, previous }) {
          if (next?.total === 13)
            throw invalid({ location: "body", name: "total", description: "No luck", code: "luck" });
          if (next?.total === 14) return { total: -1 };
          also({
            kind: "event",
            key: { resource: "orders", parent: "", id },
            type: `order.${action}`,
            data: { from: previous?.total ?? null },
          });
          return next === undefined ? undefined : { total: Math.round(next.total) };
        },
      },
    });
    const made = await bench([orders]);
    const operations = made.operations(orders);
    const context = made.as(ann);
    const { id, json } = await operations.create(context, list, { data: { total: 1.4 } });
    assert.equal(JSON.parse(json).total, 1);
    await operations.delete(context, at(id), {});
    const log = await Array.fromAsync(made.storage.log());
    assert.deepEqual(
      log.map(({ action, type, principal, requestId }) => [action, type, principal, requestId]),
      [
        ["create", undefined, "account:ann", "request-1"],
        ["event", "order.create", "account:ann", "request-1"],
        ["delete", undefined, "account:ann", "request-1"],
        ["event", "order.delete", "account:ann", "request-1"],
      ],
    );
    assert.deepEqual(violations(await failure(() => operations.create(context, list, { data: { total: 13 } }))), [
      "body total luck",
    ]);
    assert.deepEqual(violations(await failure(() => operations.create(context, list, { data: { total: 14 } }))), [
      "body total minimum",
    ]);
  });

  test("after sees what was written, and its failure changes nothing", async () => {
    const seen: unknown[] = [];
    const things = resource("things", {
      schema: Type.Object({ a: Type.Number() }),
      access: { write: [everyone] },
      hooks: {
        after({ action, previous, next }) {
          seen.push([action, previous?.a, next?.a]);
          throw new Error("broken");
        },
      },
    });
    const made = await bench([things]);
    const operations = made.operations(things);
    const { id } = await operations.create(made.as(ann), list, { data: { a: 1 } });
    await operations.patch(made.as(ann), at(id), { patch: { kind: "merge", data: { a: 2 } } });
    await operations.delete(made.as(ann), at(id), {});
    assert.deepEqual(seen, [
      ["create", undefined, 1],
      ["patch", 1, 2],
      ["delete", 2, undefined],
    ]);
  });
});

describe("methods not offered", () => {
  test("are refused, on a read-only service all that write", async () => {
    const fixed = resource("fixed", { schema: Type.Object({}), access: { write: [everyone] }, disabled: ["delete"] });
    const made = await bench([fixed]);
    await failure(() => made.operations(fixed).delete(made.as(ann), at("a"), {}), "method-not-allowed");
    const frozen = await bench([fixed], { readonly: true });
    await failure(() => frozen.operations(fixed).create(frozen.as(ann), list, { data: {} }), "method-not-allowed");
    assert.equal((await frozen.operations(fixed).list(frozen.as(ann), list, {})).kind, "page");
  });
});

test("an owner rule is enforced by predicates of one's own too", async () => {
  const mine = predicate<{ author: string }>({
    name: "author",
    object: ({ object, principal }) => object.author === principal.id,
    filter: ({ id }) => ({ kind: "compare", field: "author", operator: "eq", value: id ?? null }),
  });
  const posts = resource("posts", {
    schema: Type.Object({ author: Type.String() }),
    access: { write: [mine], read: [everyone] },
  });
  const made = await bench([posts]);
  const operations = made.operations(posts);
  await failure(() => operations.create(made.as(bob), list, { data: { author: ann.id } }), "forbidden");
  const { id } = await operations.create(made.as(ann), list, { data: { author: ann.id } });
  await failure(() => operations.delete(made.as(bob), at(id), {}), "forbidden");
  assert.equal((await operations.deleteList(made.as(bob), list, {})).items.length, 0);
  assert.equal((await operations.deleteList(made.as(ann), list, {})).items.length, 1);
});
