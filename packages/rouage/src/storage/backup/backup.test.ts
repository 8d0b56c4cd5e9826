import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { manualClock, systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { openLedger, withLedger } from "../erasure-ledger.ts";
import { migrate, migrations } from "../sqlite/migrations.ts";
import { openSnapshots } from "../sqlite/snapshot.ts";
import { sqliteStorage } from "../sqlite/sqlite.ts";
import type { Change, ListKey, Storage } from "../storage.ts";
import { isHalfRestored } from "./half-restored.ts";
import { type BackupOptions, makeBackup } from "./make.ts";
import { readManifest } from "./manifest.ts";
import { type RestoreOptions, restoreBackup } from "./restore.ts";

const things: ListKey = { resource: "things", parent: "" };
const definitions = [{ resource: "things", indexes: [["n"]], unique: [] }];

async function place(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "rouage-backup-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "one", "things.db");
  const stores = [{ name: "things", url: `sqlite:${path}` }];
  const service = { service: "things", version: "1.0.0", stores };
  return {
    folder,
    path,
    backups: join(folder, "backups"),
    restored: join(folder, "two", "things.db"),
    backUp: (more: Partial<BackupOptions> = {}) =>
      makeBackup({ ...service, folder: join(folder, "backups"), ledger: false, now: systemClock.now(), ...more }),
    restore: (backup: string, more: Partial<RestoreOptions> = {}) =>
      restoreBackup({
        ...{ backup, service: "things" },
        stores: [{ name: "things", url: `sqlite:${join(folder, "two", "things.db")}` }],
        ...more,
      }),
  };
}

async function opened(path: string, clock = systemClock): Promise<Storage> {
  const storage = sqliteStorage({ path, clock, log: silentLogger });
  await storage.define(definitions);
  return storage;
}

const put = (id: string, text = "x", list = things): Change => ({
  kind: "put",
  key: { ...list, id },
  body: JSON.stringify({ text }),
  expect: { kind: "any" },
});

test("a backup made while others write holds one moment, whole", async (t) => {
  const { path, backUp, restore, restored } = await place(t);
  await using storage = await opened(path);
  const busy = new AbortController();
  let written = 0;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    // Two objects in one step: a copy with one of them alone would be torn.
    for (let n = 0; !busy.signal.aborted; n++, written++)
      await storage.commit([put(`${writer}-${n}-a`, "a".repeat(500)), put(`${writer}-${n}-b`, "b".repeat(500))]);
  });
  while (written < 400) await new Promise((resolve) => setImmediate(resolve));
  const { path: made, manifest } = await backUp();
  busy.abort();
  await Promise.all(writers);

  await restore(made);
  await using copy = await opened(restored);
  const ids = new Set((await Array.fromAsync(copy.scan("things"))).map(({ id }) => id));
  for (const id of ids) assert.ok(ids.has(id.replace(/.$/, id.endsWith("a") ? "b" : "a")), id);
  assert.ok(ids.size >= 800 && ids.size <= written * 2, "some of it, whatever came later");
  assert.equal(
    manifest.stores[0]?.position,
    ids.size,
    "every object has its entry in the log, and every entry its object",
  );
  assert.equal((await Array.fromAsync(copy.log())).length, ids.size + 1);
});

test("writers wait for the moment alone, not for the copy; several stores are of the same moment", async (t) => {
  const { folder, path } = await place(t);
  const other = join(folder, "other.db");
  await using one = await opened(path);
  await using two = await opened(other);
  await one.commit([put("before")]);
  let inside: Promise<unknown> | undefined;
  {
    using snapshots = await openSnapshots([path, other], async () => {
      // Committed behind the moment, although it is asked for in it.
      inside = Promise.all([one.commit([put("behind")]), two.commit([put("behind")])]);
      await new Promise((resolve) => setImmediate(resolve));
    });
    await inside;
    await one.commit([put("meanwhile")]);
    for (const [index, snapshot] of snapshots.stores.entries()) await snapshot.copy(join(folder, `copy-${index}.db`));
  }
  await using first = await opened(join(folder, "copy-0.db"));
  await using second = await opened(join(folder, "copy-1.db"));
  assert.deepEqual(
    (await Array.fromAsync(first.scan("things"))).map(({ id }) => id),
    ["before"],
  );
  assert.deepEqual(await Array.fromAsync(second.scan("things")), []);
});

