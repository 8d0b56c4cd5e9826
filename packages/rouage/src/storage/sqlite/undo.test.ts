/** What transactions know of their lists, and take back: any history of them ends as it does in memory. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { assertHistoriesAsInMemory, Fails, historyDefinitions, historyTime } from "../conformance/histories.ts";
import { type Change, CommitConflict, type Storage } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

test("any transactions, with conflicts, parts that are taken back and reads between, end as in memory", () =>
  inStore((storage) => assertHistoriesAsInMemory(storage, 150)));

async function inStore(run: (storage: Storage) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-undo-"));
  const storage = sqliteStorage({ path: join(folder, "store.db"), clock: manualClock(historyTime), log: silentLogger });
  try {
    await storage.define(historyDefinitions);
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
