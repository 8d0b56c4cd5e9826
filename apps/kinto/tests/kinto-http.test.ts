/** The public client `kinto-http` 5, as it is, against the running application: every method of client, bucket and collection. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import { clientOf, type KintoClient } from "./support/kinto-http.ts";
import { kintoTest } from "./support/running.ts";

const settings = {
  includes: "kinto.plugins.accounts kinto.plugins.default_bucket kinto.plugins.flush",
  "multiauth.policies": "account basicauth",
  account_create_principals: "system.Everyone",
  experimental_permissions_endpoint: true,
};

const range = (length: number) => Array.from({ length }, (_, index) => index);

kintoTest("kinto-http learns about the server", settings, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  const info = await client.fetchServerInfo();
  assert.equal(info.project_name, "kinto");
  assert.match(info.http_api_version, /^1\.\d+$/);
  assert.equal(info.url, `${remote}/`);
  assert.deepEqual(await client.fetchServerSettings(), {
    batch_max_requests: 25,
    readonly: false,
    explicit_permissions: true,
  });
  assert.equal(await client.fetchHTTPApiVersion(), info.http_api_version);
  const capabilities = await client.fetchServerCapabilities();
  for (const name of ["accounts", "basicauth", "default_bucket", "flush_endpoint", "permissions_endpoint"])
    assert.ok(capabilities[name]?.url.startsWith("http"), `${name} has a url`);
  const user = await client.fetchUser();
  assert.match(user?.id ?? "", /^basicauth:[0-9a-f]{64}$/);
  assert.ok(user?.bucket);
  assert.deepEqual(await clientOf(remote).fetchUser(), undefined);
});

kintoTest("kinto-http creates, changes and deletes buckets", settings, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  const { data, permissions } = await client.createBucket("blog", {
    data: { title: "t" },
    permissions: { read: ["system.Everyone"] },
  });
  assert.equal(data.id, "blog");
  assert.deepEqual(permissions.read, ["system.Everyone"]);
  const generated = await client.createBucket(null);
  assert.match(generated.data.id, /^[A-Za-z0-9]{8}$/);
  await assert.rejects(client.createBucket("blog", { safe: true }), /412/);
  const buckets = await client.listBuckets();
  assert.deepEqual(new Set(buckets.data.map(({ id }) => id)), new Set(["blog", generated.data.id]));
  assert.equal(buckets.hasNextPage, false);

  const bucket = client.bucket("blog");
  assert.equal((await bucket.getData<{ title: string }>()).title, "t");
  await bucket.setData({ subtitle: "s" }, { patch: true });
  assert.equal((await bucket.getData<{ title: string }>()).title, "t");
  const replaced = await bucket.setData({ subtitle: "only" });
  assert.equal("title" in replaced.data, false);
  await assert.rejects(bucket.setData({ x: 1 }, { safe: true, last_modified: 1 }), /412/);

  const gone = await client.deleteBucket("blog");
  assert.equal(gone.data.deleted, true);
  await assert.rejects(client.deleteBucket("blog"), /40[34]/);
  const all = await client.deleteBuckets();
  assert.equal(all.data.length, 1);
  assert.deepEqual((await client.listBuckets()).data, []);
});

kintoTest("kinto-http gets, sets, adds and removes permissions", settings, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  const me = (await client.fetchUser())?.id ?? "";
  await client.createBucket("b");
  const bucket = client.bucket("b");
  await bucket.createCollection("c");
  await bucket.createGroup("g", ["account:bob"]);
  for (const thing of [bucket, bucket.collection("c")]) {
    assert.deepEqual(await thing.getPermissions(), { write: [me] });
    await thing.setPermissions({ read: ["system.Everyone"] });
    assert.deepEqual(await thing.getPermissions(), { read: ["system.Everyone"], write: [me] });
    await thing.addPermissions({ read: ["account:bob", "/buckets/b/groups/g"], write: ["account:carl"] });
    assert.deepEqual(await thing.getPermissions(), {
      read: ["/buckets/b/groups/g", "account:bob", "system.Everyone"],
      write: ["account:carl", me].sort(),
    });
    await thing.removePermissions({ read: ["system.Everyone", "/buckets/b/groups/g"], write: ["account:carl"] });
    assert.deepEqual(await thing.getPermissions(), { read: ["account:bob"], write: [me] });
    const { last_modified } = await thing.getData<{ last_modified: number }>();
    await assert.rejects(thing.setPermissions({ read: [] }, { safe: true, last_modified: last_modified - 1 }), /412/);
    await thing.setPermissions({ read: [] }, { safe: true, last_modified });
    assert.deepEqual(await thing.getPermissions(), { write: [me] });
  }
});

kintoTest("kinto-http works with collections and groups", settings, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  await client.createBucket("b");
  const bucket = client.bucket("b");
  const empty = await bucket.getCollectionsTimestamp();
  assert.equal(await bucket.getCollectionsTimestamp(), empty);
  for (const n of range(6)) await bucket.createCollection(`c${n}`, { data: { n } });
  assert.notEqual(await bucket.getCollectionsTimestamp(), empty);
  const sorted = await bucket.listCollections({ sort: "n", limit: 4 });
  assert.deepEqual(
    sorted.data.map(({ id }) => id),
    ["c0", "c1", "c2", "c3"],
  );
  assert.equal(sorted.hasNextPage, true);
  const rest = await sorted.next();
  assert.deepEqual(
    rest.data.map(({ id }) => id),
    ["c4", "c5"],
  );
  assert.deepEqual((await bucket.listCollections({ filters: { min_n: 4 } })).data.length, 2);
  assert.deepEqual(Object.keys((await bucket.listCollections({ fields: ["id"] })).data[0] ?? {}).sort(), [
    "id",
    "last_modified",
  ]);
  assert.equal((await bucket.deleteCollection("c0")).data.deleted, true);
  assert.equal((await bucket.deleteCollections({ filters: { max_n: 2 } })).data.length, 2);

  assert.equal(typeof (await bucket.getGroupsTimestamp()), "string");
  const group = await bucket.createGroup("g", ["account:bob"], { data: { foo: 1 } });
  assert.deepEqual(group.data.members, ["account:bob"]);
  assert.deepEqual((await bucket.createGroup()).data.members, []);
  assert.deepEqual((await bucket.getGroup("g")).data.members, ["account:bob"]);
  const updated = await bucket.updateGroup({ id: "g" }, { data: { members: ["account:carl"] } });
  assert.deepEqual(updated.data.members, ["account:carl"]);
  const patched = await bucket.updateGroup({ id: "g" }, { data: { title: "x" }, patch: true });
  assert.deepEqual(patched.data.members, ["account:carl"]);
  assert.equal((await bucket.listGroups()).data.length, 2);
  assert.equal((await bucket.deleteGroup("g")).data.deleted, true);
  assert.equal((await bucket.deleteGroups()).data.length, 1);
});

kintoTest("kinto-http works with records", settings, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  await client.createBucket("b");
  await client.bucket("b").createCollection("c", { data: { title: "records" } });
  const collection = client.bucket("b").collection("c");
  assert.equal((await collection.getData<{ title: string }>()).title, "records");
  assert.equal((await collection.setData({ foo: 1 }, { patch: true })).data.foo, 1);
  const before = await collection.getRecordsTimestamp();
  assert.equal(await collection.getRecordsTimestamp(), before);
  assert.equal(await collection.getTotalRecords(), 0);

  const { data: made } = await collection.createRecord({ title: "a", n: 1 });
  assert.equal((await collection.getRecord<{ title: string }>(made.id)).data.title, "a");
  assert.equal(await collection.getTotalRecords(), 1);
  const { data: named } = await collection.createRecord(
    { id: "named", title: "b", n: 2 },
    { permissions: { read: ["system.Everyone"] } },
  );
  assert.equal(
    (await clientOf(remote).bucket("b").collection("c").getRecord<{ title: string }>("named")).data.title,
    "b",
  );
  await assert.rejects(collection.createRecord({ id: "named" }, { safe: true }), /412/);
  const { data: updated } = await collection.updateRecord(
    { id: "named", title: "c" },
    { safe: true, last_modified: named.last_modified },
  );
  assert.equal("n" in updated, false);
  const { data: patched } = await collection.updateRecord({ id: "named", n: 3 }, { patch: true });
  assert.deepEqual({ title: patched.title, n: patched.n }, { title: "c", n: 3 });
  await assert.rejects(
    collection.updateRecord({ id: "named", n: 4 }, { safe: true, last_modified: named.last_modified }),
    /412/,
  );

  const since = await collection.listRecords();
  await collection.deleteRecord("named");
  await collection.createRecord({ title: "é 汉字 ü", n: 4 });
  const changes = await collection.listRecords({ since: since.last_modified ?? "" });
  assert.deepEqual(
    changes.data.map(({ deleted = false }) => deleted),
    [false, true],
  );
  assert.equal((await collection.listRecords({ filters: { like_title: "汉字" } })).data.length, 1);
  assert.equal((await collection.listRecords({ filters: { in_n: [1, 4] } as never })).data.length, 2);
  await assert.rejects(collection.deleteRecord("named"), /404/);
  assert.equal((await collection.deleteRecords()).data.length, 2);
  assert.equal(await collection.getTotalRecords(), 0);
});

kintoTest("kinto-http follows the pages of a list to its end", { ...settings, paginate_by: 10 }, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  await client.createBucket("b");
  await client.bucket("b").createCollection("c");
  const collection = client.bucket("b").collection("c");
  await collection.batch((batch) => {
    for (const n of range(64)) batch.createRecord({ n, half: Math.floor(n / 2) });
  });
  const all = await collection.listRecords({ pages: Number.POSITIVE_INFINITY, sort: "-half,n" });
  assert.equal(all.data.length, 64);
  assert.deepEqual(all.data.map(({ n }) => n).slice(0, 4), [62, 63, 60, 61]);
  assert.equal(new Set(all.data.map(({ id }) => id)).size, 64);
  const first = await collection.listRecords({ limit: 5 });
  assert.equal(first.data.length, 5);
  assert.equal((await first.next()).data.length, 5);
  const deleted = await collection.deleteRecords({ limit: 7, sort: "n" });
  assert.deepEqual(deleted.data.length, 7);
  assert.equal(deleted.hasNextPage, true);
  // The client asks for the rest with GET.
  assert.equal((await deleted.next()).data.length, 7);
  assert.equal(await collection.getTotalRecords(), 57);
});

kintoTest(
  "kinto-http sends more operations than a batch holds in several, and aggregates what became of them",
  settings,
  async ({ remote }) => {
    const client = clientOf(remote, "alice");
    const responses = await client.batch((batch: KintoClient) => {
      for (const n of range(60)) batch.createBucket(`b${n}`);
    });
    assert.equal((responses as readonly { status: number }[]).length, 60);
    assert.equal((await client.listBuckets()).data.length, 60);

    await client.bucket("b1").createCollection("c");
    const collection = client.bucket("b1").collection("c");
    const { data: kept } = await collection.createRecord({ id: "kept", n: 1 });
    const result = await collection.batch(
      (batch) => {
        batch.createRecord({ id: "new", n: 2 });
        batch.createRecord({ id: "kept", n: 3 }, { safe: true });
        batch.deleteRecord("missing");
        batch.updateRecord({ id: "new", n: 4 }, { patch: true });
      },
      { aggregate: true },
    );
    const { published, conflicts, skipped, errors } = result as {
      readonly published: readonly unknown[];
      readonly conflicts: readonly { readonly remote: { readonly id: string; readonly last_modified: number } }[];
      readonly skipped: readonly { readonly id: string }[];
      readonly errors: readonly unknown[];
    };
    assert.equal(published.length, 2);
    assert.deepEqual(
      conflicts.map(({ remote }) => remote.last_modified),
      [kept.last_modified],
    );
    assert.deepEqual(
      skipped.map(({ id }) => id),
      ["missing"],
    );
    assert.deepEqual(errors, []);
    assert.equal((await collection.getRecord<{ n: number }>("new")).data.n, 4);

    await client.bucket("b2").batch((batch) => {
      batch.createCollection("x");
      batch.collection("x").createRecord({ id: "seen" });
      batch.collection("x").addPermissions({ read: ["system.Everyone"] });
    });
    assert.equal((await client.bucket("b2").collection("x").getRecord("seen")).data.id, "seen");
    assert.deepEqual((await client.bucket("b2").collection("x").getPermissions()).read, ["system.Everyone"]);
  },
);

kintoTest(
  "kinto-http lists permissions, the root's entry among them, over pages",
  { ...settings, paginate_by: 5 },
  async ({ remote }) => {
    const client = clientOf(remote, "alice");
    await client.batch((batch: KintoClient) => {
      for (const n of range(15)) batch.createBucket(`b${n}`);
    });
    const all = await client.listPermissions({ pages: Number.POSITIVE_INFINITY });
    assert.equal(all.data.length, 16);
    const root = all.data.find(({ uri }) => uri === "/");
    assert.equal(root?.resource_name, "root");
    assert.deepEqual(root?.permissions, ["bucket:create", "account:create"] as never);
    assert.equal((await client.listPermissions({ filters: { bucket_id: "b3" } })).data.length, 1);
    const first = await client.listPermissions({ filters: { resource_name: "bucket" }, sort: "-uri" });
    assert.deepEqual(
      first.data.map(({ uri }) => uri),
      ["/buckets/b9", "/buckets/b8", "/buckets/b7", "/buckets/b6", "/buckets/b5"],
    );
  },
);

kintoTest("kinto-http creates accounts, which sign in", settings, async ({ remote }) => {
  await clientOf(remote).createAccount("bob", "a good password");
  const bob = clientOf(remote, "bob:a good password");
  assert.equal((await bob.fetchUser())?.id, "account:bob");
  await bob.bucket("default").collection("tasks").createRecord({ id: "one" });
  assert.deepEqual(
    (await bob.bucket("default").collection("tasks").listRecords()).data.map(({ id }) => id),
    ["one"],
  );
  assert.equal((await bob.fetchUser())?.bucket, (await bob.bucket("default").getData<{ id: string }>()).id);
});

kintoTest("kinto-http is told to wait", { ...settings, backoff: 3 }, async ({ remote }) => {
  const client = clientOf(remote, "alice");
  await client.fetchServerInfo();
  assert.ok(client.backoff > 2000 && client.backoff <= 3000, `${client.backoff}`);
});

const soon = "2999-01-01";
kintoTest(
  "kinto-http hears of the end of the service",
  { ...settings, eos: soon, eos_message: "bye", eos_url: "http://bye.test/" },
  async ({ remote }) => {
    const client = clientOf(remote, "alice");
    const warn = mock.method(console, "warn", () => {});
    const heard: unknown[] = [];
    client.events?.on("deprecated", (alert: unknown) => heard.push(alert));
    await client.fetchServerInfo();
    warn.mock.restore();
    assert.deepEqual(heard, [{ code: "soft-eol", message: "bye", url: "http://bye.test/" }]);
  },
);
