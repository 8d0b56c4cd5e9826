import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { role } from "../access.ts";
import { ann, bench, bob, caller, failure } from "../testing.ts";
import { keys, person, seed, targetOf, treeOf } from "./testing.ts";

const tree = treeOf({
  bucket: { sharing: { granted: { read: ["account:auditor"] } } },
  record: { access: { write: [role("curator")] } },
});

describe("explain", () => {
  test("names every entry and setting that grants a permission, with the principal it means", async () => {
    const { operations, as, storage } = await bench(tree.all);
    await storage.commit([{ kind: "members", group: "/buckets/b/groups/g", members: ["account:bob"] }]);
    await seed(storage, [
      [keys.bucket, { write: ["account:ann"], read: ["system.Authenticated"] }],
      [keys.collection, { write: ["/buckets/b/groups/g"], "record:create": ["account:bob"] }],
      [keys.record, { read: ["account:bob", "account:eve"] }],
    ]);
    const explain = (permission: string, principal?: string) =>
      operations(tree.record).explain(as(ann), targetOf(keys.record), {
        permission,
        ...(principal === undefined ? {} : { principal }),
      });
    assert.deepEqual(await explain("read", "account:bob"), {
      id: "r",
      principal: "account:bob",
      permission: "read",
      allowed: true,
      because: [
        { uri: "/buckets/b/collections/c/records/r", permission: "read", principal: "account:bob" },
        { uri: "/buckets/b/collections/c", permission: "write", principal: "/buckets/b/groups/g" },
        { uri: "/buckets/b", permission: "read", principal: "system.Authenticated" },
      ],
    });
    assert.deepEqual((await explain("read", "account:auditor")).because, [
      { uri: "settings", permission: "read", principal: "account:auditor" },
      { uri: "/buckets/b", permission: "read", principal: "system.Authenticated" },
    ]);
    assert.deepEqual((await explain("write", "account:eve")).because, []);
    assert.equal((await explain("write", "account:eve")).allowed, false);
    const own = await explain("write");
    assert.deepEqual(
      [own.principal, own.because],
      ["account:ann", [{ uri: "/buckets/b", permission: "write", principal: "account:ann" }]],
    );
    const { because } = await operations(tree.collection).explain(as(ann), targetOf(keys.collection), {
      permission: "record:create",
      principal: "account:bob",
    });
    assert.deepEqual(
      because.map(({ uri, permission }) => `${permission} ${uri}`),
      ["record:create /buckets/b/collections/c", "write /buckets/b/collections/c"],
    );
  });

  test("names access rules for who asks", async () => {
    const { operations, as, storage } = await bench(tree.all);
    await seed(storage, [[keys.bucket], [keys.collection], [keys.record]]);
    const curator = as(caller("account:cora", "curator"));
    const said = await operations(tree.record).explain(curator, targetOf(keys.record), { permission: "write" });
    assert.deepEqual(
      said.because,
      ["replace", "patch", "delete"].map((permission) => ({ uri: "rules", permission, principal: "role(curator)" })),
    );
  });

  test("is for those who may write the object, and for permissions that it knows", async () => {
    const { operations, as, storage } = await bench(tree.all);
    await seed(storage, [[keys.bucket, { write: ["account:ann"], read: ["account:bob"] }]]);
    const one = operations(tree.bucket);
    const target = targetOf(keys.bucket);
    await failure(() => one.explain(as(bob), target, { permission: "read" }), "forbidden");
    await failure(
      () => one.explain(as(person("account:eve")), { params: {}, id: "nope" }, { permission: "read" }),
      "forbidden",
    );
    const error = await failure(() => one.explain(as(ann), target, { permission: "zz" }), "invalid-parameters");
    assert.match(error.message, /"zz" is not one of read, write, collection:create, group:create/);
    await failure(
      () => operations(tree.collection).explain(as(ann), targetOf(keys.collection), { permission: "read" }),
      "object-not-found",
    );
  });
});
