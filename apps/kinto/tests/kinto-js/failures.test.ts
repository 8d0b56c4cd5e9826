/** kinto.js 17 when things go wrong: servers flushed, collections made again, deletions forgotten, errors in the middle, waiting, the end. Nothing is lost. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import { ServiceError, systemClock } from "rouage";
import { openStorage, type Storage } from "rouage/storage";
import { anyStorage, testStore } from "../../../../scripts/test-stores.ts";
import { deviceOf, type Item, syncStrategy } from "../support/kinto-js.ts";
import { kintoTest, type Running, withKinto } from "../support/running.ts";

const settings = { includes: "kinto.plugins.default_bucket kinto.plugins.flush" };
const as = "alice";
const records = "/buckets/default/collections/items/records";
type Items = ReturnType<typeof deviceOf>["items"];

const sync = (items: Items, strategy = syncStrategy.MANUAL) => items.sync({ strategy });
const titles = async (items: Items) => (await items.list({ order: "title" })).data.map(({ title }) => title);
const stored = async ({ ask }: Pick<Running, "ask">) =>
  (await ask("GET", `${records}?_sort=title`, { as })).body.data.map(({ title }: Item) => title);

async function filled(items: Items, names: readonly string[]): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const title of names) ids.push((await items.create({ title })).data.id);
  assert.ok((await sync(items)).ok);
  return ids;
}

/** The last commit's tombstones and those before it are forgotten, as retention would in time. */
async function forget({ kinto }: Pick<Running, "kinto">): Promise<void> {
  for await (const { resource, parent, revision } of kinto.storage.lists())
    if (resource === "record") await kinto.storage.purgeTombstones({ resource, parent }, revision + 1);
}

kintoTest("a flushed server is noticed, and gets everything again", settings, async (running) => {
  const [one, two] = [deviceOf(running.remote, as).items, deviceOf(running.remote, as).items];
  await filled(one, ["a", "b"]);
  await sync(two);
  await two.create({ title: "not sent" });
  await running.ask("POST", "/__flush__");
  await assert.rejects(sync(one), { message: /^Server has been flushed/ });
  assert.equal(await one.resetSyncStatus(), 2);
  assert.ok((await sync(one)).ok);
  // For the second one there is something again.
  assert.equal((await sync(two)).published.length, 1);
  assert.deepEqual(await stored(running), ["a", "b", "not sent"]);
  await sync(one);
  for (const items of [one, two]) assert.deepEqual(await titles(items), ["a", "b", "not sent"]);
});

for (const what of ["bucket", "collection"] as const)
  kintoTest(`a ${what} deleted and made again is noticed as a flush is`, settings, async (running) => {
    const { items } = deviceOf(running.remote, as);
    const [id = ""] = await filled(items, ["a", "b"]);
    await items.delete(id);
    await sync(items);
    const path = what === "bucket" ? "/buckets/default" : "/buckets/default/collections/items";
    assert.equal((await running.ask("DELETE", path, { as })).status, 200);
    await assert.rejects(sync(items), { message: /^Server has been flushed/ });
    assert.equal(await items.resetSyncStatus(), 1);
    assert.equal((await sync(items)).published.length, 1);
    assert.deepEqual(await stored(running), ["b"]);
  });

kintoTest("a collection that others filled again comes in", settings, async (running) => {
  const [one, two] = [deviceOf(running.remote, as).items, deviceOf(running.remote, as).items];
  const [id = ""] = await filled(one, ["a", "b"]);
  await one.delete(id);
  await sync(one);
  await running.ask("DELETE", "/buckets/default/collections/items", { as });
  await filled(two, ["c"]);
  const result = await sync(one);
  assert.ok(result.ok);
  assert.deepEqual(
    result.created.map(({ title }) => title),
    ["c"],
  );
  assert.deepEqual(await titles(one), ["b", "c"]);
});

