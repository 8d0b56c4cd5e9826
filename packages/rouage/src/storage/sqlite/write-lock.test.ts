import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { openDatabase } from "./database.ts";
import { writeLock } from "./write-lock.ts";

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "write-lock-"));
  const path = join(folder, "store.db");
  const database = openDatabase(path);
  const other = new DatabaseSync(path);
  t.after(() => {
    other.close();
    database.close();
    rmSync(folder, { recursive: true });
  });
  let time = 0;
  const begin = database.prepare("BEGIN IMMEDIATE");
  return {
    database,
    begin,
    other,
    lock: writeLock(() => time),
    pass: (ms: number) => {
      time += ms;
    },
    patience: () => database.connection.prepare("PRAGMA busy_timeout").get()?.timeout,
  };
}

test("who meets nobody begins at once and leaves the lock to nobody", (t) => {
  const { database, begin, lock } = setUp(t);
  assert.equal(lock.begin(database, begin), undefined);
  assert.equal(database.connection.isTransaction, true);
  assert.equal(lock.pauseMs(), 0);
});

test("who finds it taken is told so, and leaves it to others for a moment after each write, until none was met for a second", (t) => {
  const { database, begin, other, lock, pass, patience } = setUp(t);
  other.exec("BEGIN IMMEDIATE");
  assert.ok(lock.begin(database, begin) !== undefined);
  assert.ok(lock.pauseMs() > 0);
  assert.ok(lock.retryMs() > 0);
  other.exec("COMMIT");
  assert.equal(lock.begin(database, begin), undefined);
  database.connection.exec("COMMIT");
  assert.equal(patience(), 50, "reads keep theirs");
  assert.ok(lock.pauseMs() > 0);
  pass(1_000);
  assert.equal(lock.pauseMs(), 0);
});

test("a slow begin alone is no proof of others: nothing is left to them, but the next asks without patience", (t) => {
  const { database, lock, pass } = setUp(t);
  const slow = {
    run() {
      pass(20);
    },
  };
  assert.equal(lock.begin(database, slow), undefined);
  assert.equal(lock.pauseMs(), 0);
  let timeout: unknown;
  lock.begin(database, {
    run() {
      timeout = database.connection.prepare("PRAGMA busy_timeout").get()?.timeout;
    },
  });
  assert.equal(timeout, 0);
});
