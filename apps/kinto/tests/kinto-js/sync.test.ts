/** kinto.js 17: what a synchronisation is made of and can be told, and its own HTTP client: snapshots of the past, batches, pages. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import kinto from "kinto";
import { anyStorage } from "../../../../scripts/test-stores.ts";
import { deviceOf, type Item, syncStrategy } from "../support/kinto-js.ts";
import { authorizationOf, kintoTest, type Running } from "../support/running.ts";

const settings = { includes: "kinto.plugins.default_bucket kinto.plugins.history" };
const as = "alice";
const records = "/buckets/default/collections/items/records";
const { SyncResultObject } = createRequire(import.meta.url)("kinto/lib/cjs/collection");

const stored = async ({ ask }: Pick<Running, "ask">, path = records, who = as) =>
  (await ask("GET", `${path}?_sort=title`, { as: who })).body.data.map(({ title }: Item) => title);

/** Notes each request that the client makes meanwhile: method, path and query, and headers. */
async function noting(
  { api }: Pick<ReturnType<typeof deviceOf>["items"], "api">,
  work: () => Promise<unknown>,
): Promise<readonly { method: string; url: string; headers: Headers }[]> {
  const requests: { method: string; url: string; headers: Headers }[] = [];
  const http = api.http as unknown as { fetchFunc: typeof fetch };
  const { fetchFunc } = http;
  http.fetchFunc = (url, init) => {
    requests.push({ method: init?.method ?? "GET", url: String(url), headers: new Headers(init?.headers) });
    return fetchFunc(url, init);
  };
  await work();
  http.fetchFunc = fetchFunc;
  return requests;
}

kintoTest(
  "many changes in small batches, over many pages, with nothing read twice that needs not be",
  { ...settings, batch_max_requests: 7, paginate_by: 11 },
  async (running) => {
    const { items: one } = deviceOf(running.remote, as);
    const { items: two } = deviceOf(running.remote, as);
    await one.execute((transaction) => {
      for (let n = 0; n < 80; n++) transaction.upsert({ id: randomUUID(), title: `t${String(n).padStart(2, "0")}` });
    });
    const requests = await noting(one, async () => {
      const result = await one.sync({});
      assert.ok(result.ok);
      assert.equal(result.published.length, 80);
    });
    assert.equal(requests.filter(({ method }) => method === "POST").length, 12);
    assert.ok(requests.some(({ url }) => url.includes("exclude_id=")));
    const pages = await noting(two, async () => assert.equal((await two.sync({})).created.length, 80));
    assert.equal(pages.filter(({ url }) => url.includes("/records")).length, 8);
    const idle = await noting(two, () => two.sync({}));
    assert.equal(idle.length, 2);

    for (const { id } of (await two.list()).data) await two.delete(id);
    await two.create({ title: "last" });
    assert.equal((await two.sync({})).published.length, 81);
    assert.equal((await one.sync({})).deleted.length, 80);
    assert.deepEqual(await stored(running), ["last"]);
  },
);

kintoTest(
  "sync step by step: metadata, pull, what is to be sent, push",
  settings,
  async (running) => {
    const { ask, remote } = running;
    await ask("POST", records, { as, body: { data: { id: randomUUID(), title: "theirs" } } });
    await ask("PATCH", "/buckets/default/collections/items", { as, body: { data: { colour: "red" } } });
    const { device, items } = deviceOf(remote, as);
    await items.create({ title: "mine" });
    const client = device.api.bucket("default").collection("items");
    await items.pullMetadata(client, { expectedTimestamp: '"42"' });
    assert.equal(((await items.metadata()) as { colour?: string }).colour, "red");
    const result = new SyncResultObject();
    await items.pullChanges(client, result);
    assert.deepEqual(
      result.created.map(({ title }: Item) => title),
      ["theirs"],
    );
    const changes = (await items.gatherLocalChanges()) as Item[];
    assert.deepEqual(
      changes.map(({ title }) => title),
      ["mine"],
    );
    await items.pushChanges(client, changes, result);
    assert.deepEqual(
      result.published.map(({ title }: Item) => title),
      ["mine"],
    );
    assert.deepEqual(await stored(running), ["mine", "theirs"]);
    assert.equal(items.lastModified, null);
    const { data } = (await ask("GET", records, { as })).body;
    const imported = await items.importChanges(new SyncResultObject(), data, syncStrategy.MANUAL);
    assert.equal(imported.ok, true);
    assert.equal(result.toObject().ok, true);
  },
  [anyStorage],
);

kintoTest(
  "sync says what happened: events, results, revisions",
  settings,
  async ({ remote, ask }) => {
    const { device, items } = deviceOf(remote, as);
    const heard: string[] = [];
    for (const name of ["sync:success", "sync:error"]) device.events?.on(name, () => heard.push(name));
    await items.create({ title: "a" });
    const result = await items.sync({});
    const etag = (await ask("GET", records, { as })).headers.get("etag");
    assert.equal(`"${items.lastModified}"`, etag);
    assert.equal(result.lastModified, items.lastModified);
    await assert.rejects(items.sync({ remote: "http://127.0.0.1:1/v1" }));
    assert.deepEqual(heard, ["sync:success", "sync:error"]);
    assert.equal(device.api.remote, remote);
  },
  [anyStorage],
);