kintoTest(
  "a device that was away for longer than deletions are remembered goes on, and sends what it has",
  settings,
  async (running) => {
    const [one, two] = [deviceOf(running.remote, as).items, deviceOf(running.remote, as).items];
    const [a = "", b = "", c = "", d = ""] = await filled(one, ["a", "b", "c", "d"]);
    await sync(two);
    for (const id of [a, b, c]) await one.delete(id);
    await one.update({ id: d, title: "D" }, { patch: true });
    await one.create({ title: "e" });
    await sync(one);
    await forget(running);

    await two.create({ title: "made while away" });
    await two.delete(b);
    await two.update({ id: c, title: "changed while away" }, { patch: true });
    const result = await sync(two);
    assert.deepEqual(
      result.updated.map((change) => (change as unknown as { new: Item }).new.title),
      ["D"],
    );
    assert.deepEqual(
      result.created.map(({ title }) => title),
      ["e"],
    );
    // Deleted here too: nothing to do. Changed here, deleted there: a conflict like any other.
    assert.deepEqual(
      result.conflicts.map(({ local, remote }) => [local.title, remote]),
      [["changed while away", null]],
    );
    assert.ok((await sync(two, syncStrategy.CLIENT_WINS)).ok);
    assert.deepEqual(await stored(running), ["D", "changed while away", "e", "made while away"]);
    // What it has not heard of stays here alone, until it is touched.
    assert.deepEqual(await titles(two), ["D", "a", "changed while away", "e", "made while away"]);
    assert.ok((await sync(two)).ok);
    await two.delete(a);
    assert.ok((await sync(two)).ok);
    await sync(one);
    assert.deepEqual(await titles(two), await titles(one));
  },
);

/** A storage that refuses writes when it is told to. */
async function fragile(): Promise<
  { readonly storage: Storage; fail: (afterCommits: number | undefined) => void } & AsyncDisposable
