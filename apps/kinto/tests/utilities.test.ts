/** Counters, flush, erasure of a person, caching, and what settings switch off. */
import assert from "node:assert/strict";
import { kintoTest } from "./support/running.ts";

const as = "alice";

kintoTest("counters show objects and tombstones of each kind, without those there are none of", {}, async ({ ask }) => {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
  for (const id of ["x", "y"]) await ask("PUT", `/buckets/b/collections/c/records/${id}`, { as, body: {} });
  await ask("DELETE", "/buckets/b/collections/c/records/x", { as });
  const { status, body } = await ask("GET", "/__counters__");
  assert.equal(status, 200);
  assert.deepEqual(body, { objects: { bucket: 1, collection: 1, record: 1 }, tombstones: { record: 1 } });
  const { counters_endpoint } = (await ask("GET", "/")).body.capabilities;
  assert.ok(counters_endpoint.url && counters_endpoint.description);
});

kintoTest(
  "what the service keeps for itself is not counted",
  { includes: "kinto.plugins.quotas kinto.plugins.history" },
  async ({ ask, kinto }) => {
    await ask("PUT", "/buckets/b", { as, body: {} });
    assert.ok((await kinto.storage.totals()).some(({ resource }) => resource === "quota"));
    assert.deepEqual((await ask("GET", "/__counters__")).body.objects, { bucket: 1, history: 1 });
  },
);

kintoTest("the heartbeat tells of storage, permissions and cache", {}, async ({ ask }) => {
  const { status, body } = await ask("GET", "/__heartbeat__");
  assert.equal(status, 200);
  assert.deepEqual(body, { storage: true, permission: true, cache: true });
});

