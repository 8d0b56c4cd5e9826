/** What transactions know of their lists, and take back: any history of them ends as it does in memory. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { memoryStorage } from "../memory.ts";
import { type Change, CommitConflict, type ListDefinition, type Storage } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

const definitions: readonly ListDefinition[] = [
  { resource: "things", indexes: [], unique: [["code"]] },
  { resource: "boxes", indexes: [], unique: [] },
];

const id = fc.constantFrom("a", "b", "c");
const key = fc.record({ resource: fc.constantFrom("things", "boxes"), parent: fc.constantFrom("", "boxes/a"), id });
const expect: fc.Arbitrary<(Change & { kind: "put" })["expect"]> = fc.constantFrom(
  { kind: "any" },
  { kind: "absent" },
  { kind: "revision", revision: 1 },
);
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key,
      expect,
      body: fc.constantFrom("{}", '{"code":1}', '{"code":2}'),
      permissions: fc.constantFrom({}, { read: ["m"] }, { read: ["n"], write: ["m"] }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      key,
      expect: fc.constant({ kind: "any" as const }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("require" as const), key }) },
  fc.record({ kind: fc.constant("members" as const), group: id, members: fc.subarray(["m", "n"]) }),
  fc.record({ kind: fc.constant("forget" as const), principal: fc.constantFrom("m", "n") }),
  fc.record({ kind: fc.constant("event" as const), key, type: fc.constant("e"), data: fc.constant({}) }),
  fc.record({ kind: fc.constant("tombstone" as const), key, revision: fc.integer({ min: 1, max: 3_000 }) }),
  fc.record({
    kind: fc.constant("list" as const),
    key: fc.record({ resource: fc.constant("things"), parent: fc.constant("") }),
    revision: fc.integer({ min: 1, max: 3_000 }),
    purged: fc.integer({ min: 0, max: 10 }),
  }),
);

type Step =
  | { readonly kind: "commit"; readonly changes: readonly Change[] }
  | { readonly kind: "part"; readonly steps: readonly Step[]; readonly fails: boolean }
  | { readonly kind: "read"; readonly what: "timestamp" | "lists" | "list" | "objects" };

const { steps } = fc.letrec<{ steps: readonly Step[] }>((tie) => ({
  steps: fc.array(
    fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant("commit" as const),
          changes: fc.array(change, { minLength: 1, maxLength: 3 }),
        }),
      },
      fc.record({
        kind: fc.constant("read" as const),
        what: fc.constantFrom("timestamp" as const, "lists" as const, "list" as const, "objects" as const),
      }),
      fc.record({ kind: fc.constant("part" as const), steps: tie("steps"), fails: fc.boolean() }),
    ),
    { maxLength: 6 },
  ),
}));

const history = fc.array(fc.record({ steps, fails: fc.boolean() }), { minLength: 1, maxLength: 3 });

const everything = { sort: [{ field: "id", direction: "ascending" }], limit: 100, tombstones: true } as const;

class Fails extends Error {}

/** What each step of the history said. */
async function follow(storage: Storage, steps: readonly Step[], said: unknown[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === "commit") {
      try {
        const results = await storage.commit(step.changes);
        said.push(results.map((result) => ({ ...result, position: undefined })));
      } catch (error) {
        if (!(error instanceof CommitConflict)) throw error;
        said.push({ conflict: error.change, reason: error.reason });
      }
    } else if (step.kind === "part") {
      await storage.transaction(() => attempt(storage, step.steps, step.fails, said)).catch(onlyFailed);
    } else if (step.what === "timestamp") {
      said.push(await storage.timestamp({ resource: "things", parent: "" }));
    } else if (step.what === "lists") said.push(await stateOf(storage));
    else if (step.what === "objects") said.push(await objectsOf(storage));
    else said.push(await storage.list({ resource: "things", parent: "" }, everything));
  }
}

async function attempt(storage: Storage, steps: readonly Step[], fails: boolean, said: unknown[]): Promise<void> {
  await follow(storage, steps, said);
  if (fails) throw new Fails();
}

function onlyFailed(error: unknown): void {
  if (!(error instanceof Fails)) throw error;
}

