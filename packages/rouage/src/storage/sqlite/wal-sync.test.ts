import assert from "node:assert/strict";
import { pbkdf2 } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { put } from "../conformance/harness.ts";
import type { Storage } from "../storage.ts";
import { openDatabase } from "./database.ts";
import { sqliteStorage } from "./sqlite.ts";
import { walSync } from "./wal-sync.ts";

const list = { resource: "things", parent: "" };
const key = { ...list, id: "a" };

async function stored(run: (storage: Storage, path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-wal-"));
  const path = join(folder, "store.db");
  const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
  try {
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    await run(storage, path);
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
}

test("no read hands out a commit before it is on disk", () =>
  stored(async (storage) => {
    const order: string[] = [];
    const note = (what: string) => () => order.push(what);
    // Every thread that could sync the file is busy for a while.
    const busy = Array.from({ length: 4 }, () => promisify(pbkdf2)("x", "y", 400_000, 64, "sha512"));
    const freed = Promise.race(busy).then(note("disk"));
    const following = new AbortController();
    const followed = (async () => {
      for await (const { id } of storage.log({ follow: true, signal: following.signal })) {
        order.push(`log ${id}`);
        return;
      }
    })();
    const write = storage.commit([put(list, "a", {}, { permissions: { read: ["r"] } })]).then(note("commit"));
    // The commit is made at the end of this turn.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const reads = [
      Promise.resolve(storage.get(key)).then((entry) => order.push(`get ${entry?.kind}`)),
      storage.list(list, { sort: [], limit: 1 }).then((page) => order.push(`list ${page.length}`)),
      storage.count(list).then((n) => order.push(`count ${n}`)),
      storage.position().then((n) => order.push(`position ${n}`)),
      storage.timestamp(list).then(note("timestamp")),
      Promise.resolve(storage.permissions.of(key)).then((found) => order.push(`permissions ${found.read}`)),
      Array.fromAsync(storage.scan("things")).then((all) => order.push(`scan ${all.length}`)),
      storage.transaction(async () => void (await storage.get(key))).then(note("transaction")),
    ];
    await Promise.all([freed, write, followed, ...reads, ...busy]);
    following.abort();
    assert.equal(order[0], "disk");
    assert.deepEqual(
      new Set(order.slice(1)),
      new Set([
        ...["commit", "get object", "list 1", "count 1", "position 1", "timestamp", "permissions r", "scan 1"],
        ...["transaction", "log a"],
      ]),
    );
  }));

test("an object that nobody is writing is read at once while others are being written", () =>
  stored(async (storage) => {
    await storage.commit([put(list, "a")]);
    assert.ok(!(storage.get(key) instanceof Promise));
    const busy = Array.from({ length: 4 }, () => promisify(pbkdf2)("x", "y", 100_000, 64, "sha512"));
    const write = storage.commit([put(list, "b")]);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.ok(!(storage.get(key) instanceof Promise));
    await Promise.all([write, ...busy]);
  }));

test("a log that is not there cannot be synced", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-wal-"));
  try {
    const wal = walSync(join(folder, "none.db"));
    await assert.rejects(wal.run(), /ENOENT/);
    wal.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("syncing the log takes no lock away from the store", () =>
  stored(async (storage, path) => {
    await storage.commit([put(list, "a")]);
    const wal = walSync(path);
    await wal.run();
    const holding = openDatabase(path);
    holding.connection.exec("BEGIN IMMEDIATE");
    wal.close();
    const other = openDatabase(path, { busyMs: 0 });
    assert.throws(() => other.connection.exec("BEGIN IMMEDIATE"), /locked/);
    holding.connection.exec("ROLLBACK");
    holding.close();
    other.close();
  }));
