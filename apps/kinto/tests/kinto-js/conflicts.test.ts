/** kinto.js 17: two devices did something to the same record, in every combination and with every strategy. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { anyStorage } from "../../../../scripts/test-stores.ts";
import { deviceOf, type Item, syncStrategy } from "../support/kinto-js.ts";
import { kintoTest, type Running } from "../support/running.ts";

const settings = { includes: "kinto.plugins.default_bucket" };
const as = "alice";
type Items = ReturnType<typeof deviceOf>["items"];
type Strategy = "MANUAL" | "SERVER_WINS" | "CLIENT_WINS";

const sync = (items: Items, strategy: Strategy = "MANUAL") => items.sync({ strategy: syncStrategy[strategy] });
/** Without what the client keeps of tombstones that won a conflict: `{id, deleted: true}`. */
const local = async (items: Items) =>
  (await items.list({ order: "id" })).data
    .filter((item) => !("deleted" in item))
    .map(({ id, title }) => ({ id, title }));
async function remote({ ask }: Pick<Running, "ask">): Promise<readonly object[]> {
  const { body } = await ask("GET", "/buckets/default/collections/items/records?_sort=id&_fields=title", { as });
  return body.data.map(({ id, title }: Item) => ({ id, title }));
}

const acts = {
  change: (items: Items, id: string, title: string) => items.update({ id, title }, { patch: true }),
  delete: (items: Items, id: string) => items.delete(id),
} as const;

interface Case {
  readonly theirs: keyof typeof acts;
  readonly ours: keyof typeof acts;
  /** What is left in the end; undefined: nothing. */
  readonly left: Readonly<Record<Strategy, string | undefined>>;
  /** The number of conflicts that MANUAL reports. */
  readonly conflicts: number;
}

const cases: readonly Case[] = [
  {
    ...{ theirs: "change", ours: "change", conflicts: 1 },
    left: { MANUAL: "theirs", SERVER_WINS: "theirs", CLIENT_WINS: "ours" },
  },
  {
    ...{ theirs: "delete", ours: "change", conflicts: 1 },
    left: { MANUAL: undefined, SERVER_WINS: undefined, CLIENT_WINS: "ours" },
  },
  {
    // The client sends a deletion that wins as an update without data, which by the protocol keeps the data.
    ...{ theirs: "change", ours: "delete", conflicts: 1 },
    left: { MANUAL: "theirs", SERVER_WINS: "theirs", CLIENT_WINS: "theirs" },
  },
  {
    ...{ theirs: "delete", ours: "delete", conflicts: 0 },
    left: { MANUAL: undefined, SERVER_WINS: undefined, CLIENT_WINS: undefined },
  },
];

for (const { theirs, ours, left, conflicts } of cases)
  for (const strategy of ["MANUAL", "SERVER_WINS", "CLIENT_WINS"] as const)
    for (const when of ["before the pull", "between pull and push"] as const)
      kintoTest(
        `they ${theirs}, we ${ours}, told ${when}: ${strategy}`,
        settings,
        async (running) => {
          const [one, two] = [deviceOf(running.remote, as).items, deviceOf(running.remote, as).items];
          const { id } = (await one.create({ title: "at first" })).data;
          await sync(one);
          await sync(two);
          const others = async () => {
            await acts[theirs](one, id, "theirs");
            await sync(one);
          };
          await acts[ours](two, id, "ours");
          if (when === "before the pull") await others();
          else once(two, others);
          const result = await sync(two, strategy);
          if (strategy === "MANUAL") {
            assert.equal(result.conflicts.length, conflicts, JSON.stringify(result.conflicts));
            assert.equal(result.ok, conflicts === 0);
            for (const conflict of result.conflicts) await takeTheirs(two, conflict.remote as Item | null, id);
          } else assert.ok(result.ok, JSON.stringify([result.conflicts, result.errors]));

          for (const items of [two, one, two]) await sync(items, strategy === "MANUAL" ? "SERVER_WINS" : strategy);
          const expected = left[strategy] === undefined ? [] : [{ id, title: left[strategy] }];
          assert.deepEqual(await remote(running), expected, "the server");
          assert.deepEqual(await local(two), expected, "the device that met the conflict");
          assert.deepEqual(await local(one), expected, "the other device");
        },
        [anyStorage],
      );

