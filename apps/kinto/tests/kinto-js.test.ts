/** The public client `kinto` 17, which works without a connection, as it is: devices that synchronise through the running application. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { deviceOf, type Item, syncStrategy } from "./support/kinto-js.ts";
import { kintoTest } from "./support/running.ts";

const settings = { includes: "kinto.plugins.default_bucket kinto.plugins.flush kinto.plugins.history" };
const as = "alice";
type Items = ReturnType<typeof deviceOf>["items"];

const titles = async (items: Items) => (await items.list({ order: "title" })).data.map(({ title }) => title);
const sync = (items: Items, strategy = syncStrategy.MANUAL) => items.sync({ strategy } as never);

kintoTest(
  "what one device writes while it is away, another has after both have synchronised",
  settings,
  async ({ remote }) => {
    const [one, two] = [deviceOf(remote, as).items, deviceOf(remote, as).items];
    const { data: first } = await one.create({ title: "a" });
    await one.create({ title: "b" });
    const pushed = await sync(one);
    assert.ok(pushed.ok);
    assert.equal(pushed.published.length, 2);
    const pulled = await sync(two);
    assert.equal(pulled.created.length, 2);
    assert.deepEqual(await titles(two), ["a", "b"]);

    await one.update({ ...first, title: "A" } as Item);
    await two.create({ title: "c" });
    await sync(one);
    await sync(two);
    await sync(one);
    for (const items of [one, two]) assert.deepEqual(await titles(items), ["A", "b", "c"]);

    await two.delete(first.id);
    await sync(two);
    const gone = await sync(one);
    assert.equal(gone.deleted.length, 1);
    assert.deepEqual(await titles(one), ["b", "c"]);
    const idle = await sync(one);
    assert.deepEqual([idle.ok, idle.created.length, idle.updated.length, idle.published.length], [true, 0, 0, 0]);
  },
);

kintoTest(
  "more changes than a batch holds, and more than a page, are all there",
  { ...settings, paginate_by: 20 },
  async ({ remote }) => {
    const [one, two] = [deviceOf(remote, as).items, deviceOf(remote, as).items];
    for (let n = 0; n < 70; n++) await one.create({ title: `t${n}` });
    const pushed = await sync(one);
    assert.ok(pushed.ok, JSON.stringify(pushed.errors));
    assert.equal(pushed.published.length, 70);
    await sync(two);
    assert.equal((await titles(two)).length, 70);
  },
);

for (const [strategy, expected] of [
  ["SERVER_WINS", { one: "from one", two: "from one" }],
  ["CLIENT_WINS", { one: "from one", two: "from two" }],
] as const)
  kintoTest(`devices that changed the same item: ${strategy}`, settings, async ({ remote, ask }) => {
    const [one, two] = [deviceOf(remote, as).items, deviceOf(remote, as).items];
    const { data: item } = await one.create({ title: "at first" });
    await sync(one);
    await sync(two);
    await one.update({ ...item, title: "from one" } as Item);
    await two.update({ ...(await two.get(item.id)).data, title: "from two" } as Item);
    await sync(one);
    const result = await sync(two, syncStrategy[strategy]);
    assert.ok(result.ok, JSON.stringify(result.conflicts));
    assert.equal(result.resolved.length, 1);
    assert.equal((await two.get(item.id)).data.title, expected.two);
    const stored = await ask("GET", `/buckets/default/collections/items/records/${item.id}`, { as });
    assert.equal(stored.body.data.title, expected.two);
    await sync(one, syncStrategy.SERVER_WINS);
    assert.equal((await one.get(item.id)).data.title, expected.two);
  });

kintoTest("devices that changed the same item: MANUAL, resolved by hand", settings, async ({ remote }) => {
  const [one, two] = [deviceOf(remote, as).items, deviceOf(remote, as).items];
  const { data: item } = await one.create({ title: "at first" });
  await sync(one);
  await sync(two);
  await one.update({ ...item, title: "from one" } as Item);
  await two.update({ ...(await two.get(item.id)).data, title: "from two" } as Item);
  await sync(one);
  const result = await sync(two);
  assert.equal(result.ok, false);
  const [conflict] = result.conflicts;
  assert.ok(conflict);
  assert.equal(conflict.type, "incoming");
  await two.resolve(conflict, { ...conflict.local, title: "of both" });
  assert.ok((await sync(two)).ok);
  await sync(one);
  for (const items of [one, two]) assert.deepEqual(await titles(items), ["of both"]);
});

kintoTest(
  "an item deleted here and changed there: each strategy ends with the same on both devices",
  settings,
  async ({ remote }) => {
    for (const strategy of ["SERVER_WINS", "CLIENT_WINS"] as const) {
      const [one, two] = [deviceOf(remote, strategy).items, deviceOf(remote, strategy).items];
      const { data: item } = await one.create({ title: "at first" });
      await sync(one);
      await sync(two);
      await one.update({ ...item, title: "changed" } as Item);
      await two.delete(item.id);
      await sync(one);
      const result = await sync(two, syncStrategy[strategy]);
      assert.ok(result.ok, strategy);
      await sync(one, syncStrategy.SERVER_WINS);
      // With CLIENT_WINS the client pushes an empty item in place of the one it deleted, and an empty PUT keeps the data.
      assert.deepEqual(await titles(one), ["changed"], strategy);
      assert.deepEqual(await titles(two), await titles(one), strategy);
    }
  },
);

kintoTest("PULL_ONLY brings everything and sends nothing", settings, async ({ remote }) => {
  const [one, two] = [deviceOf(remote, as).items, deviceOf(remote, as).items];
  await one.create({ title: "a" });
  await sync(one);
  await two.create({ title: "kept here" });
  await sync(two, syncStrategy.PULL_ONLY);
  assert.ok((await titles(two)).includes("a"));
  await sync(one);
  assert.deepEqual(await titles(one), ["a"]);
});

kintoTest("a client notices that everything was flushed, and begins again", settings, async ({ remote, ask }) => {
  const { items } = deviceOf(remote, as);
  await items.create({ title: "a" });
  await sync(items);
  await ask("POST", "/__flush__");
  await assert.rejects(sync(items), /flushed/);
  await items.resetSyncStatus();
  const result = await sync(items);
  assert.equal(result.published.length, 1);
});

kintoTest(
  "trap: a collection deleted and made anew does not look like a flush to who has its records",
  settings,
  async ({ remote, ask }) => {
    const { items } = deviceOf(remote, as);
    await items.create({ title: "a" });
    await sync(items);
    const before = await ask("GET", "/buckets/default/collections/items/records", { as });
    assert.equal((await ask("DELETE", "/buckets/default/collections/items/records", { as })).status, 200);
    const result = await sync(items);
    assert.equal(result.deleted.length, 1);
    const after = await ask("GET", "/buckets/default/collections/items/records", { as });
    assert.ok(Number(after.headers.get("etag")?.slice(1, -1)) > Number(before.headers.get("etag")?.slice(1, -1)));
  },
);

kintoTest(
  "a client told to back off does so, and a client of another bucket and collection sees what is shared",
  { ...settings, backoff: 30 },
  async ({ remote, ask }) => {
    const { device, items } = deviceOf(remote, as);
    await items.create({ title: "a" });
    await sync(items);
    assert.ok(device.api.backoff > 20_000);
    await assert.rejects(sync(items), /back off/);
    assert.ok((await items.sync({ strategy: syncStrategy.MANUAL, ignoreBackoff: true } as never)).ok);

    await ask("PUT", "/buckets/shared", { as, body: { permissions: { read: ["system.Everyone"] } } });
    await ask("PUT", "/buckets/shared/collections/items", { as, body: { data: { title: "metadata" } } });
    const id = randomUUID();
    await ask("PUT", `/buckets/shared/collections/items/records/${id}`, { as, body: { data: { title: "seen" } } });
    const { items: others } = deviceOf(remote, "bob", { bucket: "shared" });
    await others.sync({ strategy: syncStrategy.PULL_ONLY } as never);
    assert.deepEqual(await titles(others), ["seen"]);
    assert.equal(((await others.metadata()) as { title?: string }).title, "metadata");
  },
);

kintoTest("what the server refuses is told as an error, and stays to be sent", settings, async ({ remote, ask }) => {
  await ask("PUT", "/buckets/shared", { as, body: { permissions: { read: ["system.Authenticated"] } } });
  await ask("PUT", "/buckets/shared/collections/items", { as, body: {} });
  const { items } = deviceOf(remote, "bob", { bucket: "shared" });
  const { data } = await items.create({ title: "not allowed" });
  const refused = await sync(items);
  assert.deepEqual([refused.ok, refused.errors.length, refused.published.length], [false, 1, 0]);
  await ask("PATCH", "/buckets/shared", { as, body: { permissions: { write: ["system.Authenticated"] } } });
  const accepted = await sync(items);
  assert.deepEqual([accepted.ok, accepted.published.length], [true, 1]);
  assert.equal(
    (await ask("GET", `/buckets/shared/collections/items/records/${data.id}`, { as })).body.data.title,
    "not allowed",
  );
});
