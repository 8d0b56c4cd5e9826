/** kinto.js 17: everything that a collection, its transactions and its database do on the device, and what of it the server gets to see. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { after, before, mock } from "node:test";
import kinto from "kinto";
import { anyStorage } from "../../../../scripts/test-stores.ts";
import { deviceOf, type Item, syncStrategy } from "../support/kinto-js.ts";
import { kintoTest, type Running } from "../support/running.ts";

// The client tells of what it refuses there as well.
before(() => mock.method(console, "error", () => {}));
after(() => mock.restoreAll());

const settings = { includes: "kinto.plugins.default_bucket" };
const as = "alice";
const records = "/buckets/default/collections/items/records";
const Kinto = kinto.default;

const stored = async ({ ask }: Pick<Running, "ask">) =>
  (await ask("GET", `${records}?_sort=title`, { as })).body.data.map(({ title }: Item) => title);

kintoTest(
  "create: ids generated, brought along, refused; records already synchronised are not sent",
  settings,
  async (running) => {
    const { items } = deviceOf(running.remote, as);
    const { data } = await items.create({ title: "a" });
    assert.match(data.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.equal((data as { _status?: string })._status, "created");
    const id = randomUUID();
    await items.create({ id, title: "b" }, { useRecordId: true });
    await assert.rejects(items.create({ id, title: "b" }), /Extraneous Id/);
    await assert.rejects(items.create({ title: "b" }, { useRecordId: true }), /Missing required Id/);
    await assert.rejects(items.create({ id: "not/an/id", title: "b" }, { useRecordId: true }), /Invalid Id/);
    await assert.rejects(items.create({ id, title: "again" }, { useRecordId: true }), /Couldn't create record/);
    await items.create({ id: randomUUID(), title: "theirs", last_modified: 1 }, { synced: true });
    assert.equal((await items.gatherLocalChanges()).length, 2);
    await items.sync({});
    assert.deepEqual(await stored(running), ["a", "b"]);
  },
  [anyStorage],
);

kintoTest(
  "update, upsert and their patches arrive as they are here",
  settings,
  async (running) => {
    const { items } = deviceOf<Item & { n?: number }>(running.remote, as);
    const { id } = (await items.create({ title: "a", n: 1 })).data;
    await items.sync({});
    const patched = await items.update({ id, title: "A" }, { patch: true });
    assert.deepEqual([patched.data.n, patched.oldRecord.title], [1, "a"]);
    await items.sync({});
    const at = async () => (await running.ask("GET", `${records}/${id}`, { as })).body.data;
    assert.deepEqual([(await at()).title, (await at()).n], ["A", 1]);
    await items.update({ id, title: "whole" });
    await items.sync({});
    assert.deepEqual(Object.keys(await at()).sort(), ["id", "last_modified", "title"]);
    const own = { id: randomUUID(), title: "new" };
    assert.equal((await items.upsert(own)).oldRecord, undefined);
    assert.equal((await items.upsert({ ...own, title: "newer" })).oldRecord?.title, "new");
    await items.update({ id, title: "not to be sent" }, { synced: true });
    await items.sync({});
    assert.deepEqual(await stored(running), ["newer", "whole"]);
    await assert.rejects(items.update({ id: randomUUID(), title: "x" }), /not found/);
    await assert.rejects(items.update({ title: "x" } as never), /missing id/);
    await assert.rejects(items.upsert({ title: "x" } as never), /missing id/);
  },
  [anyStorage],
);

kintoTest(
  "get, getAny, list with filters and orders, virtual deletions",
  settings,
  async (running) => {
    const { device, items } = deviceOf<Item & { n?: number; deep?: { colour: string } }>(running.remote, as);
    const ids: string[] = [];
    for (const [n, title] of ["c", "a", "b"].entries())
      ids.push((await items.create({ title, n, deep: { colour: n === 1 ? "red" : "blue" } })).data.id);
    const [c = "", a = "", b = ""] = ids;
    await items.sync({});
    const listed = async (params: object, options?: { includeDeleted: boolean }) =>
      (await items.list(params, options)).data.map(({ title }) => title);
    assert.deepEqual(await listed({ order: "title" }), ["a", "b", "c"]);
    assert.deepEqual(await listed({ order: "-n" }), ["b", "a", "c"]);
    assert.deepEqual(await listed({ filters: { title: "a" } }), ["a"]);
    assert.deepEqual(await listed({ filters: { title: ["a", "b"] }, order: "title" }), ["a", "b"]);
    assert.deepEqual(await listed({ filters: { id: c } }), ["c"]);
    assert.deepEqual(await listed({ filters: { "deep.colour": "red" } }), ["a"]);
    assert.deepEqual(await listed({ filters: { _status: "synced" }, order: "title" }), ["a", "b", "c"]);

    assert.equal((await items.delete(a)).data.title, "a");
    await assert.rejects(items.get(a), /not found/);
    await assert.rejects(items.delete(a), /not found/);
    assert.equal((await items.get(a, { includeDeleted: true })).data.title, "a");
    assert.equal((await items.getAny(a)).data?.title, "a");
    assert.equal((await items.getAny(randomUUID())).data, undefined);
    assert.deepEqual(await listed({ order: "title" }, { includeDeleted: true }), ["a", "b", "c"]);
    assert.equal((await items.deleteAny(b)).deleted, true);
    assert.equal((await items.deleteAny(randomUUID())).deleted, false);
    await items.sync({});
    assert.deepEqual(await stored(running), ["c"]);

    await items.delete(c, { virtual: false });
    await items.sync({});
    assert.deepEqual(await stored(running), ["c"]);
    await items.clear();
    const again = device.collection<Item>("items");
    assert.equal((await again.sync({})).created.length, 1);
    assert.equal((await again.deleteAll()).data.length, 1);
    await again.sync({});
    assert.deepEqual(await stored(running), []);
  },
  [anyStorage],
);

kintoTest(
  "execute: several operations or none, told in one event",
  settings,
  async (running) => {
    const { device, items } = deviceOf(running.remote, as);
    const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
    for (const [id, title] of [
      [a, "a"],
      [b, "b"],
    ] as const)
      await items.create({ id, title }, { useRecordId: true });
    const heard: string[] = [];
    const changes: { readonly targets: readonly { readonly action: string }[] }[] = [];
    for (const name of ["create", "update", "delete", "deleteAll"]) device.events?.on(name, () => heard.push(name));
    device.events?.on("change", (change) => changes.push(change));
    await items.execute(
      (transaction) => {
        transaction.upsert({ id: c, title: "c" });
        transaction.update({ id: a, title: `${transaction.get(a).data.title}!` });
        transaction.upsert({ id: b, title: "B" });
        transaction.delete(a);
        transaction.deleteAny(b);
        assert.equal(transaction.getAny(randomUUID()).data, undefined);
      },
      { preloadIds: [a, b] },
    );
    assert.deepEqual(heard, ["create", "update", "update", "delete", "delete"]);
    assert.deepEqual(
      changes.map(({ targets }) => targets.map(({ action }) => action)),
      [heard],
    );
    await assert.rejects(
      items.execute((transaction) => {
        transaction.create({ id: randomUUID(), title: "taken back" });
        throw new Error("no");
      }),
    );
    await assert.rejects(
      items.execute(() => {}, { preloadIds: ["not/an/id"] }),
      /Invalid Id/,
    );
    await items.sync({});
    assert.deepEqual(await stored(running), ["c"]);
  },
  [anyStorage],
);

kintoTest(
  "importBulk and loadDump: what a server gave before is not asked for again, and own changes win",
  settings,
  async (running) => {
    const { ask, remote } = running;
    for (const title of ["a", "b", "c"])
      await ask("POST", records, { as, body: { data: { id: randomUUID(), title } } });
    const dump: (Item & { last_modified: number })[] = (await ask("GET", `${records}?_sort=title`, { as })).body.data;
    const { items } = deviceOf(remote, as);
    const [first] = dump;
    assert.ok(first);
    await items.create({ id: first.id, title: "mine" }, { useRecordId: true });
    assert.equal((await items.importBulk(dump)).length, 2);
    assert.equal((await items.loadDump(dump)).length, 0);
    assert.equal((await items.gatherLocalChanges()).length, 1);
    await assert.rejects(items.importBulk([{ title: "x" }] as never), /invalid ID/);
    await assert.rejects(items.importBulk([{ id: randomUUID() }] as never), /no last_modified/);
    await assert.rejects(items.importBulk("x" as never), /not an array/);
    await items.sync({ strategy: syncStrategy.CLIENT_WINS });
    assert.deepEqual(await stored(running), ["b", "c", "mine"]);
  },
  [anyStorage],
);

kintoTest(
  "ids of one's own kind, fields that stay here, transformers on the way, hooks on what comes in",
  settings,
  async (running) => {
    const { device } = deviceOf(running.remote, as);
    interface Word {
      readonly id: string;
      readonly text?: string;
      readonly last_modified?: number;
      readonly draft?: string;
    }
    let next = 0;
    const reversed = (text: string | undefined) => [...(text ?? "")].reverse().join("");
    const words = (hooks = {}) =>
      device.collection<Word>("words", {
        idSchema: { generate: () => `word-${next++}`, validate: (id: string) => /^word-\d+$/.test(id) },
        localFields: ["draft"],
        remoteTransformers: [
          {
            encode: (record: Word) =>
              Promise.resolve({ ...record, ...(record.text && { text: reversed(record.text) }) }),
            decode: (record: Word) =>
              Promise.resolve({ ...record, ...(record.text && { text: reversed(record.text) }) }),
          },
        ],
        hooks,
      } as never);
    const one = words();
    await one.create({ text: "abc", draft: "mine" });
    await assert.rejects(one.create({ id: "word", text: "x" }, { useRecordId: true }), /Invalid Id/);
    assert.ok((await one.sync({})).ok);
    const path = "/buckets/default/collections/words/records";
    const { last_modified, ...sent } = (await running.ask("GET", `${path}/word-0`, { as })).body.data;
    assert.deepEqual(sent, { id: "word-0", text: "cba" });
    assert.deepEqual(
      { ...(await one.get("word-0")).data },
      { id: "word-0", text: "abc", last_modified, _status: "synced" },
    );
    await running.ask("PUT", `${path}/word-0`, { as, body: { data: { text: "zyx" } } });
    const seen: unknown[] = [];
    const hooked = words({
      "incoming-changes": [
        (payload: { changes: Word[]; lastModified: number }) => {
          seen.push(...payload.changes.map(({ text }) => text));
          return { ...payload, changes: payload.changes.map((change) => ({ ...change, draft: "added" })) };
        },
      ],
    });
    await hooked.sync({});
    assert.deepEqual(seen, ["xyz"]);
    assert.equal((await hooked.get("word-0")).data.text, "xyz");
    assert.equal((await hooked.get("word-0")).data.draft, "added");
    await hooked.update({ id: "word-0", draft: "only here" }, { patch: true });
    assert.equal((await hooked.sync({})).published.length, 0);
    const refusing = words({ "incoming-changes": [() => ({})] });
    await assert.rejects(refusing.sync({}), /Invalid return value for hook/);
    assert.throws(() => words({ other: [] }), /should be one of/);
  },
  [anyStorage],
);

kintoTest(
  "keys as ids: a store of values by name",
  settings,
  async (running) => {
    const { createKeyValueStoreIdSchema } = createRequire(import.meta.url)("kinto/lib/cjs/collection");
    const { device } = deviceOf(running.remote, as);
    const values = device.collection<Item>("items", { idSchema: createKeyValueStoreIdSchema() });
    await values.create({ id: "theme", title: "dark" }, { useRecordId: true });
    await values.upsert({ id: "-not-for-servers", title: "x" });
    const result = await values.sync({});
    assert.deepEqual(
      result.published.map(({ id }) => id),
      ["theme"],
    );
    assert.equal(result.errors.length, 1);
    assert.deepEqual(await stored(running), ["dark"]);
  },
  [anyStorage],
);

kintoTest(
  "the database: closed and opened again it goes on where it was; another client of the same one sees the same",
  settings,
  async (running) => {
    const dbName = randomUUID();
    const first = deviceOf(running.remote, as, { adapterOptions: { dbName } }).items;
    const { id } = (await first.create({ title: "a" })).data;
    await first.sync({});
    const db = first.db as InstanceType<(typeof Kinto)["adapters"]["IDB"]>;
    const seen = await db.getLastModified();
    assert.equal(seen, first.lastModified);
    assert.equal(((await db.get(id)) as Item | null)?.title, "a");
    assert.equal((await db.list({ filters: {} })).length, 1);
    assert.equal(((await db.getMetadata()) as Item).id, "items");
    await db.close();

    const second = deviceOf(running.remote, as, { adapterOptions: { dbName } }).items;
    assert.equal((await second.get(id)).data.title, "a");
    const requests: string[] = [];
    const fetch = globalThis.fetch;
    globalThis.fetch = (url, init) => {
      requests.push(String(url));
      return fetch(url, init);
    };
    try {
      await deviceOf(running.remote, as, { adapterOptions: { dbName } }).items.sync({});
    } finally {
      globalThis.fetch = fetch;
    }
    assert.ok(
      requests.some((url) => url.includes(`_since=${seen}`)),
      requests.join(" "),
    );
    const own = second.db as typeof db;
    assert.equal(await own.saveLastModified(seen === null ? 1 : seen + 1), (seen ?? 0) + 1);
    await own.saveMetadata({ id: "items", colour: "red" });
    assert.equal(((await second.metadata()) as { colour?: string }).colour, "red");
    await own.importBulk([{ id: randomUUID(), title: "b", last_modified: 5 } as never]);
    await own.loadDump([{ id: randomUUID(), title: "c", last_modified: 6 } as never]);
    await own.execute((transaction) => transaction.create({ id: randomUUID(), title: "d" } as never));
    assert.equal((await second.list()).data.length, 4);
    await own.clear();
    assert.equal((await second.list()).data.length, 0);
    await own.open();
    await own.close();
  },
  [anyStorage],
);

kintoTest(
  "an adapter of one's own: the one in memory that the client comes with",
  settings,
  async (running) => {
    const { default: Memory } = createRequire(import.meta.url)("kinto/lib/cjs/adapters/memory");
    const { items } = deviceOf(running.remote, as, { adapter: () => new Memory() });
    const { id } = (await items.create({ title: "a" })).data;
    assert.ok((await items.sync({})).ok);
    await items.update({ id, title: "b" }, { patch: true });
    assert.ok((await items.sync({})).ok);
    assert.deepEqual(await stored(running), ["b"]);
    assert.throws(() => deviceOf(running.remote, as, { adapter: () => ({}) }), /Unsupported adapter/);
    assert.ok(Kinto.adapters.BaseAdapter && Kinto.adapters.IDB);
  },
  [anyStorage],
);
