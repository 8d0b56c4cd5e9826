import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { type CheckpointerOptions, checkpointer, walSize } from "./checkpoint.ts";
import { type Database, openDatabase } from "./database.ts";
import { groupCommit } from "./group-commit.ts";

async function withStore(
  options: Partial<CheckpointerOptions>,
  run: (store: { write: (bytes: number) => Promise<void>; path: string; database: Database }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-checkpoint-"));
  const path = join(folder, "store.db");
  const database = openDatabase(path);
  database.connection.exec("CREATE TABLE t (b)");
  const group = groupCommit({ database, committed: () => checkpoints.committed() });
  const checkpoints = checkpointer(
    { path, connection: database.connection, log: silentLogger, ...options },
    group.pause,
  );
  try {
    const write = (bytes: number) =>
      group.run(() => {
        database.prepare("INSERT INTO t VALUES (zeroblob(?))").run(bytes);
      });
    await run({ write, path, database });
  } finally {
    await group.close();
    await checkpoints.close();
    database.close();
    await rm(folder, { recursive: true });
  }
}

/** Frames of the write-ahead log, and how many of them the database has already. */
function frames(path: string): { log: number; moved: number } {
  const connection = new DatabaseSync(path);
  const row = connection.prepare("PRAGMA wal_checkpoint(NOOP)").get();
  connection.close();
  return { log: Number(row?.log), moved: Number(row?.checkpointed) };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("what was written is moved to the database soon after, without another write", () =>
  withStore({ restMs: 10, restBytes: 0, idleMs: 10 }, async ({ write, path }) => {
    await write(50_000);
    await until(() => frames(path).log > 0 && frames(path).log === frames(path).moved);
  }));

test("under writes without end the write-ahead log stays bounded", () =>
  withStore({ dueBytes: 200_000, limitBytes: 1_000_000, lookEvery: 4, restMs: 60_000 }, async ({ write, path }) => {
    let largest = 0;
    for (let round = 0; round < 60; round++) {
      await Promise.all(Array.from({ length: 4 }, () => write(100_000)));
      largest = Math.max(largest, walSize(path));
    }
    assert.ok(largest < 8_000_000, `${largest} of more than 24000000 bytes written`);
  }));

test("a log that begins anew keeps its file, so that syncing it stays cheap", () =>
  withStore({ dueBytes: 200_000, limitBytes: 1_000_000, lookEvery: 4, restMs: 60_000 }, async ({ write, path }) => {
    const sizes = new Set<number>();
    let begun = 0;
    let before = 0;
    for (let round = 0; round < 60; round++) {
      await write(100_000);
      const { log } = frames(path);
      if (log < before) begun++;
      before = log;
      if (begun > 0) sizes.add(walSize(path));
    }
    assert.ok(begun > 1, `begun anew ${begun} times`);
    assert.ok(Math.min(...sizes) > 200_000, `sizes ${[...sizes]}`);
  }));

test("a reader that keeps an old state open delays the log's emptying, not the writes", () =>
  withStore({ dueBytes: 100_000, limitBytes: 300_000, lookEvery: 1, restMs: 60_000 }, async ({ write, path }) => {
    await write(1_000);
    const reader = new DatabaseSync(path);
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM t").get();
    for (let n = 0; n < 12; n++) await write(100_000);
    assert.ok(frames(path).log * 4120 > 300_000);
    reader.exec("COMMIT");
    reader.close();
    for (let n = 0; n < 40 && frames(path).log * 4120 > 300_000; n++) await write(100_000);
    assert.ok(frames(path).log * 4120 < 300_000);
    assert.ok(walSize(path) < 2_000_000);
  }));

test("while a read of the same connection is under way the log is moved all the same, and writes go on", () =>
  withStore({ dueBytes: 1, lookEvery: 1, restMs: 1 }, async ({ write, path, database }) => {
    await Promise.all([write(10_000), write(10_000)]);
    const rows = database.connection.prepare("SELECT b FROM t").iterate();
    rows.next();
    for (let n = 0; n < 10; n++) await write(10_000);
    await until(() => frames(path).moved > 0);
    rows.return?.();
  }));

test("a checkpoint that fails is told to the logger, and writes go on", async () => {
  const warned: object[] = [];
  const log: Logger = { ...silentLogger, warn: (fields) => warned.push(fields) };
  const paths: string[] = [];
  await withStore({ path: "/proc/nowhere/store.db", log, dueBytes: 1, lookEvery: 1 }, async ({ write, path }) => {
    paths.push(path);
    await write(10_000);
    await until(() => warned.length > 0);
    await write(10_000);
  });
  assert.equal(existsSync(paths[0] ?? ""), false);
});
