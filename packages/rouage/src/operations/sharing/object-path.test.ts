import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ObjectKey } from "../../storage/storage.ts";
import { keyAbove, objectKeyOf, objectPathOf } from "./object-path.ts";
import { keys, type Name, names, treeOf } from "./testing.ts";

const tree = treeOf();
const read = objectKeyOf(tree.all);

test("an object's path is without version, and leads back to its key", () => {
  assert.equal(objectPathOf(tree.record)(keys.record), "/buckets/b/collections/c/records/r");
  assert.equal(objectPathOf(tree.group)(keys.group), "/buckets/b/groups/g");
  const id = fc.string({ minLength: 1 }).filter((text) => !text.includes("/"));
  fc.assert(
    fc.property(fc.constantFrom<Name>(...names), id, id, id, (name, first, second, third) => {
      const placed: Record<Name, ObjectKey> = {
        bucket: { resource: "bucket", parent: "", id: first },
        collection: { resource: "collection", parent: `bucket/${first}`, id: second },
        group: { resource: "group", parent: `bucket/${first}`, id: second },
        record: { resource: "record", parent: `bucket/${first}/collection/${second}`, id: third },
      };
      const key = placed[name];
      assert.deepEqual(read(objectPathOf(tree[name])(key)), key);
      assert.deepEqual(keyAbove(key)?.id, { bucket: undefined, collection: first, group: first, record: second }[name]);
    }),
  );
});

test("what is no object's path leads nowhere", () => {
  for (const path of [
    "",
    "/",
    "/buckets",
    "/buckets/",
    "/buckets/b/",
    "/v1/buckets/b",
    "/buckets/b/records/r",
    "buckets/b",
  ])
    assert.equal(read(path), undefined, path);
});
