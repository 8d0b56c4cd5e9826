import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { manualClock } from "../clock.ts";
import { compareStores } from "./compare.ts";
import { CopyError, copyStore } from "./copy.ts";
import * as mongo from "./mongodb/test-stores.ts";
import { openStorage } from "./open.ts";
import * as postgres from "./postgres/test-stores.ts";
import type { Change, ListDefinition, Storage } from "./storage.ts";

const definitions: readonly ListDefinition[] = [
  { resource: "things", indexes: [["n"]], unique: [] },
  { resource: "names", indexes: [], unique: [["name"]] },
];
const resources = definitions.map(({ resource }) => resource);
const clock = manualClock();

type Kind = "memory" | "sqlite" | "postgres" | "mongodb";
type Server = "postgres" | "mongodb";
const servers: readonly Server[] = [
  ...(postgres.withoutPostgres() === false ? (["postgres"] as const) : []),
  ...(mongo.withoutMongo() === false ? (["mongodb"] as const) : []),
];
const kinds: readonly Kind[] = ["memory", "sqlite", ...servers];
const isServer = (kind: Kind): kind is Server => (servers as readonly Kind[]).includes(kind);
const started = new Map<Server, postgres.TestStores | mongo.TestStores>();
let folder = "";
let count = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouage-copy-"));
  for (const kind of servers) started.set(kind, await (kind === "postgres" ? postgres : mongo).startTestStores());
});
after(async () => {
  for (const stores of started.values()) await stores[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function fresh(kind: Kind): Promise<Storage> {
  const url = isServer(kind)
    ? (started.get(kind)?.fresh().url ?? "")
    : kind === "memory"
      ? "memory:"
      : `sqlite:${join(folder, `${count++}.db`)}`;
  const storage = await openStorage(url, { clock });
  await storage.define(definitions);
  return storage;
}

/** In orders that UTF-16 and code points see differently, with odd text. */
const ids = ["a", "b", "c-1", "\u{1f600}", "\uff5e", "Zürich"] as const;
const parents = ["", "p/1", "\u{1f600}"] as const;
const change = fc.record({
  kind: fc.constantFrom("put", "put", "put", "delete", "erase", "purge", "members", "forget", "again"),
  parent: fc.constantFrom(...parents),
  id: fc.constantFrom(...ids),
  n: fc.integer({ min: 0, max: 5 }),
  owner: fc.constantFrom(undefined, "ann", "bob"),
  principal: fc.constantFrom("ann", "bob", "system.Everyone"),
});
const history = fc.array(change, { maxLength: 25 });
type Step = typeof change extends fc.Arbitrary<infer T> ? T : never;

const common = { id: "a", principal: "ann" } as const;
/** The clock is then where a deletion in the target takes the very revision that the object is to have. */
const madeAgainInTheMomentOfTheCopy: [Step[], Step[]] = [
  [{ ...common, kind: "put", parent: "p/1", n: 0, owner: "bob" }],
  [
    { ...common, kind: "put", parent: "", n: 1, owner: undefined },
    { ...common, kind: "again", parent: "p/1", n: 2, owner: undefined },
  ],
];

async function live(storage: Storage, steps: readonly Step[]): Promise<void> {
  for (const { kind, parent, id, n, owner, principal } of steps) {
    const list = { resource: "things", parent };
    const key = { ...list, id };
    const put: Change = {
      ...{ kind: "put", key, body: JSON.stringify({ n, text: "é\u{1f600}\\u0000" }), expect: { kind: "any" } },
      ...(owner === undefined ? {} : { owner }),
      ...(n > 2 ? { permissions: { write: [principal], read: [`${principal}x`, principal] } } : {}),
    };
    const remove: Change = { kind: "delete", key, expect: { kind: "any" } };
    if (kind === "put") await storage.commit([put]);
    else if (kind === "delete") await storage.commit([remove]).catch(() => {});
    else if (kind === "again") await storage.commit([put, remove, put]);
    else if (kind === "erase") await storage.erase([key]);
    else if (kind === "purge") await storage.purgeTombstones(list, (await storage.timestamp(list)) + 1);
    else if (kind === "members")
      await storage.commit([{ kind: "members", group: `/groups/${id}`, members: n === 0 ? [] : [principal, `m${n}`] }]);
    else await storage.commit([{ kind: "forget", principal }]);
    clock.advance(n);
  }
}

for (const source of kinds)
  for (const target of kinds)
    describe(`from ${source} to ${target}`, () => {
      test("a copy holds the same, also after it was brought up to date", async () => {
        await using from = await fresh(source);
        await using to = await fresh(target);
        const runs = isServer(source) || isServer(target) ? 6 : 25;
        await fc.assert(
          fc.asyncProperty(history, history, async (first, second) => {
            await from.flush();
            await to.flush();
            for (const steps of [first, second]) {
              await live(from, steps);
              await copyStore(from, to, { resources, update: steps === second });
              const { named, different, entries } = await compareStores(from, to, { resources });
              assert.deepEqual([different, named], [0, []]);
              const totals = await to.totals();
              assert.equal(
                entries,
                totals.reduce((sum, { objects, tombstones }) => sum + objects + tombstones, 0),
              );
            }
            const { written } = await copyStore(from, to, { resources, update: true });
            assert.equal(written, 0, "what is equal is not written");
            const [a, b] = [await compareStores(to, from, { resources }), await compareStores(from, to, { resources })];
            assert.equal(a.digest, b.digest);
          }),
          { numRuns: runs, examples: [madeAgainInTheMomentOfTheCopy] },
        );
      });

      test("more than one page comes along, and goes on where it was interrupted", async () => {
        await using from = await fresh(source);
        await using to = await fresh(target);
        // The server that stands for MongoDB here looks at every document of a collection for each question.
        const many = source === "mongodb" || target === "mongodb" ? 600 : 3_000;
        const until = many - 80;
        for (let n = 0; n < many; n += 300)
          await from.commit(
            Array.from({ length: 300 }, (_, index) => ({
              ...{
                kind: "put" as const,
                body: '{"n":1}',
                expect: { kind: "any" as const },
                permissions: { read: ["ann"] },
              },
              key: { resource: "things", parent: "", id: `t${n + index}` },
            })),
          );
        const stopped = new Error("interrupted");
        const progress = (done: number) => {
          if (done > until) throw stopped;
        };
        await assert.rejects(copyStore(from, to, { resources, progress }), stopped);
        await assert.rejects(copyStore(from, to, { resources }), /not empty: it has \d+ objects of things; --update/);
        const { written, objects } = await copyStore(from, to, { resources, update: true });
        assert.ok(written < many && written >= many - until, String(written));
        assert.equal(objects, many);
        assert.equal((await compareStores(from, to, { resources })).different, 0);
      });
    });

test("what differs is named with its list and id, and counted", async () => {
  await using from = await fresh("memory");
  await using to = await fresh("memory");
  const put = (id: string, n: number, more: object = {}): Change => ({
    ...{ kind: "put", key: { resource: "things", parent: "p/1", id }, body: `{"n":${n}}`, expect: { kind: "any" } },
    ...more,
  });
  await from.commit(["a", "b", "c", "d", "e"].map((id) => put(id, 1)));
  await copyStore(from, to, { resources });
  await to.commit([put("a", 2)]);
  await to.erase([{ resource: "things", parent: "p/1", id: "b" }]);
  await to.commit([{ kind: "delete", key: { resource: "things", parent: "p/1", id: "c" }, expect: { kind: "any" } }]);
  await to.commit([put("new", 1), { kind: "members", group: "/g", members: ["x"] }]);
  await from.commit([{ kind: "forget", principal: "nobody" }, put("d", 5, { revision: 9e12 })]);
  const { different, named } = await compareStores(from, to, { resources });
  assert.equal(different, 7);
  assert.match(named[0] ?? "", /^things "p\/1" "a": has revision \d+ in the source and \d+ in the target$/);
  assert.deepEqual(named.slice(1, 3), [
    'things "p/1" "b": is missing in the target',
    'things "p/1" "c": is an object in the source and a tombstone in the target',
  ]);
  assert.match(named[3] ?? "", /"d": has revision 9000000000000 in the source/);
  assert.deepEqual(named.slice(4), [
    'things "p/1" "new": is not in the source',
    'things "p/1": is behind what clients of the source have seen',
    'group "/g": is not in the source',
  ]);
  assert.equal((await compareStores(from, to, { resources, most: 2 })).named.length, 2);
});

test("a target that somebody else has written to is not overwritten", async () => {
  await using from = await fresh("memory");
  await using to = await fresh("memory");
  const key = { resource: "things", parent: "", id: "a" };
  const put = (n: number): Change => ({ kind: "put", key, body: `{"n":${n}}`, expect: { kind: "any" } });
  await from.commit([put(1)]);
  await copyStore(from, to, { resources });
  await to.commit([put(2)]);
  await assert.rejects(copyStore(from, to, { resources, update: true }), (error) => {
    assert.ok(error instanceof CopyError);
    assert.match(error.message, /something newer: "a" below "" has revision \d+ there/);
    return true;
  });
});

test("values of unique fields that have changed places are said where they cannot be written", async () => {
  await using from = await fresh("memory");
  await using to = await fresh("memory");
  const put = (id: string, name: string): Change => ({
    ...{ kind: "put", key: { resource: "names", parent: "", id }, body: JSON.stringify({ name }) },
    expect: { kind: "any" },
  });
  await from.commit([put("a", "Ann"), put("b", "Bob")]);
  await copyStore(from, to, { resources });
  await from.commit([put("a", "Tim")]);
  await from.commit([put("b", "Ann")]);
  await from.commit([put("a", "Bob")]);
  await assert.rejects(
    copyStore(from, to, { resources, update: true }),
    /"a" cannot be written to the target: unique name/,
  );
});
