/** Operations inside of transactions, and the transactions that operations make themselves. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Type } from "typebox";
import { resource } from "../resource.ts";
import { CommitConflict, type Storage } from "../storage/storage.ts";
import { everyone } from "./access.ts";
import { largestTransaction } from "./cascade.ts";
import { benchOn, keys, listOf, outcome, seed, storages, targetOf, treeOf } from "./sharing/testing.ts";
import { ann, bob, failure } from "./testing.ts";

const tree = treeOf();
const at = { bucket: targetOf(keys.bucket), collection: targetOf(keys.collection), record: targetOf(keys.record) };

async function everything(storage: Storage): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { name } of tree.all)
    for await (const { parent, id, kind } of storage.scan(name, { tombstones: true }))
      found.push(`${kind} ${parent}/${name}/${id}`);
  return found;
}

for (const kind of storages)
  describe(`operations and transactions (${kind})`, () => {
    test("everything in a transaction is seen inside at once, and by others at its end", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await storage.transaction(async () => {
        await operations(tree.bucket).replace(as(ann), at.bucket, { permissions: { read: ["/buckets/b/groups/g"] } });
        await operations(tree.group).replace(as(ann), targetOf(keys.group), { data: { members: ["account:bob"] } });
        await operations(tree.collection).replace(as(ann), at.collection, {});
        await operations(tree.record).create(as(ann), listOf(keys.record), { data: { id: "r" } });
        assert.equal(await outcome(() => operations(tree.record).get(as(bob), at.record, {})), "allowed");
      });
      assert.equal(await outcome(() => operations(tree.record).get(as(bob), at.record, {})), "allowed");
    });

    test("a transaction that fails takes objects, entries and members back, and runs no after hook", async (context) => {
      const after: string[] = [];
      const hooked = treeOf({ bucket: { hooks: { after: ({ action }) => void after.push(action) } } });
      const { operations, as, storage } = await benchOn(kind, context, hooked.all);
      const work = storage.transaction(async () => {
        await operations(hooked.bucket).replace(as(ann), at.bucket, {});
        await operations(hooked.group).replace(as(ann), targetOf(keys.group), { data: { members: ["account:bob"] } });
        throw new Error("enough");
      });
      await assert.rejects(work, /enough/);
      assert.deepEqual(await everything(storage), []);
      assert.deepEqual([...(await storage.permissions.groupsOf("account:bob"))], []);
      assert.deepEqual(await storage.permissions.of(keys.bucket), {});
      assert.deepEqual(after, []);
    });

    test("after hooks wait until the transaction is durable", async (context) => {
      const seen: boolean[] = [];
      let isOver = false;
      const hooked = treeOf({ bucket: { hooks: { after: () => void seen.push(isOver) } } });
      const { operations, as, storage } = await benchOn(kind, context, hooked.all);
      await storage.transaction(async () => {
        await operations(hooked.bucket).replace(as(ann), at.bucket, {});
        await operations(hooked.bucket).delete(as(ann), at.bucket, {});
        await operations(hooked.bucket).replace(as(ann), at.bucket, {});
        await operations(hooked.bucket).deleteList(as(ann), listOf(keys.bucket), {});
        isOver = true;
      });
      assert.deepEqual(seen, [true, true, true, true]);
    });

    test("writers outside and inside of one object do not wait for each other in a circle", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      const one = operations(tree.bucket);
      await one.replace(as(ann), at.bucket, { data: { n: 0 } });
      const patch = { kind: "json-patch", operations: [{ op: "add", path: "/data/n", value: 1 }] } as const;
      let outside: Promise<unknown> | undefined;
      await storage.transaction(async () => {
        // Begun by a caller of its own, who is not part of the transaction.
        const other = begunElsewhere(() => one.patch(as(ann), at.bucket, { patch }));
        outside = other.result;
        await other.begun;
        await one.patch(as(ann), at.bucket, { patch: { kind: "merge", data: { n: 5 } } });
      });
      await outside;
      const seen = await one.get(as(ann), at.bucket, {});
      assert.equal(seen.kind === "object" && JSON.parse(seen.json).n, 1);
    });

    test("what is below an object goes with it or stays with it", async (context) => {
      let fails = false;
      const { operations, as, storage } = await benchOn(kind, context, tree.all, (inner) => ({
        ...inner,
        permissions: inner.permissions,
        commit(changes, by) {
          if (fails && changes.some((change) => change.kind === "delete" && change.key.resource === "record"))
            throw new Error("the disk is full");
          return inner.commit(changes, by);
        },
      }));
      await seed(storage, [
        [keys.bucket, { write: ["account:ann"] }],
        [keys.collection, { read: ["account:bob"] }],
        [keys.record, { read: ["account:bob"] }],
        [{ ...keys.record, id: "gone" }],
      ]);
      await operations(tree.record).delete(as(ann), targetOf({ ...keys.record, id: "gone" }), {});
      const before = await everything(storage);
      fails = true;
      await assert.rejects(async () => operations(tree.bucket).delete(as(ann), at.bucket, {}), /the disk is full/);
      assert.deepEqual(await everything(storage), before);
      fails = false;
      const records = await storage.timestamp({ resource: "record", parent: keys.record.parent });
      await operations(tree.bucket).delete(as(ann), at.bucket, {});
      assert.deepEqual(await everything(storage), ["tombstone /bucket/b"]);
      for (const key of Object.values(keys)) assert.deepEqual(await storage.permissions.of(key), {});
      const list = { resource: "record", parent: keys.record.parent };
      assert.ok((await storage.timestamp(list)) > records, "the list's revision is kept and bumped");
      const purged = await storage.purgedBefore(list);
      assert.ok(purged > records && purged <= (await storage.timestamp(list)) + 1, "who follows the list is told");
      const deleted: string[] = [];
      for await (const { action, resource: name, id } of storage.log())
        if (action === "delete") deleted.push(`${name} ${id}`);
      assert.deepEqual(deleted.toSorted(), ["bucket b", "collection c", "record gone", "record r"]);
    });

    test("more than one transaction takes goes ahead in parts", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await seed(storage, [[keys.bucket, { write: ["account:ann"] }], [keys.collection]]);
      const count = largestTransaction + 700;
      for (let start = 0; start < count; start += 1000)
        await seed(
          storage,
          Array.from({ length: Math.min(1000, count - start) }, (_, index) => [
            { ...keys.record, id: `r${start + index}` },
          ]),
        );
      const commits: number[] = [];
      const before = await storage.position();
      await operations(tree.bucket).delete(as(ann), at.bucket, {});
      for await (const entry of storage.log({ after: before })) commits.push(entry.position);
      assert.equal(commits.length, count + 2);
      assert.deepEqual(await everything(storage), ["tombstone /bucket/b"]);
    });

    test("a creation whose parent goes meanwhile is a 404, and one that comes first goes with it", async (context) => {
      for (const moment of ["before", "after"] as const) {
        let deleteParent: (() => Promise<unknown>) | undefined;
        const made = await benchOn(kind, context, tree.all, (inner) => ({
          ...inner,
          permissions: inner.permissions,
          async commit(changes, by) {
            const run = changes.some(({ kind }) => kind === "require") ? deleteParent : undefined;
            if (run !== undefined) deleteParent = undefined;
            if (moment === "before") await run?.();
            const results = await inner.commit(changes, by);
            if (moment === "after") await run?.();
            return results;
          },
        }));
        const { operations, as, storage } = made;
        await seed(storage, [[keys.bucket, { write: ["account:ann"] }], [keys.collection]]);
        deleteParent = () => operations(tree.collection).delete(as(ann), at.collection, {});
        const creation = () => operations(tree.record).replace(as(ann), at.record, {});
        if (moment === "after") assert.equal((await creation()).kind, "created");
        else
          assert.deepEqual((await failure(creation, "route-not-found")).details, {
            id: "c",
            resource_name: "collection",
          });
        assert.deepEqual(await everything(storage), ["object /bucket/b", "tombstone bucket/b/collection/c"]);
      }
    });
  });

test("a deletion with something below that meets a writer is made on what that one wrote", async (context) => {
  let meets = 2;
  const { operations, as, storage } = await benchOn("memory", context, tree.all, (inner) => ({
    ...inner,
    permissions: inner.permissions,
    commit(changes, by) {
      const [first] = changes;
      if (first?.kind === "delete" && first.key.resource === "bucket" && meets-- > 0)
        throw new CommitConflict(0, { kind: "expectation", actual: undefined });
      return inner.commit(changes, by);
    },
  }));
  await seed(storage, [[keys.bucket, { write: ["account:ann"] }], [keys.collection]]);
  await operations(tree.bucket).delete(as(ann), at.bucket, {});
  assert.equal(meets, -1);
  assert.deepEqual(await everything(storage), ["tombstone /bucket/b"]);
});

test("creations and deletions of what has nothing below it make no transaction", async (context) => {
  let transactions = 0;
  const things = resource("things", { schema: Type.Object({}), access: { write: [everyone] } });
  const all = [...tree.all, things as unknown as (typeof tree.all)[number]];
  const { operations, as, storage } = await benchOn("memory", context, all, (inner) => ({
    ...inner,
    permissions: inner.permissions,
    transaction(work) {
      transactions++;
      return inner.transaction(work);
    },
  }));
  await seed(storage, [[keys.bucket, { write: ["account:ann"] }], [keys.collection]]);
  await operations(tree.record).create(as(ann), listOf(keys.record), { data: { id: "r" } });
  await operations(tree.record).delete(as(ann), at.record, {});
  const [, , , , thing = tree.bucket] = all;
  await operations(thing).create(as(ann), { params: {} }, { data: { id: "t" } });
  await operations(thing).delete(as(ann), { params: {}, id: "t" }, {});
  assert.equal(transactions, 0);
});

/** Begins work outside of the calling code's asynchronous context, as another request would. */
function begunElsewhere<T>(work: () => Promise<T>): { readonly begun: Promise<void>; readonly result: Promise<T> } {
  const begun = Promise.withResolvers<void>();
  const result = Promise.withResolvers<T>();
  elsewhere.push(() => {
    work().then(result.resolve, result.reject);
    begun.resolve();
  });
  return { begun: begun.promise, result: result.promise };
}

const elsewhere: (() => void)[] = [];
const worker = setInterval(() => {
  for (const begin of elsewhere.splice(0)) begin();
}, 1);
worker.unref();