kintoTest(
  "sync elsewhere: another bucket, collection, headers, cache-busting timestamps",
  settings,
  async (running) => {
    const { ask, remote } = running;
    await ask("PUT", "/buckets/team", { as: "bob", body: { permissions: { write: ["system.Authenticated"] } } });
    await ask("PUT", "/buckets/team/collections/notes", { as: "bob", body: {} });
    const { items } = deviceOf(remote, as);
    await items.create({ title: "a" });
    const requests = await noting(items, async () => {
      const result = await items.sync({
        bucket: "team",
        collection: "notes",
        headers: { Authorization: authorizationOf("carl"), "X-Extra": "1" },
        expectedTimestamp: '"123"',
      });
      assert.ok(result.ok, JSON.stringify(result.errors));
    });
    assert.ok(requests.every(({ url, headers }) => url === `${remote}/` || headers.get("x-extra") === "1"));
    assert.ok(
      requests.some(({ url }) => url.includes("_expected=%22123%22")),
      requests.map(({ url }) => url).join(" "),
    );
    assert.deepEqual(await stored(running, "/buckets/team/collections/notes/records", "bob"), ["a"]);
  },
  [anyStorage],
);

kintoTest(
  "pages and filters with its HTTP client; several in one request",
  settings,
  async ({ remote }) => {
    const client = new kinto.KintoClient(remote, { headers: { Authorization: authorizationOf(as) } });
    const collection = client.bucket("default").collection("items");
    const made = (await collection.batch((batch) => {
      for (let n = 0; n < 30; n++) batch.createRecord({ title: `t${n}`, n });
    })) as unknown as readonly { status: number }[];
    assert.equal(made.length, 30);
    assert.ok(made.every(({ status }) => status === 201));
    const page = await collection.listRecords({ limit: 20, sort: "n" });
    assert.equal(page.hasNextPage, true);
    assert.equal((await page.next()).data.length, 10);
    assert.equal((await collection.listRecords({ pages: Number.POSITIVE_INFINITY, limit: 7 })).data.length, 30);
    assert.equal((await collection.listRecords({ filters: { min_n: 25 } })).data.length, 5);
    assert.equal(
      (await collection.listRecords({ fields: ["n"], limit: 1 })).data.map((each) => Object.keys(each).length)[0],
      3,
    );
    assert.equal(await collection.getTotalRecords(), 30);
  },
  [anyStorage],
);

kintoTest(
  "snapshots: the collection as it was, from the server and, where it has none, from the history",
  settings,
  async ({ remote, ask }) => {
    const { device, items } = deviceOf(remote, as);
    const a = (await items.create({ title: "a" })).data.id;
    const b = (await items.create({ title: "b" })).data.id;
    await items.sync({});
    const then = items.lastModified ?? 0;
    await items.update({ id: a, title: "A" }, { patch: true });
    await items.delete(b);
    await items.create({ title: "c" });
    await items.sync({});
    const collection = device.api.bucket("default").collection("items");
    const titlesAt = async (at: number) => (await collection.listRecords({ at })).data.map(({ title }) => title).sort();
    assert.deepEqual(await titlesAt(then), ["a", "b"]);
    assert.deepEqual(await titlesAt(items.lastModified ?? 0), ["A", "c"]);
    const fetch = globalThis.fetch;
    const asked: string[] = [];
    const fallback = new kinto.KintoClient(remote, { headers: { Authorization: authorizationOf(as) } });
    const http = fallback.http as unknown as { fetchFunc: typeof fetch };
    http.fetchFunc = (url, init) => {
      asked.push(String(url));
      return String(url).includes("/snapshot/")
        ? Promise.resolve(new Response("{}", { status: 500 }))
        : fetch(url, init);
    };
    const old = await fallback.bucket("default").collection("items").listRecords({ at: then });
    assert.deepEqual(old.data.map(({ title }) => title).sort(), ["a", "b"]);
    assert.ok(asked.some((url) => url.includes("/history?")));
    // A device begins with the past, and catches up.
    const { items: late } = deviceOf(remote, as);
    await late.importBulk(old.data as (Item & { last_modified: number })[]);
    await late.db.saveLastModified(then);
    await late.sync({});
    assert.deepEqual(
      (await late.list({ order: "title" })).data.map(({ title }) => title),
      ["A", "c"],
    );
    assert.equal((await ask("GET", "/buckets/default/snapshot/collections/items@-1", { as })).status, 400);
  },
);

kintoTest(
  "a client for one's own database and one for another person see what is shared, and nothing else",
  settings,
  async ({ remote, ask }) => {
    await ask("PUT", "/buckets/team", { as, body: { permissions: { read: ["system.Everyone"] } } });
    await ask("PUT", "/buckets/team/collections/items", { as, body: {} });
    await ask("PUT", `/buckets/team/collections/items/records/${randomUUID()}`, {
      as,
      body: { data: { title: "all" } },
    });
    const device = new kinto.default({ remote, bucket: "team", adapterOptions: { dbName: randomUUID() } });
    const items = device.collection<Item>("items");
    assert.equal((await items.sync({ strategy: syncStrategy.PULL_ONLY })).created.length, 1);
    const refused = new kinto.default({ remote, bucket: "private", adapterOptions: { dbName: randomUUID() } });
    await assert.rejects(refused.collection<Item>("items").sync({}), /401/);
    assert.throws(() => device.collection(""), /missing collection name/);
  },
  [anyStorage],
);