kintoTest(
  "metrics are where Kinto has them when they are included",
  { includes: "kinto.plugins.prometheus" },
  async ({ ask, kinto }) => {
    await ask("GET", "/buckets", { as });
    const response = await kinto.fetch(new Request("http://kinto.test/v1/__metrics__"));
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
    assert.match(await response.text(), /^# HELP /m);
  },
);

kintoTest(
  "a flush removes everything, permissions and groups too, and lists begin anew",
  { includes: "kinto.plugins.flush" },
  async ({ ask }) => {
    await ask("PUT", "/buckets/b", { as, body: { permissions: { read: ["system.Everyone"] } } });
    const before = (await ask("GET", "/buckets", { as })).headers.get("etag");
    const { status, body } = await ask("POST", "/__flush__");
    assert.equal(status, 202);
    assert.deepEqual(body, {});
    const after = await ask("GET", "/buckets", { as });
    assert.deepEqual(after.body.data, []);
    assert.notEqual(after.headers.get("etag"), before);
    assert.equal((await ask("GET", "/buckets/b")).status, 401);
    assert.deepEqual((await ask("GET", "/__counters__")).body, { objects: {}, tombstones: {} });
  },
);

kintoTest("nobody can flush where the plugin is off, nor on a read-only server", {}, async ({ ask }) => {
  assert.equal((await ask("POST", "/__flush__", { as })).status, 404);
});

kintoTest(
  "a read-only server refuses the flush",
  { includes: "kinto.plugins.flush", readonly: true },
  async ({ ask }) => {
    assert.equal((await ask("POST", "/__flush__", { as })).status, 405);
  },
);

kintoTest(
  "trap: a service that has ended answers 410 to everything, the flush included",
  { includes: "kinto.plugins.flush", eos: "2020-01-01" },
  async ({ ask }) => {
    for (const [method, path] of [
      ["POST", "/__flush__"],
      ["GET", "/buckets"],
      ["GET", "/buckets/default"],
      ["GET", "/permissions"],
    ] as const) {
      const { status, body, headers } = await ask(method, path, { as });
      assert.equal(status, 410, path);
      assert.equal(body.errno, 202);
      assert.equal(JSON.parse(headers.get("alert") ?? "{}").code, "hard-eol");
    }
  },
);

kintoTest(
  "a person is erased: what only they can change goes, in the rest they are no longer named",
  { "user-data_delete_principals": "system.Authenticated" },
  async ({ ask }) => {
    const bob = (await ask("GET", "/", { as: "bob" })).body.user.id;
    await ask("PUT", "/buckets/bobs", { as: "bob", body: {} });
    await ask("PUT", "/buckets/bobs/collections/c", { as: "bob", body: {} });
    await ask("PUT", "/buckets/bobs/collections/c/records/r", { as: "bob", body: {} });
    await ask("PUT", "/buckets/both", { as, body: { permissions: { write: [bob], read: [bob] } } });
    await ask("PUT", "/buckets/both/groups/g", { as, body: { data: { members: [bob, "account:eve"] } } });
    await ask("PUT", "/buckets/both/collections/c", {
      as,
      body: { permissions: { read: ["/buckets/both/groups/g"] } },
    });
    assert.equal((await ask("GET", "/buckets/both/collections/c", { as: "bob" })).status, 200);

    const { status, body } = await ask("DELETE", `/__user_data__/${encodeURIComponent(bob)}`, { as });
    assert.equal(status, 200);
    assert.deepEqual(body, { data: { principal: bob } });
    assert.deepEqual((await ask("GET", "/buckets", { as: "bob" })).body.data, []);
    assert.equal((await ask("GET", "/buckets/bobs/collections/c", { as: "bob" })).status, 403);
    assert.equal((await ask("GET", "/buckets/both/collections/c", { as: "bob" })).status, 403);
    const both = (await ask("GET", "/buckets/both", { as })).body.permissions;
    assert.doesNotMatch(JSON.stringify(both), new RegExp(bob));
    assert.deepEqual((await ask("GET", "/buckets/both/groups/g", { as })).body.data.members, ["account:eve"]);
    assert.equal((await ask("DELETE", "/__user_data__/account:nobody", { as })).status, 200);
  },
);

kintoTest("nobody may erase a person whom the settings do not name", {}, async ({ ask }) => {
  assert.equal((await ask("DELETE", "/__user_data__/account:bob", { as })).status, 403);
  assert.equal((await ask("DELETE", "/__user_data__/account:bob")).status, 401);
});

kintoTest(
  "anonymous readers may keep records for as long as the most specific setting says, or the collection if that is longer",
  {
    record_cache_expires_seconds: 10,
    "shared.record_cache_expires_seconds": 20,
    "shared.articles.record_cache_expires_seconds": 30,
    shared_legacy_record_cache_expires_seconds: 40,
    bucket_cache_expires_seconds: 50,
    collection_cache_expires_seconds: 60,
    group_cache_expires_seconds: 70,
  },
  async ({ ask }) => {
    const open = { as, body: { permissions: { read: ["system.Everyone"] } } };
    for (const bucket of ["b", "shared"]) {
      await ask("PUT", `/buckets/${bucket}`, open);
      await ask("PUT", `/buckets/${bucket}/groups/g`, { as, body: { data: { members: [] } } });
      for (const id of ["c", "articles", "legacy"])
        await ask("PUT", `/buckets/${bucket}/collections/${id}`, { as, body: {} });
      await ask("PUT", `/buckets/${bucket}/collections/long`, { as, body: { data: { cache_expires: 3600 } } });
      await ask("PUT", `/buckets/${bucket}/collections/brief`, { as, body: { data: { cache_expires: 5 } } });
    }
    const caching = async (path: string, who?: string) =>
      (await ask("GET", path, { as: who })).headers.get("cache-control");
    const expected = {
      "/buckets/b/collections/c/records": 10,
      "/buckets/b/collections/long/records": 3600,
      "/buckets/b/collections/brief/records": 10,
      "/buckets/shared/collections/c/records": 20,
      "/buckets/shared/collections/articles/records": 30,
      "/buckets/shared/collections/legacy/records": 40,
      "/buckets/b": 50,
      "/buckets/b/collections/c": 60,
      "/buckets/b/groups/g": 70,
    };
    for (const [path, seconds] of Object.entries(expected)) {
      assert.equal(await caching(path), `max-age=${seconds}`, path);
      assert.equal(await caching(path, as), "no-cache, no-store", `${path} for somebody signed in`);
    }
    await ask("PUT", "/buckets/b/collections/c/records/r", { as, body: {} });
    const object = await ask("GET", "/buckets/b/collections/c/records/r");
    assert.equal(object.headers.get("cache-control"), "max-age=10");
    assert.ok(object.headers.get("expires"));
  },
);

kintoTest(
  "endpoints that settings switch off are a 405 with what is left",
  { plural_record_delete_enabled: "false", object_bucket_put_enabled: false },
  async ({ ask }) => {
    await ask("POST", "/buckets", { as, body: { data: { id: "b" } } });
    await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
    const { status, headers, body } = await ask("DELETE", "/buckets/b/collections/c/records", { as });
    assert.deepEqual([status, body.errno], [405, 115]);
    assert.match(headers.get("allow") ?? "", /GET/);
    assert.equal((await ask("PUT", "/buckets/x", { as, body: {} })).status, 405);
  },
);

kintoTest(
  "explicit_permissions off: who creates an object is not written into it",
  { explicit_permissions: false },
  async ({ ask }) => {
    assert.equal((await ask("GET", "/")).body.settings.explicit_permissions, false);
    const { body } = await ask("PUT", "/buckets/b", { as, body: { permissions: { read: ["system.Everyone"] } } });
    assert.deepEqual(body.permissions, { read: ["system.Everyone"] });
    assert.equal((await ask("PUT", "/buckets/b", { as, body: {} })).status, 403);
  },
);

kintoTest(
  "ids are made as the settings say, and by default as Kinto does for all but records",
  { collection_id_generator: "kinto.core.storage.generators.UUID4" },
  async ({ ask }) => {
    const bucket = (await ask("POST", "/buckets", { as, body: {} })).body.data.id;
    assert.match(bucket, /^[A-Za-z0-9]{8}$/);
    const collection = (await ask("POST", `/buckets/${bucket}/collections`, { as, body: {} })).body.data.id;
    assert.match(collection, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.match((await ask("POST", `/buckets/${bucket}/groups`, { as, body: {} })).body.data.id, /^[A-Za-z0-9]{8}$/);
    const record = (await ask("POST", `/buckets/${bucket}/collections/${collection}/records`, { as, body: {} })).body
      .data.id;
    assert.match(record, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  },
);
