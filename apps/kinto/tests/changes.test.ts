/** The feed of changes: one public list of which collections changed when, and collections in one answer. */
import assert from "node:assert/strict";
import { manualClock, silentLogger, systemClock } from "rouage";
import { openStorage } from "rouage/storage";
import { anyStorage, testStore } from "../../../scripts/test-stores.ts";
import { kintoTest, type Running, withKinto } from "./support/running.ts";

const settings = {
  includes: "kinto_changes kinto.plugins.flush",
  "changes.resources": "/buckets/main /buckets/blog/collections/posts",
  http_host: "api.test",
};
const as = "alice";
const list = "/buckets/monitor/collections/changes/records";
const changeset = (bucket: string, collection: string) => `/buckets/${bucket}/collections/${collection}/changeset`;

async function filled({ ask }: Pick<Running, "ask">, collections = ["main/a", "main/b", "blog/posts", "blog/other"]) {
  for (const each of collections) {
    const [bucket, collection] = each.split("/");
    await ask("PUT", `/buckets/${bucket}`, { as, body: { permissions: { read: ["system.Everyone"] } } });
    await ask("PUT", `/buckets/${bucket}/collections/${collection}`, { as, body: { data: { of: each } } });
    const one = `/buckets/${bucket}/collections/${collection}/records/one`;
    const { data } = (await ask("PUT", one, { as, body: { data: { n: 1 } } })).body;
    // Lists have revisions of their own: two of them may have the same.
    while (Date.now() <= data.last_modified);
  }
}

const revision = ({ headers }: { readonly headers: Headers }) => Number((headers.get("etag") ?? "").slice(1, -1));
const etagOf = async ({ ask }: Pick<Running, "ask">, bucket: string, collection: string) =>
  revision(await ask("GET", `/buckets/${bucket}/collections/${collection}/records`, { as }));
type Entry = { readonly bucket: string; readonly collection: string; readonly last_modified: number };
const names = (entries: readonly Entry[]) => entries.map(({ bucket, collection }) => `${bucket}/${collection}`);

kintoTest(
  "the list names each monitored collection with the revision of its records, to everybody",
  settings,
  async (running) => {
    const { ask } = running;
    assert.deepEqual((await ask("GET", list)).body.data, []);
    await filled(running);
    const { status, body, headers } = await ask("GET", list);
    assert.equal(status, 200);
    assert.deepEqual(names(body.data), ["blog/posts", "main/b", "main/a"]);
    for (const { bucket, collection, last_modified, host } of body.data) {
      assert.equal(last_modified, await etagOf(running, bucket, collection));
      assert.equal(host, "api.test");
    }
    // The id that Kinto gives the same place.
    assert.equal(body.data[2].id, "413ce245-3eb8-2b12-a399-579c1027de96");
    assert.equal(headers.get("etag"), `"${body.data[0].last_modified}"`);
    assert.equal((await ask("HEAD", list)).headers.get("total-records"), "3");
    const { capabilities } = (await ask("GET", "/")).body;
    assert.deepEqual(capabilities.changes.collections, ["/buckets/main", "/buckets/blog/collections/posts"]);
    assert.equal((await ask("POST", list, { as, body: { data: {} } })).status, 403);
  },
);

kintoTest(
  "every acknowledged write is in the next answer: records, collections that come and go, a flush",
  settings,
  async (running) => {
    const { ask } = running;
    await filled(running);
    const all = async () => names((await ask("GET", list)).body.data);
    await ask("PUT", "/buckets/main/collections/a/records/two", { as, body: { data: {} } });
    assert.deepEqual(await all(), ["main/a", "blog/posts", "main/b"]);
    const before = revision(await ask("GET", list));
    while (Date.now() <= before);
    await ask("DELETE", "/buckets/main/collections/b/records/one", { as });
    assert.deepEqual(await all(), ["main/b", "main/a", "blog/posts"]);
    assert.ok(revision(await ask("GET", list)) > before);
    await ask("PUT", "/buckets/main/collections/new", { as, body: {} });
    assert.deepEqual((await all()).sort(), ["blog/posts", "main/a", "main/b", "main/new"]);
    await ask("DELETE", "/buckets/main/collections/new", { as });
    await ask("DELETE", "/buckets/blog", { as });
    assert.deepEqual(await all(), ["main/b", "main/a"]);
    await ask("PUT", "/buckets/other", { as, body: {} });
    const still = await ask("GET", list);
    assert.equal(revision(still), revision(await ask("GET", list)), "what is not monitored changes nothing");
    await ask("POST", "/__flush__");
    assert.deepEqual(await all(), []);
    await filled(running, ["main/a"]);
    assert.deepEqual(await all(), ["main/a"]);
  },
);

