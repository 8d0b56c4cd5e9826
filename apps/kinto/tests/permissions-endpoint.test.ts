/** `/permissions`: everything that the caller was given, exactly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { anyStorage, isSlow, serverKinds, testStorages } from "../../../scripts/test-stores.ts";
import { kintoTest, withKinto } from "./support/running.ts";

const settings = { experimental_permissions_endpoint: true };
interface Entry {
  readonly uri: string;
  readonly resource_name: string;
  readonly permissions: readonly string[];
}

kintoTest(
  "one entry for each object, with ids, and what a permission includes on the same object",
  settings,
  async ({ ask }) => {
    const me = (await ask("GET", "/", { as: "bob" })).body.user.id;
    await ask("PUT", "/buckets/a", { as: "alice", body: { permissions: { write: [me] } } });
    await ask("PUT", "/buckets/b", {
      as: "alice",
      body: { permissions: { "collection:create": ["system.Authenticated"] } },
    });
    await ask("PUT", "/buckets/b/groups/g", { as: "alice", body: { data: { members: [me] } } });
    await ask("PUT", "/buckets/b/collections/c", {
      as: "alice",
      body: { permissions: { read: ["system.Everyone"], "record:create": ["/buckets/b/groups/g"] } },
    });
    await ask("PUT", "/buckets/b/collections/c/records/r", {
      as: "alice",
      body: { permissions: { write: ["/buckets/b/groups/g"] } },
    });
    const { body, headers } = await ask("GET", "/permissions", { as: "bob" });
    assert.deepEqual(
      body.data.map((entry: Entry) => ({ ...entry, permissions: [...entry.permissions].sort() })),
      [
        {
          uri: "/buckets/b/collections/c/records/r",
          resource_name: "record",
          permissions: ["read", "write"],
          id: "r",
          bucket_id: "b",
          collection_id: "c",
          record_id: "r",
        },
        {
          uri: "/buckets/b/collections/c",
          resource_name: "collection",
          permissions: ["read", "record:create"],
          id: "c",
          bucket_id: "b",
          collection_id: "c",
        },
        { uri: "/buckets/b", resource_name: "bucket", permissions: ["collection:create"], id: "b", bucket_id: "b" },
        {
          uri: "/buckets/a",
          resource_name: "bucket",
          permissions: ["collection:create", "group:create", "read", "write"],
          id: "a",
          bucket_id: "a",
        },
        { uri: "/", resource_name: "root", permissions: ["bucket:create"] },
      ],
    );
    assert.match(headers.get("etag") ?? "", /^"\d+"$/);
    const anonymous = await ask("GET", "/permissions");
    assert.deepEqual(
      anonymous.body.data.map(({ uri }: Entry) => uri),
      ["/buckets/b/collections/c"],
    );
  },
);

kintoTest(
  "filters, orders, pages and totals are those of any list; other fields are refused",
  settings,
  async ({ ask }) => {
    for (const n of [1, 2, 3, 4, 5]) await ask("PUT", `/buckets/b${n}`, { as: "bob", body: {} });
    await ask("PUT", "/buckets/b1/collections/c", { as: "bob", body: {} });
    const uris = async (query: string) =>
      (await ask("GET", `/permissions?${query}`, { as: "bob" })).body.data.map(({ uri }: Entry) => uri);
    assert.deepEqual(await uris("resource_name=collection"), ["/buckets/b1/collections/c"]);
    assert.deepEqual((await uris("in_resource_name=bucket,collection")).length, 6);
    assert.deepEqual(await uris("resource_name=bucket&_sort=uri&_limit=2"), ["/buckets/b1", "/buckets/b2"]);
    assert.deepEqual((await uris("bucket_id=b1&_sort=-resource_name")).length, 2);
    assert.deepEqual((await uris("has_collection_id=true")).length, 1);
    assert.deepEqual((await uris("contains_permissions=write")).length, 6);
    assert.equal((await ask("GET", "/permissions?colour=blue", { as: "bob" })).status, 400);
    assert.equal((await ask("GET", "/permissions?_token=zzz", { as: "bob" })).status, 400);
    const head = await ask("HEAD", "/permissions?resource_name=bucket", { as: "bob" });
    assert.deepEqual([head.headers.get("total-objects"), head.headers.get("total-records")], ["5", "5"]);

    const seen: string[] = [];
    for (let next: string | undefined = "/permissions?_limit=2&_sort=resource_name"; next !== undefined; ) {
      const page = await ask("GET", next, { as: "bob" });
      seen.push(...page.body.data.map(({ uri }: Entry) => uri));
      next = page.headers.get("next-page")?.replace(/^.*\/v1/, "");
    }
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen).size, 7);
  },
);

test("what settings grant is there for every bucket, collection and group, once, and not for records", () =>
  withKinto(
    anyStorage,
    {
      ...settings,
      collection_read_principals: "system.Authenticated",
      group_create_principals: "system.Authenticated",
      record_create_principals: "system.Everyone",
    },
    async ({ ask }) => {
      await ask("PUT", "/buckets/b", { as: "alice", body: {} });
      await ask("PUT", "/buckets/b/collections/c", { as: "alice", body: {} });
      await ask("PUT", "/buckets/b/groups/g", { as: "alice", body: { data: { members: [] } } });
      await ask("PUT", "/buckets/b/collections/c/records/r", { as: "alice", body: {} });
      const { data } = (await ask("GET", "/permissions?_sort=uri", { as: "bob" })).body;
      assert.deepEqual(
        data.map(({ uri, permissions }: Entry) => [uri, [...permissions].sort()]),
        [
          ["/", ["bucket:create"]],
          ["/buckets/b", ["group:create"]],
          ["/buckets/b/collections/c", ["read", "record:create"]],
        ],
      );
      const own = (await ask("GET", "/permissions?resource_name=collection", { as: "alice" })).body.data;
      assert.equal(own.length, 1);
      assert.deepEqual([...own[0].permissions].sort(), ["read", "record:create", "write"]);
    },
  ));

kintoTest("without the setting there is no such list", {}, async ({ ask }) => {
  assert.equal((await ask("GET", "/permissions", { as: "bob" })).status, 404);
  assert.equal("permissions_endpoint" in (await ask("GET", "/")).body.capabilities, false);
});

for (const storage of testStorages)
  test(
    `stays fast with 20,000 records and 5,000 groups (${storage})`,
    {
      skip: isSlow(storage) && "its server for tests looks at whole collections",
    },
    () =>
      withKinto(storage, { ...settings, paginate_by: 100 }, async ({ ask, kinto }) => {
        const me = (await ask("GET", "/", { as: "bob" })).body.user.id;
        const entry = { write: [me] };
        const put = (resource: string, parent: string, id: string, permissions: Record<string, readonly string[]>) =>
          ({ kind: "put", key: { resource, parent, id }, body: "{}", expect: { kind: "any" }, permissions }) as const;
        await kinto.storage.commit([put("bucket", "", "b", {}), put("collection", "bucket/b", "c", {})]);
        for (let from = 0; from < 20_000; from += 1000)
          await kinto.storage.commit(
            Array.from({ length: 1000 }, (_, n) =>
              put(
                "record",
                "bucket/b/collection/c",
                `r${from + n}`,
                n % 2 === 0 ? entry : { read: [`/buckets/b/groups/g${n}`] },
              ),
            ),
          );
        for (let from = 0; from < 5000; from += 1000)
          await kinto.storage.commit(
            Array.from({ length: 1000 }, (_, n) => [
              put("group", "bucket/b", `g${from + n}`, {}),
              { kind: "members", group: `/buckets/b/groups/g${from + n}`, members: [me] } as const,
            ]).flat(),
          );
        await ask("GET", "/permissions?_limit=1", { as: "bob" });
        const start = performance.now();
        const page = await ask("GET", "/permissions", { as: "bob" });
        const milliseconds = performance.now() - start;
        assert.equal(page.body.data.length, 100);
        assert.equal(
          (await ask("HEAD", "/permissions?resource_name=record", { as: "bob" })).headers.get("total-records"),
          "20000",
        );
        // Ten times what it takes on an idle machine: a query for each object or group would take far longer.
        assert.ok(milliseconds < (serverKinds.includes(storage) ? 10_000 : 3000), `${milliseconds} ms`);
      }),
  );