test("files and folders of a backup are for their owner alone, and its manifest says what they are", async (t) => {
  const { folder, path, backups, backUp } = await place(t);
  await using storage = await opened(path);
  await storage.commit([put("a")]);
  writeFileSync(join(folder, "secret"), "s3cret");
  const { path: made } = await backUp({ beside: [{ name: "secret", path: join(folder, "secret") }], now: 5_000 });
  assert.equal(made, join(backups, "1970-01-01T00-00-05-000Z"));
  assert.equal(statSync(made).mode & 0o777, 0o700);
  for (const name of readdirSync(made)) assert.equal(statSync(join(made, name)).mode & 0o777, 0o600, name);
  const manifest = await readManifest(made);
  assert.deepEqual(manifest.stores, [{ name: "things", file: "things.db", schema: migrations.length, position: 1 }]);
  assert.deepEqual(
    manifest.files.map(({ path: file, bytes }) => [file, bytes]),
    [
      ["secret", 6],
      ["things.db", statSync(join(made, "things.db")).size],
    ],
  );
  assert.equal(manifest.started, 5_000);
});

test("of the service's backups so many stay; other folders are nobody's to remove", async (t) => {
  const { path, backups, backUp } = await place(t);
  await (await opened(path)).close();
  await backUp({ now: 1_000, service: "others" });
  for (const now of [2_000, 3_000, 4_000]) await backUp({ now });
  const { removed } = await backUp({ now: 5_000, keep: 2 });
  assert.equal(removed.length, 2);
  assert.deepEqual(readdirSync(backups).sort(), [
    "1970-01-01T00-00-01-000Z",
    "1970-01-01T00-00-04-000Z",
    "1970-01-01T00-00-05-000Z",
  ]);
});

test("what cannot be backed up leaves nothing behind", async (t) => {
  const { folder, path, backups, backUp } = await place(t);
  await assert.rejects(backUp(), /does not exist/);
  await assert.rejects(backUp({ stores: [{ name: "x", url: "memory:" }] }), /embedded store; memory: keeps nothing/);
  await assert.rejects(backUp({ stores: [{ name: "x", url: "postgres://h/d" }] }), /pg_dump/);
  for (const scheme of ["mongodb", "mongodb+srv"])
    await assert.rejects(backUp({ stores: [{ name: "x", url: `${scheme}://h/d` }] }), /mongodump/);
  const other = join(folder, "songs.db");
  const songs = new DatabaseSync(other);
  songs.exec("CREATE TABLE songs (title)");
  songs.close();
  await assert.rejects(backUp({ stores: [{ name: "x", url: `sqlite:${other}` }] }), /no store of Rouage/);
  assert.deepEqual(readdirSync(backups), []);
  assert.equal(existsSync(path), false);
});

test("a backup of an older version is brought up to date", async (t) => {
  const { path, restored, backUp, restore } = await place(t);
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(path, ".."));
  const old = new DatabaseSync(path);
  migrate(old, { now: 5, steps: migrations.slice(0, 2) });
  old.exec("INSERT INTO log (time, resource, parent, id, action, revision) VALUES (1, 'things', '', 'a', 'create', 7)");
  old.close();
  const { path: made, manifest } = await backUp();
  assert.equal(manifest.stores[0]?.schema, 2);
  await restore(made);
  await using copy = await opened(restored);
  assert.equal((await Array.fromAsync(copy.log()))[0]?.id, "a");
});

