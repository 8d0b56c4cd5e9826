import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Resource } from "../../resource.ts";
import { everyone, role } from "../access.ts";
import type { PatchRequest } from "../operations.ts";
import { ann, bob, caller, failure, nobodyKnown, violations } from "../testing.ts";
import { longestPrincipal, mostPrincipals } from "./entries.ts";
import { benchOn, keys, listOf, outcome, person, seed, storages, targetOf, treeOf } from "./testing.ts";

const tree = treeOf();
const { bucket, collection, group, record } = tree;
const at = { bucket: targetOf(keys.bucket), collection: targetOf(keys.collection), record: targetOf(keys.record) };
const merge = (permissions: unknown, data?: { n: number }): PatchRequest => ({
  patch: { kind: "merge", permissions, ...(data === undefined ? {} : { data }) },
});
const mergePatch = (permissions: unknown): PatchRequest => ({ patch: { kind: "merge-patch", permissions } });
const jsonPatch = (...operations: { op: string; path: string; value?: string }[]): PatchRequest => ({
  patch: { kind: "json-patch", operations },
});

for (const kind of storages) {
  describe(`permissions in writes (${kind})`, () => {
    test("who creates is written into write, and sees all entries", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const made = await operations(bucket).replace(as(ann), at.bucket, {
        permissions: { read: ["system.Everyone", "account:bob", "account:bob"] },
      });
      const expected = { read: ["account:bob", "system.Everyone"], write: ["account:ann"] };
      assert.deepEqual([made.kind, made.permissions], ["created", expected]);
      const seen = await operations(bucket).get(as(ann), at.bucket, {});
      assert.deepEqual(seen.kind === "object" && seen.permissions, expected);
      const byBob = await operations(bucket).get(as(bob), at.bucket, {});
      assert.deepEqual(byBob.kind === "object" && byBob.permissions, {});
    });

    test("PUT replaces all entries, without permissions it leaves them, without data it leaves the data", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const one = operations(bucket);
      await one.replace(as(ann), at.bucket, { data: { n: 1 }, permissions: { read: ["account:bob"] } });
      const kept = await one.replace(as(ann), at.bucket, { data: { n: 2 } });
      assert.deepEqual(kept.permissions, { read: ["account:bob"], write: ["account:ann"] });
      const changed = await one.replace(as(ann), at.bucket, { permissions: { "group:create": ["account:bob"] } });
      assert.deepEqual(changed.permissions, { "group:create": ["account:bob"], write: ["account:ann"] });
      assert.equal(JSON.parse(changed.json).n, 2);
      assert.ok(changed.revision > kept.revision, "a change of permissions alone is a write");
    });

    test("PUT with permissions that name none leaves them; an empty list empties them all", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const one = operations(bucket);
      const permissions = { read: ["account:bob"], "group:create": ["account:eve"] };
      await one.replace(as(ann), at.bucket, { data: { n: 1 }, permissions });
      for (const none of [{}, { read: null }]) {
        const kept = await one.replace(as(ann), at.bucket, { data: { n: 2 }, permissions: none });
        assert.deepEqual(kept.permissions, { ...permissions, write: ["account:ann"] });
      }
      const emptied = await one.replace(as(ann), at.bucket, { data: { n: 2 }, permissions: { read: [] } });
      assert.deepEqual(emptied.permissions, { write: ["account:ann"] });
    });

    test("PATCH replaces the permissions it names; null says nothing in a merge and empties in a merge patch", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const one = operations(bucket);
      const before = await one.replace(as(ann), at.bucket, {
        data: { n: 1 },
        permissions: { read: ["account:bob"], "group:create": ["account:eve"] },
      });
      const merged = await one.patch(as(ann), at.bucket, merge({ read: ["account:eve"], "group:create": null }));
      const expected = { "group:create": ["account:eve"], read: ["account:eve"], write: ["account:ann"] };
      assert.deepEqual([merged.kind, merged.permissions, JSON.parse(merged.json).n], ["updated", expected, 1]);
      assert.ok(merged.revision > before.revision);
      const dropped = await one.patch(
        as(ann),
        at.bucket,
        mergePatch({ read: null, "collection:create": ["account:bob"] }),
      );
      assert.deepEqual(dropped.permissions, {
        "collection:create": ["account:bob"],
        "group:create": ["account:eve"],
        write: ["account:ann"],
      });
      const emptied = await one.patch(as(ann), at.bucket, merge({ "group:create": [] }));
      assert.deepEqual(emptied.permissions, { "collection:create": ["account:bob"], write: ["account:ann"] });
      const same = await one.patch(as(ann), at.bucket, merge({ "collection:create": ["account:bob"] }, { n: 1 }));
      assert.deepEqual([same.kind, same.revision], ["unchanged", emptied.revision]);
    });

    test("JSON Patch adds and removes principals without values, groups by their paths", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const one = operations(bucket);
      await one.replace(as(ann), at.bucket, { permissions: { read: ["account:bob"] } });
      const patched = await one.patch(
        as(ann),
        at.bucket,
        jsonPatch(
          { op: "test", path: "/permissions/read/account:bob" },
          { op: "add", path: "/permissions/read/account:eve" },
          { op: "add", path: "/permissions/write/~1buckets~1b~1groups~1g" },
          { op: "add", path: "/permissions/collection:create//buckets/b/groups/h" },
          { op: "remove", path: "/permissions/read/account:bob" },
        ),
      );
      assert.deepEqual(patched.permissions, {
        "collection:create": ["/buckets/b/groups/h"],
        read: ["account:eve"],
        write: ["/buckets/b/groups/g", "account:ann"],
      });
      for (const operation of [
        { op: "remove", path: "/permissions/read/account:nobody" },
        { op: "test", path: "/permissions/read/account:nobody" },
        { op: "add", path: "/permissions/zz/account:bob" },
        { op: "add", path: "/other", value: "x" },
        { op: "add", path: "/permissions", value: "x" },
        { op: "add", path: "/permissions/read", value: "x" },
        { op: "remove", path: "/permissions" },
      ])
        await failure(() => one.patch(as(ann), at.bucket, jsonPatch(operation)), "invalid-parameters");
    });

    test("everything that is wrong with permissions is named, with what is wrong with the data", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const error = await failure(
        () =>
          operations(group).replace(as(ann), targetOf(keys.group), {
            data: { n: "one" },
            permissions: {
              zz: [],
              read: "account:bob",
              write: [1, "", "a\u0000b", "\ud800", "x".repeat(longestPrincipal + 1)],
            },
          }),
        "forbidden",
      );
      assert.equal(error.details, undefined, "permission comes first");
      await operations(bucket).replace(as(ann), at.bucket, {});
      const named = await failure(
        () =>
          operations(group).replace(as(ann), targetOf(keys.group), {
            data: { n: "one" },
            permissions: {
              zz: [],
              read: "account:bob",
              write: [1, "", "a\u0000b", "\ud800", "x".repeat(longestPrincipal + 1)],
            },
          }),
        "invalid-parameters",
      );
      assert.deepEqual(violations(named), [
        "body n type",
        "body permissions enum",
        "body permissions.read type",
        "body permissions.write.0 type",
        "body permissions.write.1 min-length",
        "body permissions.write.2 text",
        "body permissions.write.3 text",
        "body permissions.write.4 max-length",
      ]);
      const unknown = await failure(() => operations(bucket).replace(as(ann), at.bucket, { permissions: { zz: [] } }));
      assert.match(unknown.message, /"zz" is not one of read, write, collection:create, group:create$/);
      const many = Array.from({ length: mostPrincipals + 1 }, (_, index) => `account:${index}`);
      for (const permissions of [[], "x", 1, { read: many }, { read: many.slice(1), write: ["account:bob"] }]) {
        const work = () => operations(bucket).replace(as(ann), at.bucket, { permissions });
        await failure(work, "invalid-parameters");
      }
    });

    test("a patch with neither data nor permissions is refused", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      await operations(bucket).replace(as(ann), at.bucket, {});
      for (const patch of [{ kind: "merge" }, { kind: "merge-patch" }] as const) {
        const error = await failure(
          () => operations(bucket).patch(as(ann), at.bucket, { patch }),
          "invalid-parameters",
        );
        assert.match(error.message, /Provide at least one of data or permissions/);
      }
    });

    test("each writer is added to write, somebody without credentials as system.Everyone", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      await operations(bucket).replace(as(ann), at.bucket, { permissions: { write: ["system.Everyone"] } });
      const byBob = await operations(bucket).patch(as(bob), at.bucket, merge(undefined, { n: 1 }));
      assert.deepEqual(byBob.permissions, { write: ["account:ann", "account:bob", "system.Everyone"] });
      const posted = await operations(collection).create(
        as(nobodyKnown),
        { params: { bucket_id: "b" } },
        { data: { id: "c" } },
      );
      assert.deepEqual(posted.permissions, { write: ["system.Everyone"] });
    });

    test("POST of a known id answers the object untouched, to who may read it", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      const first = await operations(bucket).create(as(ann), { params: {} }, { data: { id: "b", n: 1 } });
      await operations(bucket).patch(as(ann), at.bucket, merge({ read: ["account:bob"] }));
      const again = await operations(bucket).create(
        as(bob),
        { params: {} },
        { data: { id: "b", n: 2 }, permissions: { write: ["account:bob"] } },
      );
      assert.deepEqual([again.kind, JSON.parse(again.json).n, again.permissions], ["unchanged", 1, {}]);
      assert.ok(again.revision > first.revision);
      await failure(
        () => operations(bucket).create(as(person("account:eve")), { params: {} }, { data: { id: "b" } }),
        "forbidden",
      );
    });

    test("who writes by what is above sees the entries as well", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await seed(storage, [
        [keys.bucket, { write: ["account:ann"] }],
        [keys.collection, {}],
        [keys.record, { read: ["account:bob"] }],
      ]);
      const seen = await operations(record).get(as(ann), at.record, {});
      assert.deepEqual(seen.kind === "object" && seen.permissions, { read: ["account:bob"] });
      const page = await operations(record).list(as(ann), listOf(keys.record), {});
      assert.ok(page.kind === "page" && !("permissions" in JSON.parse(page.items[0] ?? "")));
    });

    test("light and diff answers carry no permissions", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      await operations(bucket).replace(as(ann), at.bucket, {});
      for (const behavior of ["light", "diff"] as const) {
        const result = await operations(bucket).patch(as(ann), at.bucket, {
          ...merge({ read: [] }, { n: 3 }),
          behavior,
        });
        assert.equal(result.permissions, undefined);
      }
    });

    test("If-None-Match: * on PUT asks for no more than creation", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await seed(storage, [[keys.bucket, { "collection:create": ["account:bob"] }], [keys.collection]]);
      const creation = () => operations(collection).replace(as(bob), at.collection, { ifNoneMatch: "*" });
      const error = await failure(creation, "precondition-failed");
      assert.equal(error.details, undefined, "what may not be read is not shown");
      await failure(() => operations(collection).replace(as(bob), at.collection, {}), "forbidden");
      await failure(
        () => operations(collection).replace(as(person("account:eve")), at.collection, { ifNoneMatch: "*" }),
        "forbidden",
      );
    });
  });

  describe(`what is not there (${kind})`, () => {
    test("is a 404 for who may read what is above, and refused to others", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await seed(storage, [
        [keys.bucket, { read: ["account:bob"], "collection:create": ["account:eve"] }],
        [keys.collection, { "record:create": ["account:eve"] }],
      ]);
      const one = operations(record);
      const patch = { kind: "merge", data: { n: 1 } } as const;
      for (const [principal, expected] of [
        [bob, "object-not-found"],
        [person("account:eve"), "forbidden"],
        [ann, "forbidden"],
        [nobodyKnown, "missing-credentials"],
      ] as const) {
        assert.equal(await outcome(() => one.get(as(principal), at.record, {})), expected);
        assert.equal(await outcome(() => one.patch(as(principal), at.record, { patch })), expected);
        assert.equal(await outcome(() => one.delete(as(principal), at.record, {})), expected);
      }
      await failure(() => one.get(as(bob), at.record, { ifMatch: 1 }), "precondition-failed");
    });

    test("a missing parent is named to who may know, after permission", async (context) => {
      const { operations, as } = await benchOn(
        kind,
        context,
        treeOf({ bucket: { sharing: { granted: { write: ["account:admin"] } } } }).all,
      );
      const admin = as(person("account:admin"));
      const details = { id: "c", resource_name: "collection" };
      const one = operations(record);
      for (const work of [
        () => one.get(admin, at.record, {}),
        () => one.list(admin, listOf(keys.record), {}),
        () => one.deleteList(admin, listOf(keys.record), {}),
        () => one.create(admin, listOf(keys.record), { data: {} }),
        () => one.replace(admin, at.record, {}),
        () => one.delete(admin, at.record, {}),
        () => one.patch(admin, at.record, merge({})),
      ])
        assert.deepEqual((await failure(work, "route-not-found")).details, details);
      await failure(() => one.list(as(ann), listOf(keys.record), {}), "forbidden");
      await failure(() => one.create(as(ann), listOf(keys.record), { data: {} }), "forbidden");
      const bad = { params: { bucket_id: "b", collection_id: "a/b" }, id: "r" };
      await failure(() => one.get(admin, bad, {}), "invalid-parameters");
    });

    test("one record of a private bucket can be shared: only it is listed", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await seed(storage, [
        [keys.bucket],
        [keys.collection],
        [keys.record, { read: ["account:bob"] }],
        [{ ...keys.record, id: "secret" }, { read: ["account:eve"] }],
      ]);
      assert.equal((await operations(record).get(as(bob), at.record, {})).kind, "object");
      const page = await operations(record).list(as(bob), listOf(keys.record), { query: () => ({ total: true }) });
      assert.ok(page.kind === "page");
      assert.deepEqual([page.items.length, page.total, JSON.parse(page.items[0] ?? "").id], [1, 1, "r"]);
      await failure(() => operations(record).deleteList(as(bob), listOf(keys.record), {}), "forbidden");
      await failure(() => operations(collection).get(as(bob), at.collection, {}), "forbidden");
    });

    test("a deletion of a list takes what the caller may write, and is empty for who may only create", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      await seed(storage, [
        [keys.bucket],
        [keys.collection, { "record:create": ["account:eve"] }],
        [keys.record, { write: ["account:bob"] }],
        [{ ...keys.record, id: "other" }, { read: ["account:bob"] }],
      ]);
      const one = operations(record);
      assert.deepEqual((await one.deleteList(as(person("account:eve")), listOf(keys.record), {})).items, []);
      const deleted = await one.deleteList(as(bob), listOf(keys.record), {});
      assert.deepEqual(
        deleted.items.map((item) => JSON.parse(item).id),
        ["r"],
      );
      assert.deepEqual(await storage.permissions.of(keys.record), {});
    });
  });

  describe(`how a resource is shared (${kind})`, () => {
    const variant = (sharing: Exclude<NonNullable<Resource["options"]["sharing"]>, true>) =>
      treeOf({ bucket: { sharing } });

    test("explicit false: nobody is added, only what is above counts", async (context) => {
      const changed = treeOf({ bucket: { sharing: { explicit: false } } });
      const { operations, as } = await benchOn(kind, context, changed.all);
      const made = await operations(changed.bucket).replace(as(ann), at.bucket, {});
      assert.deepEqual(made.permissions, {});
      await failure(() => operations(changed.bucket).get(as(ann), at.bucket, {}), "forbidden");
    });

    test("writer names who is added", async (context) => {
      const changed = variant({ writer: ({ id }) => `account:${id}` });
      const { operations, as } = await benchOn(kind, context, changed.all);
      const made = await operations(changed.bucket).replace(as(bob), targetOf({ ...keys.bucket, id: "bob" }), {});
      assert.deepEqual(made.permissions, { write: ["account:bob"] });
    });

    test("granted: on every object and on what is below; create names who may begin", async (context) => {
      const changed = variant({
        granted: { create: ["account:bob"], read: ["system.Authenticated"], "collection:create": ["account:eve"] },
      });
      const { operations, as } = await benchOn(kind, context, changed.all);
      await failure(() => operations(changed.bucket).replace(as(ann), at.bucket, {}), "forbidden");
      await operations(changed.bucket).replace(as(bob), at.bucket, {});
      const eve = as(person("account:eve"));
      const made = await operations(changed.collection).replace(eve, at.collection, {});
      assert.deepEqual(made.permissions, { write: ["account:eve"] });
      assert.equal((await operations(changed.collection).get(as(ann), at.collection, {})).kind, "object");
      await failure(
        () => operations(changed.collection).get(as(nobodyKnown), at.collection, {}),
        "missing-credentials",
      );
      await failure(() => operations(changed.collection).replace(as(ann), at.collection, {}), "forbidden");
    });

    test("settable false: no entries can be sent and none are made", async (context) => {
      const changed = variant({ settable: false });
      const { operations, as } = await benchOn(kind, context, changed.all);
      const one = operations(changed.bucket);
      const error = await failure(() => one.replace(as(ann), at.bucket, { permissions: {} }), "invalid-parameters");
      assert.deepEqual(violations(error), ["body permissions unknown-field"]);
      const made = await one.replace(as(ann), at.bucket, {});
      assert.deepEqual(made.permissions, {});
    });

    test("access rules grant beside what is shared", async (context) => {
      const changed = treeOf({ bucket: { access: { read: [everyone], write: [role("admin")], create: [] } } });
      const { operations, as, storage } = await benchOn(kind, context, changed.all);
      await seed(storage, [[keys.bucket, { write: ["account:ann"] }], [keys.collection]]);
      const one = operations(changed.bucket);
      const admin = as(caller("account:root", "admin"));
      assert.equal((await one.get(as(nobodyKnown), at.bucket, {})).kind, "object");
      assert.equal((await one.patch(as(ann), at.bucket, merge(undefined, { n: 1 }))).kind, "updated");
      assert.deepEqual((await one.patch(admin, at.bucket, merge(undefined, { n: 2 }))).permissions, {
        write: ["account:ann", "account:root"],
      });
      await failure(() => one.create(as(ann), { params: {} }, { data: {} }), "forbidden");
      await failure(
        () => operations(changed.collection).get(as(nobodyKnown), at.collection, {}),
        "missing-credentials",
      );
    });

    test("hooks see the entries of a write and may set others", async (context) => {
      const seen: unknown[] = [];
      const changed = treeOf({
        bucket: {
          hooks: {
            before(write) {
              seen.push([write.action, write.permissions]);
              if (write.next?.n === 1) write.setPermissions({ read: ["b", "a", "a"], write: [] });
            },
          },
        },
      });
      const { operations, as, storage } = await benchOn(kind, context, changed.all);
      const one = operations(changed.bucket);
      await one.replace(as(ann), at.bucket, { data: { n: 2 } });
      await one.replace(as(ann), at.bucket, { data: { n: 1 }, permissions: { read: ["account:eve"] } });
      assert.deepEqual(await storage.permissions.of(keys.bucket), { read: ["a", "b"] });
      await seed(storage, [[keys.bucket, { write: ["account:ann"] }]]);
      await one.delete(as(ann), at.bucket, {});
      assert.deepEqual(seen, [
        ["replace", { previous: {}, next: { write: ["account:ann"] } }],
        ["replace", { previous: { write: ["account:ann"] }, next: { read: ["account:eve"], write: ["account:ann"] } }],
        ["delete", { previous: { write: ["account:ann"] }, next: {} }],
      ]);
    });
  });

  describe(`groups (${kind})`, () => {
    test("members have what is given to the group, as long as they are members and it exists", async (context) => {
      const { operations, as } = await benchOn(kind, context, tree.all);
      await operations(bucket).replace(as(ann), at.bucket, { permissions: { read: ["/buckets/b/groups/g"] } });
      const read = () => outcome(() => operations(bucket).get(as(bob), at.bucket, {}));
      const target = targetOf(keys.group);
      assert.equal(await read(), "forbidden");
      await operations(group).replace(as(ann), target, { data: { members: ["account:bob", "account:bob"] } });
      assert.equal(await read(), "allowed");
      await operations(group).patch(as(ann), target, { patch: { kind: "merge", data: { members: [] } } });
      assert.equal(await read(), "forbidden");
      await operations(group).patch(as(ann), target, {
        patch: { kind: "merge", data: { members: ["system.Authenticated"] } },
      });
      assert.equal(await read(), "allowed");
      await operations(group).delete(as(ann), target, {});
      assert.equal(await read(), "forbidden");
    });

    test("that go with their bucket are forgotten", async (context) => {
      const { operations, as, storage } = await benchOn(kind, context, tree.all);
      for (const deletion of ["object", "list", "group list"]) {
        await operations(bucket).replace(as(ann), at.bucket, {});
        await operations(group).replace(as(ann), targetOf(keys.group), { data: { members: ["account:bob"] } });
        assert.deepEqual([...(await storage.permissions.groupsOf("account:bob"))], ["/buckets/b/groups/g"]);
        if (deletion === "object") await operations(bucket).delete(as(ann), at.bucket, {});
        else if (deletion === "list") await operations(bucket).deleteList(as(ann), { params: {} }, {});
        else await operations(group).deleteList(as(ann), listOf(keys.group), {});
        assert.deepEqual([...(await storage.permissions.groupsOf("account:bob"))], []);
      }
    });
  });
}
