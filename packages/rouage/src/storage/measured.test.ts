import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { createMetrics } from "../telemetry/registry.ts";
import { measuredStorage } from "./measured.ts";
import { memoryStorage } from "./memory.ts";
import { type Change, CommitConflict } from "./storage.ts";

const key = { resource: "things", parent: "", id: "a" };
const put = (expect: Change & { kind: "put" } extends { expect: infer E } ? E : never): Change => ({
  kind: "put",
  key,
  body: "{}",
  expect,
});

test("commits are counted by outcome and timed, reads by operation", async () => {
  const metrics = createMetrics();
  const inner = memoryStorage({ clock: manualClock() });
  const storage = measuredStorage(inner, metrics);
  await storage.define([{ resource: "things", indexes: [], unique: [] }]);
  await storage.commit([put({ kind: "absent" })], { requestId: "r-1" });
  await assert.rejects(storage.commit([put({ kind: "absent" })]), CommitConflict);
  for (let n = 0; n < 130; n++) assert.equal((await storage.get(key))?.kind, "object");
  assert.equal((await storage.list(key, { sort: [], limit: 5 })).length, 1);
  assert.equal(await storage.count(key), 1);
  assert.equal((await Array.fromAsync(storage.log()))[0]?.requestId, "r-1");
  await storage.close();
  await assert.rejects(storage.commit([put({ kind: "any" })]));
  const text = metrics.expose();
  for (const line of [
    'storage_commits_total{outcome="committed"} 1',
    'storage_commits_total{outcome="conflict"} 1',
    'storage_commits_total{outcome="failed"} 1',
    "storage_commit_duration_seconds_count 1",
    'storage_reads_total{operation="get"} 130',
    'storage_read_duration_seconds_count{operation="get"} 2',
    'storage_read_duration_seconds_count{operation="list"} 1',
    'storage_reads_total{operation="count"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), line);
});

test("transactions are counted by outcome, one inside of another not, and known through the wrapper", async () => {
  const metrics = createMetrics();
  const storage = measuredStorage(memoryStorage({ clock: manualClock() }), metrics);
  await storage.define([{ resource: "things", indexes: [], unique: [] }]);
  const seen: unknown[] = [];
  await storage.transaction(async () => {
    await storage.transaction(() => storage.commit([put({ kind: "absent" })]));
    storage.afterCommit(() => void seen.push("task"));
    seen.push(storage.inTransaction(), (await storage.get(key))?.kind);
  });
  await assert.rejects(
    storage.transaction(() => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.deepEqual([...seen, storage.inTransaction()], [true, "object", "task", false]);
  assert.deepEqual(await storage.permissions.of(key), {});
  const text = metrics.expose();
  for (const line of [
    'storage_transactions_total{outcome="committed"} 1',
    'storage_transactions_total{outcome="rolled-back"} 1',
    "storage_transaction_duration_seconds_count 1",
  ])
    assert.ok(text.includes(`${line}\n`), line);
});