kintoTest("many writes at once, and many readers: nobody misses what was acknowledged", settings, async (running) => {
  const { ask } = running;
  await filled(running, ["main/a", "main/b"]);
  await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      const collection = n % 2 === 0 ? "a" : "b";
      const made = await ask("POST", `/buckets/main/collections/${collection}/records`, { as, body: { data: { n } } });
      const { data } = (await ask("GET", list)).body;
      const entry = data.find((each: Entry) => each.collection === collection);
      assert.ok(entry.last_modified >= made.body.data.last_modified);
    }),
  );
});

kintoTest(
  "_since, filters, order and pages are those of lists; known lists are empty and not 304",
  settings,
  async (running) => {
    const { ask } = running;
    await filled(running);
    const { data } = (await ask("GET", list)).body;
    const [newest, middle, oldest] = data;
    assert.deepEqual(names((await ask("GET", `${list}?_since=${middle.last_modified}`)).body.data), ["blog/posts"]);
    assert.deepEqual(names((await ask("GET", `${list}?bucket=main&_sort=last_modified`)).body.data), [
      "main/a",
      "main/b",
    ]);
    assert.equal((await ask("GET", `${list}?unknown=1`)).status, 400);
    const page = await ask("GET", `${list}?_limit=2`);
    assert.deepEqual(names(page.body.data), names([newest, middle]));
    const next = new URL(page.headers.get("next-page") ?? "");
    assert.deepEqual(names((await ask("GET", next.pathname.slice(3) + next.search)).body.data), names([oldest]));
    const known = await ask("GET", list, { headers: { "if-none-match": page.headers.get("etag") ?? "" } });
    assert.deepEqual([known.status, known.body.data], [200, []]);
    assert.equal(known.headers.get("etag"), page.headers.get("etag"));
  },
);

kintoTest("who knows more than is expected is told that there is nothing: 204", settings, async (running) => {
  const { ask } = running;
  await filled(running);
  const now = revision(await ask("GET", list));
  for (const path of [list, changeset("monitor", "changes")]) {
    assert.equal((await ask("GET", `${path}?_since="${now}"&_expected="${now - 1}"`)).status, 204, path);
    assert.equal((await ask("GET", `${path}?_since="${now}"&_expected="${now}"`)).status, 200, path);
    assert.equal((await ask("GET", `${path}?_since="${now}"&_expected=0`)).status, 200, path);
  }
});

kintoTest(
  "who was away for longer than changes.since_max_age_days is sent to the whole list, which may be kept",
  {
    ...settings,
    "changes.since_max_age_days": 2,
    "changes.http_host": "cdn.test",
    "changes.since_max_age_redirect_ttl_seconds": 60,
  },
  async (running) => {
    const { ask } = running;
    await filled(running);
    const old = Date.now() - 3 * 86_400_000;
    for (const path of [list, changeset("monitor", "changes")]) {
      const { status, headers } = await ask("GET", `${path}?_since="${old}"&_expected="7"`, { headers: {} });
      assert.equal(status, 307);
      assert.equal(headers.get("location"), `https://cdn.test/v1${path}?_expected=%227%22`);
      assert.equal(headers.get("cache-control"), "max-age=60");
    }
    assert.equal((await ask("GET", `${list}?_since=${Date.now() - 86_400_000}`)).body.data.length, 3);
  },
);