/** As an application would that asks its user, who chooses the server's. */
async function takeTheirs(items: Items, theirs: Item | null, id: string): Promise<void> {
  if (theirs === null || "deleted" in theirs) {
    if ((await items.getAny(id)).data !== undefined) await items.delete(id, { virtual: false });
  } else await items.upsert({ ...theirs });
}

/** Does something when changes have come in and own ones are not sent yet, the first time. */
function once(items: Items, work: () => Promise<void>): void {
  let isDone = false;
  const api = items.api as unknown as { batch: (...args: readonly unknown[]) => Promise<unknown> };
  const batch = api.batch.bind(api);
  api.batch = async (...args) => {
    if (!isDone) {
      isDone = true;
      await work();
    }
    return batch(...args);
  };
}

for (const strategy of ["MANUAL", "SERVER_WINS", "CLIENT_WINS"] as const)
  kintoTest(`the same id made on two devices: ${strategy}`, settings, async (running) => {
    const [one, two] = [deviceOf(running.remote, as).items, deviceOf(running.remote, as).items];
    const id = randomUUID();
    for (const [items, title] of [
      [one, "theirs"],
      [two, "ours"],
    ] as const)
      await items.create({ id, title }, { useRecordId: true });
    await sync(one);
    const result = await sync(two, strategy);
    if (strategy === "MANUAL") {
      const [conflict] = result.conflicts;
      assert.equal(result.conflicts.length, 1);
      assert.ok(conflict);
      await two.resolve(conflict, { ...conflict.local, title: "both" });
    } else assert.ok(result.ok);
    assert.ok((await sync(two, strategy)).ok);
    await sync(one, "SERVER_WINS");
    const title = { MANUAL: "both", SERVER_WINS: "theirs", CLIENT_WINS: "ours" }[strategy];
    for (const items of [one, two]) assert.deepEqual(await local(items), [{ id, title }]);
    assert.deepEqual(await remote(running), [{ id, title }]);
  });

kintoTest("the same made on two devices is no conflict", settings, async ({ remote: url }) => {
  const [one, two] = [deviceOf(url, as).items, deviceOf(url, as).items];
  const id = randomUUID();
  for (const items of [one, two]) await items.create({ id, title: "same" }, { useRecordId: true });
  await sync(one);
  const result = await sync(two);
  assert.ok(result.ok);
  assert.equal(result.updated.length, 1);
  assert.equal((await two.get(id)).data.last_modified, (await one.get(id)).data.last_modified);
});

kintoTest("many conflicts at once, and changes of others among them", settings, async (running) => {
  const [one, two] = [deviceOf(running.remote, as).items, deviceOf(running.remote, as).items];
  for (let n = 0; n < 60; n++) await one.create({ title: `t${n}` });
  await sync(one);
  await sync(two);
  for (const { id, title = "" } of (await one.list()).data) {
    const n = Number(title.slice(1));
    if (n % 2 === 0) await one.update({ id, title: `theirs ${n}` }, { patch: true });
    if (n % 3 === 0) await two.update({ id, title: `ours ${n}` }, { patch: true });
  }
  await sync(one);
  const manual = await sync(two);
  assert.equal(manual.conflicts.length, 10);
  const result = await sync(two, "CLIENT_WINS");
  assert.ok(result.ok, JSON.stringify(result.errors));
  await sync(one);
  assert.deepEqual(await local(one), await local(two));
  assert.deepEqual(await remote(running), await local(two));
  const titles = (await local(two)).map(({ title }) => title);
  assert.equal(titles.filter((title) => title?.startsWith("ours")).length, 20);
  assert.equal(titles.filter((title) => title?.startsWith("theirs")).length, 20);
});
