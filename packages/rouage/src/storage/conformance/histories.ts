/** Any history of transactions, with parts and what is taken back, ends as it does in memory: for storages that remember what a transaction has read or written. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { manualClock } from "../../clock.ts";
import { memoryStorage } from "../memory.ts";
import { type Change, CommitConflict, type ListDefinition, type Storage } from "../storage.ts";

export const historyDefinitions: readonly ListDefinition[] = [
  { resource: "things", indexes: [], unique: [["code"]] },
  { resource: "boxes", indexes: [], unique: [] },
];

/** Time of a storage's clock, which stands still. */
export const historyTime = 1_000;

/** @param storage with `historyDefinitions` defined; what it holds is flushed */
export async function assertHistoriesAsInMemory(storage: Storage, runs: number): Promise<void> {
  const memory = memoryStorage({ clock: manualClock(historyTime) });
  await memory.define(historyDefinitions);
  const property = fc.asyncProperty(history, async (transactions) => {
    assert.deepEqual(await endOf(storage, transactions), await endOf(memory, transactions));
  });
  await fc.assert(property, { numRuns: runs });
}

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

export class Fails extends Error {}

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
  await storage.flush();
  const after = await storage.position();
  const said: unknown[] = [];
  for (const { steps, fails } of transactions)
    await storage.transaction(() => attempt(storage, steps, fails, said)).catch(onlyFailed);
  const log = await Array.fromAsync(storage.log({ after }));
  const entries = log.map(({ resource, parent, id, action, revision }) => ({ resource, parent, id, action, revision }));
  const things = await storage.list({ resource: "things", parent: "" }, everything);
  return { said, lists: await stateOf(storage), objects: await objectsOf(storage), entries, things };
}