kintoTest(
  "a negative age sends nobody away; without changes.http_host the list is where it was asked for",
  { ...settings, http_host: "", "changes.since_max_age_days": -1 },
  async (running) => {
    await filled(running);
    assert.equal((await running.ask("GET", `${list}?_since=1`)).body.data.length, 3);
    await withKinto(anyStorage, { ...settings, http_host: "" }, async ({ ask }) => {
      const { status, headers } = await ask("GET", `${list}?_since=1`);
      assert.deepEqual([status, headers.get("location")], [307, `http://kinto.test/v1${list}`]);
    });
  },
  [anyStorage],
);

kintoTest(
  "a changeset: what a collection says of itself, its revision, its records, and what became of them since",
  { ...settings, paginate_by: 1 },
  async (running) => {
    const { ask } = running;
    await filled(running);
    const path = changeset("blog", "other");
    await ask("PUT", "/buckets/blog/collections/other/records/two", { as, body: { data: { n: 2 } } });
    const whole = await ask("GET", `${path}?_expected=0`);
    const stored = (await ask("GET", "/buckets/blog/collections/other")).body.data;
    const etag = await etagOf(running, "blog", "other");
    assert.deepEqual(whole.body.metadata, { ...stored, bucket: "blog" });
    assert.equal(whole.body.timestamp, etag);
    assert.deepEqual(
      whole.body.changes.map(({ id, n }: { id: string; n: number }) => [id, n]),
      [
        ["two", 2],
        ["one", 1],
      ],
    );
    assert.equal(whole.headers.get("last-modified"), new Date(etag).toUTCString());
    await ask("DELETE", "/buckets/blog/collections/other/records/one", { as });
    const since = await ask("GET", `${path}?_expected=x&_since="${etag}"`);
    assert.deepEqual(since.body.changes, [{ id: "one", last_modified: since.body.timestamp, deleted: true }]);
    assert.equal((await ask("GET", `${path}?_expected=x&_limit=1`)).body.changes.length, 1);
    assert.equal((await ask("GET", `${path}?_expected=x&_limit=0`)).body.changes.length, 0);
    assert.deepEqual((await ask("GET", `${path}?_expected=x&_since="${since.body.timestamp}"`)).body.changes, []);
  },
);

kintoTest(
  "a changeset since before deletions that are forgotten is the whole collection",
  settings,
  async (running) => {
    const { ask, kinto } = running;
    await filled(running, ["main/a"]);
    await ask("PUT", "/buckets/main/collections/a/records/two", { as, body: { data: {} } });
    const seen = await etagOf(running, "main", "a");
    await ask("DELETE", "/buckets/main/collections/a/records/two", { as });
    const records = { resource: "record", parent: "bucket/main/collection/a" };
    await kinto.storage.purgeTombstones(records, (await kinto.storage.timestamp(records)) + 1);
    const { body } = await ask("GET", `${changeset("main", "a")}?_expected=0&_since="${seen}"`);
    assert.deepEqual(
      body.changes.map(({ id }: { id: string }) => id),
      ["one"],
    );
  },
);

kintoTest("a changeset is for who may read all of the collection", settings, async (running) => {
  const { ask } = running;
  await filled(running, ["main/a"]);
  await ask("PUT", "/buckets/private", { as, body: {} });
  await ask("PUT", "/buckets/private/collections/c", {
    as,
    body: { permissions: { "record:create": ["system.Authenticated"] } },
  });
  await ask("PUT", "/buckets/private/collections/c/records/r", {
    as,
    body: { permissions: { read: ["system.Everyone"] } },
  });
  const path = `${changeset("private", "c")}?_expected=0`;
  assert.equal((await ask("GET", path)).status, 401);
  assert.equal((await ask("GET", path, { as: "bob" })).status, 403);
  assert.equal((await ask("GET", path, { as })).body.changes.length, 1);
  assert.equal((await ask("GET", `${changeset("private", "none")}?_expected=0`, { as })).status, 404);
  assert.equal((await ask("GET", `${changeset("none", "none")}?_expected=0`, { as })).status, 403);
});