test("a backup that is damaged, or of something else, or newer is refused and nothing is changed", async (t) => {
  const { path, restored, backUp, restore } = await place(t);
  const storage = await opened(path);
  await storage.commit([put("a")]);
  await storage.close();
  const { path: made } = await backUp();
  await assert.rejects(restore(join(made, "..")), /no backup: manifest.json is missing/);
  await assert.rejects(restore(made, { service: "others" }), /is of things, not of others/);
  const manifest = readFileSync(join(made, "manifest.json"), "utf8");
  const rewritten = (change: (text: string) => string) => writeFileSync(join(made, "manifest.json"), change(manifest));
  rewritten((text) => text.replace('"format": 1', '"format": 2'));
  await assert.rejects(restore(made), /has format 2; this version reads format 1/);
  rewritten((text) => text.replace(`"schema": ${migrations.length}`, `"schema": ${migrations.length + 1}`));
  await assert.rejects(restore(made), /newer version of Rouage/);
  rewritten((text) => text.replace('"path": "things.db"', '"path": "../things.db"'));
  await assert.rejects(restore(made), /outside of the backup/);
  rewritten((text) => text);
  appendFileSync(join(made, "things.db"), "x");
  await assert.rejects(restore(made), /damaged: things.db has \d+ bytes instead of/);
  const bytes = readFileSync(join(made, "things.db")).subarray(0, -1);
  bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
  writeFileSync(join(made, "things.db"), bytes);
  await assert.rejects(restore(made), /damaged: things.db is not what was written/);
  await rm(join(made, "things.db"));
  await assert.rejects(restore(made), /things.db is missing/);
  assert.equal(existsSync(join(restored, "..")), false);
});

test("a store that holds something or is in use is not overwritten", async (t) => {
  const { path, restored, backUp, restore } = await place(t);
  const storage = await opened(path);
  await storage.commit([put("a")]);
  await storage.close();
  const { path: made } = await backUp();

  const running = await opened(restored);
  await assert.rejects(restore(made), /in use: stop the service first/);
  await running.commit([put("b")]);
  await running.close();
  await assert.rejects(restore(made), /not empty: move it away/);
  assert.equal((await (await opened(restored)).get({ ...things, id: "b" }))?.kind, "object");
  writeFileSync(join(restored, "..", "..", "other.db"), "not a database, but long enough to look like one".repeat(30));
  const stores = [{ name: "things", url: `sqlite:${join(restored, "..", "..", "other.db")}` }];
  await assert.rejects(restore(made, { stores }), /no store, or it is damaged/);
});

test("an empty store that a first start made is replaced, side files included", async (t) => {
  const { path, restored, backUp, restore } = await place(t);
  const storage = await opened(path);
  await storage.commit([put("a")]);
  await storage.close();
  await (await opened(restored)).close();
  writeFileSync(`${restored}-wal`, "left by a process that was killed");
  await restore(made(await backUp()));
  await using copy = await opened(restored);
  assert.equal((await copy.get({ ...things, id: "a" }))?.kind, "object");
});

const made = ({ path }: { readonly path: string }): string => path;

test("revisions and positions go on above all that was handed out, and old ones are known to be too old", async (t) => {
  const { path, restored, backUp, restore } = await place(t);
  const clock = manualClock();
  const storage = await opened(path, clock);
  const other = { ...things, parent: "later" };
  await storage.commit([put("a")]);
  const backup = await backUp({ now: clock.now() });
  clock.advance(60_000);
  await storage.commit([put("a", "lost"), put("b", "lost"), put("c", "lost", other)]);
  const seen = { list: await storage.timestamp(things), other: await storage.timestamp(other) };
  const position = await storage.position();
  await storage.close();

  clock.advance(1);
  await restore(made(backup), { clock });
  await using copy = await opened(restored, clock);
  for (const [list, revision] of [
    [things, seen.list],
    [other, seen.other],
  ] as const) {
    assert.ok((await copy.purgedBefore(list)) > revision + 1, "who has seen it starts afresh");
    const current = await copy.timestamp(list);
    assert.ok(current + 1 >= (await copy.purgedBefore(list)), "who starts afresh stays");
    await copy.commit([put("new", "x", list)]);
    assert.ok((await copy.timestamp(list)) > current && current > revision);
  }
  const [marker, ...news] = await Array.fromAsync(copy.log({ after: position }));
  assert.equal(marker?.type, "store.restored");
  assert.equal(news.length, 2);
  const untouched = { ...things, parent: "never seen" };
  assert.ok((await copy.timestamp(untouched, true)) + 1 >= (await copy.purgedBefore(untouched)));
});