/** All that is asked for by name: what is remembered. */
async function objectsOf(storage: Storage): Promise<unknown> {
  const found: unknown[] = [];
  for (const resource of ["things", "boxes"])
    for (const parent of ["", "boxes/a"])
      for (const id of ["a", "b", "c"]) {
        const key = { resource, parent, id };
        found.push(await storage.get(key), await storage.permissions.of(key));
      }
  for (const member of ["m", "n"]) found.push([...(await storage.permissions.groupsOf(member))].sort());
  return found;
}

async function stateOf(storage: Storage): Promise<unknown> {
  const lists = await Array.fromAsync(storage.lists());
  return lists.map((list) => JSON.stringify(list)).sort();
}

async function endOf(storage: Storage, transactions: readonly { steps: readonly Step[]; fails: boolean }[]) {
  const said: unknown[] = [];
  for (const { steps, fails } of transactions)
    await storage.transaction(() => attempt(storage, steps, fails, said)).catch(onlyFailed);
  const log = await Array.fromAsync(storage.log());
  const entries = log.map(({ resource, parent, id, action, revision }) => ({ resource, parent, id, action, revision }));
  const things = await storage.list({ resource: "things", parent: "" }, everything);
  return { said, lists: await stateOf(storage), objects: await objectsOf(storage), entries, things };
}

test("any transactions, with conflicts, parts that are taken back and reads between, end as in memory", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-undo-"));
  let stores = 0;
  try {
    await fc.assert(
      fc.asyncProperty(history, async (transactions) => {
        const storages = [
          memoryStorage({ clock: manualClock(1_000) }),
          sqliteStorage({ path: join(folder, `${stores++}.db`), clock: manualClock(1_000), log: silentLogger }),
        ];
        const ends: unknown[] = [];
        for (const storage of storages) {
          await storage.define(definitions);
          ends.push(await endOf(storage, transactions));
          await storage.close();
        }
        assert.deepEqual(ends[1], ends[0]);
      }),
      { numRuns: 150 },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function inStore(run: (storage: Storage) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-undo-"));
  const storage = sqliteStorage({ path: join(folder, "store.db"), clock: manualClock(1_000), log: silentLogger });
  try {
    await storage.define(definitions);
    await run(storage);
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
}

const a = { resource: "boxes", parent: "", id: "a" };
const puts = (body: string, names: readonly string[], expect: "any" | "absent" = "any"): Change => ({
  kind: "put",
  key: a,
  body,
  expect: { kind: expect },
  permissions: { read: names },
});

test("what a commit removes does not meet its own requirement, and comes back when that fails", () =>
  inStore(async (storage) => {
    await storage.transaction(async () => {
      await storage.commit([puts("{}", [])]);
      await assert.rejects(
        storage.commit([
          { kind: "delete", key: a, expect: { kind: "any" } },
          { kind: "require", key: a },
        ]),
        CommitConflict,
      );
      assert.equal((await storage.get(a))?.kind, "object");
    });
    assert.equal((await storage.get(a))?.kind, "object");
  }));

test("what was read of a part that is taken back is forgotten with it, and so is that of a step and of a transaction", () =>
  inStore(async (storage) => {
    const seen = async () => {
      const found = await storage.get(a);
      const { read } = await storage.permissions.of(a);
      const groups = [...(await storage.permissions.groupsOf("m"))];
      return [found?.kind === "object" ? found.body : undefined, read, groups];
    };
    const old = ['{"n":1}', ["old"], ["g"]];
    await storage.commit([puts('{"n":1}', ["old"]), { kind: "members", group: "g", members: ["m"] }]);
    const changed: readonly Change[] = [puts('{"n":2}', ["new"]), { kind: "members", group: "g", members: [] }];
    const change = async () => {
      await storage.commit(changed);
      assert.deepEqual(await seen(), ['{"n":2}', ["new"], []]);
      throw new Fails();
    };
    await storage.transaction(async () => {
      assert.deepEqual(await seen(), old);
      await assert.rejects(storage.transaction(change), Fails);
      assert.deepEqual(await seen(), old);
      await assert.rejects(storage.commit([...changed, puts("{}", [], "absent")]), CommitConflict);
      assert.deepEqual(await seen(), old);
    });
    const outcomes = await Promise.allSettled([storage.transaction(change), storage.transaction(seen)]);
    assert.deepEqual(outcomes[1], { status: "fulfilled", value: old });
    await storage.transaction(async () => {
      assert.deepEqual(await seen(), old);
      await storage.flush();
      assert.deepEqual(await seen(), [undefined, undefined, []]);
    });
  }));
