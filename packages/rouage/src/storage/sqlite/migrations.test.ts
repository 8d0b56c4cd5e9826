import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { migrate, migrations } from "./migrations.ts";
import { sqliteStorage } from "./sqlite.ts";

async function inFolder(run: (path: string) => Promise<void> | void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-migrations-"));
  try {
    await run(join(folder, "below", "store.db"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const open = (path: string) => sqliteStorage({ path, clock: manualClock(), log: silentLogger });

test("a new store's folder and files are for their owner alone", () =>
  inFolder(async (path) => {
    await using storage = open(path);
    await storage.check();
    assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
    for (const suffix of ["", "-wal", "-shm"]) assert.equal(statSync(path + suffix).mode & 0o777, 0o600);
  }));

test("a file of every older version is brought up to date and keeps its content", () =>
  inFolder(async (path) => {
    for (let version = 1; version < migrations.length; version++) {
      const file = `${path}${version}`;
      await open(file).close();
      await rm(file);
      const old = new DatabaseSync(file);
      migrate(old, { now: 5, steps: migrations.slice(0, version) });
      old.exec(
        "INSERT INTO log (time, resource, parent, id, action, revision, body) VALUES (1, 'things', '', 'a', 'create', 7, '{}')",
      );
      old.close();

      const storage = open(file);
      assert.equal((await Array.fromAsync(storage.log())).length, 1);
      await storage.close();
      const now = new DatabaseSync(file);
      assert.equal(now.prepare("SELECT value FROM meta WHERE key = 'schema'").get()?.value, migrations.length);
      assert.equal(now.prepare("SELECT value FROM meta WHERE key = 'created'").get()?.value, 5);
      assert.ok(now.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'log_object'").get());
      now.close();
    }
  }));

test("a file of a newer version is refused and left as it is", () =>
  inFolder(async (path) => {
    await open(path).close();
    const connection = new DatabaseSync(path);
    connection.exec(`UPDATE meta SET value = ${migrations.length + 3} WHERE key = 'schema'`);
    connection.close();
    assert.throws(() => open(path), new RegExp(`newer version of Rouage \\(its schema is ${migrations.length + 3}`));
    assert.throws(() => open(path), /newer version/, "again");
  }));

test("a step that fails leaves the file at its old version", () =>
  inFolder(async (path) => {
    await open(path).close();
    const connection = new DatabaseSync(path);
    const failing = [
      ...migrations,
      (on: DatabaseSync) => {
        on.exec("CREATE TABLE half (a)");
        throw new Error("no");
      },
    ];
    assert.throws(() => migrate(connection, { now: 1, steps: failing }), /no/);
    assert.equal(connection.prepare("SELECT value FROM meta WHERE key = 'schema'").get()?.value, migrations.length);
    assert.equal(connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'half'").get(), undefined);
    connection.close();
    await open(path).close();
  }));

test("a database of something else, or no database, is refused and not touched", () =>
  inFolder(async (path) => {
    await open(path).close();
    const other = new DatabaseSync(`${path}-other`);
    other.exec("CREATE TABLE songs (title)");
    other.close();
    assert.throws(() => open(`${path}-other`), /database of something else/);
    await writeFile(`${path}-text`, "no database at all, but long enough to be looked at".repeat(50));
    assert.throws(() => open(`${path}-text`), /not a database/);
    assert.equal(existsSync(`${path}-text-wal`), false);
  }));
