import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Type } from "typebox";
import { resource } from "../resource.ts";
import { CommitConflict, type Storage } from "../storage/storage.ts";
import { everyone } from "./access.ts";
import { ann, bench, failure } from "./testing.ts";

const counters = resource("counters", {
  schema: Type.Object({ hits: Type.Array(Type.Integer()) }),
  access: { write: [everyone] },
});
const list = { params: {} };
const at = (id: string) => ({ params: {}, id });
const hit = (value: number) =>
  ({ kind: "json-patch", operations: [{ op: "add", path: "/data/hits/-", value }] }) as const;

/** A storage whose commits meet another process's write now and then: that write comes first. */
function withRivals(rivals: number): (storage: Storage) => Storage {
  let left = rivals;
  return (inner) => ({
    ...inner,
    async get(key) {
      // Makes room for others between reading and committing.
      await new Promise(setImmediate);
      return inner.get(key);
    },
    async commit(changes, context) {
      await new Promise(setImmediate);
      const [change] = changes;
      if (left > 0 && change?.kind === "put" && change.expect.kind === "revision") {
        left -= 1;
        const current = await inner.get(change.key);
        if (current?.kind === "object")
          await inner.commit([{ kind: "put", key: change.key, body: current.body, expect: { kind: "any" } }]);
      }
      return inner.commit(changes, context);
    },
  });
}

describe("writers of one object", () => {
  test("do not wait for a hook that never ends when its caller is gone", async () => {
    const stuck = resource("stuck", {
      schema: Type.Object({ wait: Type.Boolean() }),
      access: { write: [everyone] },
      hooks: { before: ({ next }) => (next?.wait ? new Promise(() => {}) : undefined) },
    });
    const { operations, as } = await bench([stuck]);
    const caller = new AbortController();
    const first = failure(
      () => operations(stuck).replace(as(ann, caller.signal), at("s"), { data: { wait: true } }),
      "deadline-exceeded",
    );
    const second = operations(stuck).replace(as(ann), at("s"), { data: { wait: false } });
    caller.abort(new Error("the deadline has passed"));
    await first;
    assert.equal((await second).kind, "created");
  });

  test("64 at once: every acknowledged change is in the object, each under a revision of its own", async () => {
    let commits = 0;
    const { operations, as } = await bench([counters], {}, (inner) => ({
      ...withRivals(0)(inner),
      commit: (changes, context) => {
        commits += 1;
        return withRivals(0)(inner).commit(changes, context);
      },
    }));
    const one = operations(counters);
    await one.create(as(ann), list, { data: { id: "c", hits: [] } });
    const values = Array.from({ length: 64 }, (_, index) => index);
    const results = await Promise.all(values.map((value) => one.patch(as(ann), at("c"), { patch: hit(value) })));
    const final = await one.get(as(ann), at("c"), {});
    assert.ok(final.kind === "object");
    assert.deepEqual(
      JSON.parse(final.json).hits.toSorted((a: number, b: number) => a - b),
      values,
    );
    assert.equal(new Set(results.map(({ revision }) => revision)).size, 64);
    assert.equal(commits, 65, "writers of one process waited for each other instead of colliding");
  });

  test("of other processes are met again: the change is made on what they wrote", async () => {
    const { operations, as } = await bench([counters], {}, withRivals(5));
    const one = operations(counters);
    await one.create(as(ann), list, { data: { id: "c", hits: [] } });
    const { json } = await one.patch(as(ann), at("c"), { patch: hit(1) });
    assert.deepEqual(JSON.parse(json).hits, [1]);
  });

  test("that never get through are told to come again", async () => {
    const { operations, as } = await bench([counters], {}, withRivals(1000));
    const one = operations(counters);
    await one.create(as(ann), list, { data: { id: "c", hits: [] } });
    const error = await failure(() => one.patch(as(ann), at("c"), { patch: hit(1) }), "conflict");
    assert.equal(error.headers["retry-after"], "3");
  });

  test("with a precondition lose to who was first", async () => {
    const { operations, as } = await bench([counters], {}, withRivals(1));
    const one = operations(counters);
    const { revision } = await one.create(as(ann), list, { data: { id: "c", hits: [] } });
    await failure(() => one.patch(as(ann), at("c"), { patch: hit(1), ifMatch: revision }), "precondition-failed");
  });

  test("that create the same id: exactly one creates, the others get what it made", async () => {
    const { operations, as } = await bench([counters], {}, withRivals(0));
    const one = operations(counters);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => one.create(as(ann), list, { data: { id: "c", hits: [index] } })),
    );
    const created = results.filter(({ kind }) => kind === "created");
    assert.equal(created.length, 1);
    for (const { json } of results) assert.equal(json, created[0]?.json);
  });

  test("in two processes that create the same id: one creates, one gets what it made", async () => {
    let rival: (() => Promise<unknown>) | undefined;
    const { operations, as, storage } = await bench([counters], {}, (inner) => ({
      ...inner,
      async commit(changes, context) {
        const first = rival;
        rival = undefined;
        await first?.();
        return inner.commit(changes, context);
      },
    }));
    const key = { resource: "counters", parent: "", id: "c" };
    rival = () =>
      storage.commit([{ kind: "put", key, body: '{"hits":[9]}', expect: { kind: "absent" }, owner: "account:ann" }]);
    const { kind, json } = await operations(counters).create(as(ann), list, { data: { id: "c", hits: [1] } });
    assert.deepEqual([kind, JSON.parse(json).hits], ["unchanged", [9]]);
  });
});

test("a deletion of a list that meets a writer deletes what it then finds", async () => {
  let meets = 2;
  const { operations, as } = await bench([counters], {}, (inner) => ({
    ...inner,
    async commit(changes, context) {
      if (changes[0]?.kind === "delete" && meets > 0) {
        meets -= 1;
        throw new CommitConflict(0, { kind: "expectation", actual: undefined });
      }
      return inner.commit(changes, context);
    },
  }));
  const one = operations(counters);
  for (let index = 0; index < 3; index++) await one.create(as(ann), list, { data: { hits: [] } });
  assert.equal((await one.deleteList(as(ann), list, {})).items.length, 3);
});

test("work whose caller is gone is not begun", async () => {
  const { operations, as } = await bench([counters]);
  const gone = as(ann, AbortSignal.abort());
  await failure(() => operations(counters).create(gone, list, { data: { hits: [] } }), "deadline-exceeded");
  await failure(() => operations(counters).deleteList(gone, list, {}), "deadline-exceeded");
});