test("a list that was ahead of the time stays ahead of what it may have handed out", async (t) => {
  const { path, restored, backUp, restore } = await place(t);
  const clock = manualClock();
  const storage = await opened(path, clock);
  const ahead = clock.now() + 1_000_000;
  await storage.commit([{ ...put("a"), revision: ahead } as Change]);
  const backup = await backUp({ now: clock.now() });
  clock.advance(5_000);
  for (let n = 0; n < 100; n++) await storage.commit([put("a", String(n))]);
  const seen = await storage.timestamp(things);
  await storage.close();
  await restore(made(backup), { clock });
  await using copy = await opened(restored, clock);
  assert.ok((await copy.timestamp(things)) > seen);
});

test("what was erased after the backup is not in any file of the restored store; what was made again is", async (t) => {
  const { folder, path, restored, backUp, restore } = await place(t);
  const clock = manualClock();
  const ledger = await openLedger({ folder: join(folder, "ledger"), service: "things" });
  const storage = withLedger(await opened(path, clock), ledger, clock.now);
  const own = { ...things, parent: "zelie" };
  await storage.commit([put("again", "first life")]);
  await storage.erase([{ ...things, id: "again" }]);
  clock.advance(1);
  await storage.commit([put("again", "second life")]);
  await storage.commit([put("zelie", "Vautrinelle"), put("note", "Barnabe", own), put("stays", "Fulgence")]);
  await storage.commit([{ kind: "delete", key: { ...things, id: "gone" }, expect: { kind: "any" } }]).catch(() => {});
  clock.advance(1);
  const backup = await backUp({ now: clock.now(), ledger: true });
  clock.advance(1);
  await storage.erase([{ ...things, id: "zelie" }, own]);
  await assert.rejects(
    storage.transaction(async () => {
      await storage.erase([{ ...things, id: "stays" }]);
      throw new Error("taken back");
    }),
    /taken back/,
  );
  await storage.close();

  const { erasedAgain } = await restore(made(backup), { ledger: async () => ledger, clock });
  assert.equal(erasedAgain, 4, "two objects and their log entries");
  const bytes = Buffer.concat(
    readdirSync(join(restored, "..")).map((name) => readFileSync(join(restored, "..", name))),
  );
  for (const [text, isThere] of [
    ["Vautrinelle", false],
    ["Barnabe", false],
    ["Fulgence", true],
    ["second life", true],
  ] as const)
    assert.equal(bytes.includes(text), isThere, text);
  await using copy = await opened(restored, clock);
  assert.equal((await copy.get({ ...things, id: "again" }))?.kind, "object");

  const lines = readdirSync(join(folder, "ledger"));
  for (const name of lines)
    assert.equal(readFileSync(join(folder, "ledger", name), "utf8").includes("zelie"), false, "no id is in the ledger");
});

test("a restore that was interrupted while it took the places is finished by the next, not by a start", async (t) => {
  const { folder, path, restored, backUp, restore } = await place(t);
  const storage = await opened(path);
  await storage.commit([put("a")]);
  await storage.close();
  const backup = made(await backUp());
  await restore(backup);
  // As it was before the move.
  const staging = join(folder, "two", ".restoring-things");
  const { mkdirSync, renameSync } = await import("node:fs");
  mkdirSync(staging);
  renameSync(restored, join(staging, "things.db"));
  writeFileSync(
    join(staging, "ready.json"),
    JSON.stringify([{ kind: "store", from: join(staging, "things.db"), to: restored }]),
  );
  assert.equal(isHalfRestored(join(folder, "two"), "things"), true);
  const { continued } = await restore(backup);
  assert.equal(continued, true);
  assert.equal(isHalfRestored(join(folder, "two"), "things"), false);
  await using copy = await opened(restored);
  assert.equal((await copy.get({ ...things, id: "a" }))?.kind, "object");
});
