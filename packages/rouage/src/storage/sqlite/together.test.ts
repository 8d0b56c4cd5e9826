import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { memoryStorage } from "../memory.ts";
import { type Change, CommitConflict, type ListKey, type Storage } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

const lists: readonly ListKey[] = [
  { resource: "things", parent: "" },
  { resource: "things", parent: "/p" },
];
const wish = fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined });
const key = fc
  .record({ list: fc.constantFrom(...lists), id: fc.constantFrom("a", "b", "c", "d") })
  .map(({ list, id }) => ({ ...list, id }));
const expectation = fc.constantFrom({ kind: "any" } as const, { kind: "absent" } as const);
const put: fc.Arbitrary<Change> = fc
  .record({ key, expect: expectation, n: fc.nat(9), revision: wish })
  .map(({ n, revision, ...rest }) => ({
    kind: "put",
    ...rest,
    body: JSON.stringify({ n }),
    ...(revision === undefined ? {} : { revision }),
  }));
const removal: fc.Arbitrary<Change> = key.map((key) => ({ kind: "delete", key, expect: { kind: "any" } }));
const tombstone: fc.Arbitrary<Change> = fc
  .record({ key, revision: fc.integer({ min: 1, max: 60 }) })
  .map(({ key, revision }) => ({ kind: "tombstone", key, revision }));
const raised: fc.Arbitrary<Change> = fc
  .record({ key: fc.constantFrom(...lists), revision: fc.integer({ min: 1, max: 60 }) })
  .map(({ key, revision }) => ({ kind: "list", key, revision, purged: 0 }));
const change = fc.oneof({ weight: 6, arbitrary: put }, { weight: 3, arbitrary: removal }, tombstone, raised);
const commits = fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 });

async function outcome(commit: ReturnType<Storage["commit"]>): Promise<unknown> {
  try {
    return (await commit).map((result) => ({ ...result, position: undefined }));
  } catch (error) {
    if (error instanceof CommitConflict) return { conflict: error.change, reason: error.reason };
    throw error;
  }
}

async function content(storage: Storage): Promise<unknown> {
  return Promise.all(
    lists.map(async (list) => ({
      timestamp: await storage.timestamp(list, true),
      entries: await storage.list(list, {
        sort: [{ field: "id", direction: "ascending" }],
        limit: 100,
        tombstones: true,
      }),
    })),
  );
}

test("commits that share a transaction get the revisions, conflicts and tombstones that they get one by one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-together-"));
  let runs = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(commits, { minLength: 1, maxLength: 3 }), async (groups) => {
        const clock = manualClock(1);
        const together = sqliteStorage({ path: join(folder, `${runs++}.db`), clock, log: silentLogger });
        const oneByOne = memoryStorage({ clock });
        const definition = { resource: "things", indexes: [], unique: [] };
        try {
          for (const storage of [together, oneByOne]) await storage.define([definition]);
          for (const group of groups) {
            const shared = await Promise.all(group.map((changes) => outcome(together.commit(changes))));
            const single: unknown[] = [];
            for (const changes of group) single.push(await outcome(oneByOne.commit(changes)));
            assert.deepEqual(shared, single);
            assert.deepEqual(await content(together), await content(oneByOne));
          }
        } finally {
          await together.close();
          await oneByOne.close();
        }
      }),
      { numRuns: 60 },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