> {
  const store = await testStore(anyStorage, "");
  const inner = await openStorage(store.url, { clock: systemClock, name: "kinto" });
  let left: number | undefined;
  const assertUsable = () => {
    if (left === undefined) return;
    if (left <= 0) throw new ServiceError("unavailable");
    left -= 1;
  };
  const storage = new Proxy(inner, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target);
      if (name !== "commit") return method;
      return async (...args: readonly unknown[]) => {
        assertUsable();
        return method(...args);
      };
    },
  });
  const fail = (afterCommits: number | undefined) => {
    left = afterCommits;
  };
  return {
    storage,
    fail,
    async [Symbol.asyncDispose]() {
      await inner.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

kintoTest(
  "a server that fails in the middle of many batches: what it said it has is published, the rest follows, nothing twice",
  {},
  async () => {
    await using broken = await fragile();
    const { storage, fail } = broken;
    const own = { ...settings, batch_max_requests: 5 };
    await withKinto(
      anyStorage,
      own,
      async (running) => {
        const { items } = deviceOf(running.remote, as);
        await filled(items, ["first"]);
        for (let n = 0; n < 23; n++) await items.create({ title: `t${String(n).padStart(2, "0")}` });
        for (const commits of [0, 3, 12]) {
          fail(commits);
          await assert.rejects(sync(items), /503/);
        }
        fail(undefined);
        const result = await sync(items, syncStrategy.CLIENT_WINS);
        assert.ok(result.ok, JSON.stringify(result.errors));
        assert.deepEqual((await items.gatherLocalChanges()).length, 0);
        assert.equal((await stored(running)).length, 24);
        assert.deepEqual(await stored(running), await titles(items));
        const other = deviceOf(running.remote, as).items;
        await sync(other);
        assert.deepEqual(await titles(other), await titles(items));
      },
      { storage },
    );
  },
  [anyStorage],
);

kintoTest(
  "a server that is not there at all: the changes stay for the next time",
  settings,
  async (running) => {
    const { items } = deviceOf(running.remote, as);
    await filled(items, ["a"]);
    await items.create({ title: "b" });
    await assert.rejects(items.sync({ remote: "http://127.0.0.1:1/v1" }));
    assert.deepEqual(await titles(items), ["a", "b"]);
    assert.equal((await sync(items)).published.length, 1);
    assert.deepEqual(await stored(running), ["a", "b"]);
  },
  [anyStorage],
);

kintoTest(
  "a server that asks to come back: the client does, once",
  { ...settings },
  async () => {
    await using broken = await fragile();
    const { storage, fail } = broken;
    const own = { ...settings, retry_after_seconds: 7 };
    await withKinto(
      anyStorage,
      own,
      async ({ remote }) => {
        const { device, items } = deviceOf(remote, as);
        await filled(items, ["a"]);
        await items.create({ title: "b" });
        fail(0);
        const heard: number[] = [];
        device.events?.on("retry-after", (at: number) => {
          heard.push(at - Date.now());
          fail(undefined);
        });
        // The wait itself is the client's.
        const wait = globalThis.setTimeout;
        const sooner = (work: () => void, ms?: number) => wait(work, ms === 7000 ? 0 : ms);
        const replaced = mock.method(globalThis, "setTimeout", sooner as typeof setTimeout);
        const result = await items.sync({ retry: 1 }).finally(() => replaced.mock.restore());
        assert.ok(result.ok);
        assert.equal(result.published.length, 1);
        assert.equal(heard.length, 1);
        assert.ok(
          heard.every((ms) => ms > 6000 && ms <= 7000),
          String(heard),
        );
      },
      { storage },
    );
  },
  [anyStorage],
);

kintoTest(
  "a client asked to back off waits, and comes when it is told to ignore it",
  { ...settings, backoff: 60 },
  async ({ remote }) => {
    const { device, items } = deviceOf(remote, as);
    const backoffs: number[] = [];
    device.events?.on("backoff", (until: number) => backoffs.push(until));
    await filled(items, ["a"]);
    assert.ok(backoffs.length > 0 && backoffs.every((until) => until > Date.now() + 50_000));
    await assert.rejects(sync(items), /back off; retry in \d+s/);
    assert.ok((await items.sync({ ignoreBackoff: true })).ok);
  },
);

kintoTest(
  "the end of the service: announced it is heard and all works, come it is an error that keeps what is here",
  settings,
  async ({ remote }) => {
    const warn = mock.method(console, "warn", () => {});
    try {
      const { items } = deviceOf(remote, as);
      await filled(items, ["a"]);
      await withKinto(anyStorage, { ...settings, eos: "2999-01-01", eos_message: "soon" }, async (soft) => {
        const { device, items } = deviceOf(soft.remote, as);
        const heard: { readonly code: string; readonly message: string }[] = [];
        device.events?.on("deprecated", (alert: { code: string; message: string }) => heard.push(alert));
        await filled(items, ["a"]);
        assert.ok(heard.length > 0 && heard.every(({ code, message }) => code === "soft-eol" && message === "soon"));
      });
      await withKinto(anyStorage, { ...settings, eos: "2020-01-01" }, async (hard) => {
        await items.create({ title: "b" });
        const heard: string[] = [];
        items.kinto.events?.on("deprecated", ({ code }: { code: string }) => heard.push(code));
        await assert.rejects(items.sync({ remote: hard.remote }), /410/);
        assert.deepEqual(heard, ["hard-eol"]);
        assert.deepEqual(await titles(items), ["a", "b"]);
      });
    } finally {
      warn.mock.restore();
    }
  },
  [anyStorage],
);

kintoTest(
  "what is refused is an error of its own, and the rest is published",
  { ...settings, body_limit: 3000 },
  async (running) => {
    const { items } = deviceOf(running.remote, as);
    await filled(items, ["a"]);
    const id = (await items.create({ title: "b" })).data.id;
    const bad = (await items.create({ title: "x".repeat(2980) })).data.id;
    await items.create({ title: "c" });
    const result = await sync(items);
    assert.equal(result.ok, false);
    assert.deepEqual(
      result.errors.map((error) => (error as unknown as { error: { errno: number } }).error.errno),
      [113],
    );
    assert.equal((await items.get(id)).data.last_modified === undefined, false);
    assert.deepEqual(await stored(running), ["a", "b", "c"]);
    await items.update({ id: bad, title: "short" });
    assert.ok((await sync(items)).ok);
    assert.deepEqual(await stored(running), ["a", "b", "c", "short"]);
  },
);

kintoTest("what others may only read: own changes are refused and stay", settings, async (running) => {
  await running.ask("PUT", "/buckets/shared", { as, body: { permissions: { read: ["system.Everyone"] } } });
  await running.ask("PUT", "/buckets/shared/collections/items", { as, body: {} });
  const others = deviceOf(running.remote, "bob", { bucket: "shared" }).items;
  await others.create({ title: "mine alone" });
  const refused = await sync(others);
  assert.deepEqual(
    refused.errors.map((error) => (error as unknown as { error: { errno: number } }).error.errno),
    [121],
  );
  assert.deepEqual(await titles(others), ["mine alone"]);
});