kintoTest("what is missing or is no revision is a 400", settings, async (running) => {
  const { ask } = running;
  await filled(running, ["main/a"]);
  for (const [query, name] of [
    ["", "_expected"],
    ["?_expected=0&_since=abc", "_since"],
    ["?_expected=0&_limit=-1", "_limit"],
  ]) {
    const { status, body } = await ask("GET", `${changeset("main", "a")}${query}`);
    assert.equal(status, 400);
    assert.deepEqual([body.details[0].location, body.details[0].name], ["querystring", name]);
  }
  assert.equal((await ask("GET", `${list}?_since=abc`)).status, 400);
});

kintoTest("the changeset of the list: its own filters", settings, async (running) => {
  const { ask } = running;
  await filled(running);
  const path = `${changeset("monitor", "changes")}?_expected=0`;
  const { body } = await ask("GET", path);
  assert.deepEqual(body.metadata, { bucket: "monitor" });
  assert.equal(body.timestamp, body.changes[0].last_modified);
  assert.deepEqual(names(body.changes), ["blog/posts", "main/b", "main/a"]);
  assert.deepEqual(names((await ask("GET", `${path}&bucket=main&collection=a`)).body.changes), ["main/a"]);
  assert.deepEqual((await ask("GET", `${path}&_since="${body.timestamp}"`)).body.changes, []);
  assert.equal((await ask("GET", `${path}&_limit=2`)).body.changes.length, 2);
});

kintoTest(
  "answers may be kept for as long as the settings say, longer where a revision is expected",
  {
    ...settings,
    "monitor.changes.record_cache_expires_seconds": 30,
    "monitor.changes.record_cache_maximum_expires_seconds": 3600,
    "main.record_cache_expires_seconds": 5,
  },
  async (running) => {
    const { ask } = running;
    await filled(running);
    const age = async (path: string, who?: string) =>
      (await ask("GET", path, { as: who })).headers.get("cache-control");
    assert.equal(await age(list), "max-age=30");
    assert.equal(await age(`${list}?_expected="1"`), "max-age=3600");
    assert.equal(await age(`${changeset("monitor", "changes")}?_expected="1"`), "max-age=3600");
    assert.equal(await age(`${changeset("main", "a")}?_expected="1"`), "max-age=5");
    assert.equal(await age(`${changeset("main", "a")}?_expected="1"`, as), "no-cache, no-store");
    assert.equal(await age(`${changeset("blog", "other")}?_expected="1"`), "no-cache, no-store");
  },
  [anyStorage],
);

kintoTest(
  "broadcasts show the revision of the list, and no other before a while is over",
  settings,
  async () => {
    const clock = manualClock(systemClock.now());
    await using store = await testStore(anyStorage, "");
    await using storage = await openStorage(store.url, { clock, name: "kinto" });
    await withKinto(
      anyStorage,
      { ...settings, "changes.broadcast_debounce_seconds": 60 },
      async (running) => {
        const { ask } = running;
        await filled(running);
        const version = async () => {
          const { body } = await ask("GET", "/__broadcasts__");
          assert.equal(body.code, 200);
          return body.broadcasts["remote-settings/monitor_changes"];
        };
        const first = await version();
        assert.equal(first, `"${revision(await ask("GET", list))}"`);
        await clock.advance(10_000);
        await ask("PUT", "/buckets/main/collections/a/records/two", { as, body: { data: {} } });
        assert.equal(await version(), first);
        await clock.advance(51_000);
        assert.equal(await version(), `"${revision(await ask("GET", list))}"`);
      },
      { clock, storage, log: silentLogger },
    );
  },
  [anyStorage],
);

kintoTest("a server that only reads shows what is there", settings, async (running) => {
  await filled(running, ["main/a"]);
  await running.ask("PUT", "/buckets/main/collections/empty", { as, body: {} });
  await withKinto(
    anyStorage,
    { ...settings, readonly: true },
    async ({ ask }) => {
      const { data } = (await ask("GET", list)).body;
      assert.deepEqual(names(data).sort(), ["main/a", "main/empty"]);
      assert.deepEqual((await ask("GET", list)).body.data, data);
    },
    { storage: running.kinto.storage },
  );
});
