import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Change } from "../storage.ts";
import { scrubPages } from "./scrub-pages.ts";
import { sqliteStorage } from "./sqlite.ts";

/** Erasures to prove; each round mixes writes of all sizes with deletes and moves pages about. */
const rounds = Number(process.env.ERASE_ROUNDS ?? 4);

test("after an erasure no file of the store contains a byte of it, whatever pages were split and merged before", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-erase-"));
  const clock = manualClock();
  const storage = sqliteStorage({ path: join(folder, "store.db"), clock, log: silentLogger });
  try {
    await storage.define([
      { resource: "notes", indexes: [["word"], ["deep.word"]], unique: [["name"]] },
      { resource: "plain", indexes: [], unique: [] },
    ]);
    const random = generator(Number(process.env.ERASE_SEED ?? 7));
    const pick = (count: number) => Math.floor(random() * count);
    const alive = new Map<string, { resource: string; id: string; parent: string }>();
    const deleted = new Set<string>();
    let serial = 0;

    /** Unique markers, in the body, in indexed and unique values, in the principal and the request id. */
    function write(target?: { resource: string; id: string; parent: string }): [Change, principal: string] {
      serial++;
      const key = target ?? {
        resource: pick(3) === 0 ? "plain" : "notes",
        parent: `parent${pick(20)}`,
        id: `id${pick(1e9).toString(36)}${serial}`,
      };
      const marker = `<${key.id}>`;
      const size = [10, 60, 300, 900, 3_000, 5_000, 20_000][pick(7)] ?? 10;
      const filler = marker.repeat(Math.ceil(size / marker.length));
      const body = JSON.stringify({
        name: `${marker}name${serial}`,
        word: `${pick(1000)} ${filler.slice(0, [20, 200, 2_500][pick(3)])}${marker}`,
        deep: { word: `${marker}${pick(1000)}` },
        filler,
      });
      alive.set(key.id, key);
      deleted.delete(key.id);
      return [{ kind: "put", key, body, expect: { kind: "any" } }, `principal${marker}`];
    }

    for (let round = 0; round < rounds; round++) {
      const commits: Promise<unknown>[] = [];
      for (let n = 0; n < 400; n++) {
        const known = [...alive.values()];
        const target = known.length > 0 && pick(3) === 0 ? known[pick(known.length)] : undefined;
        const [change, principal] = write(target);
        commits.push(storage.commit([change], { principal, requestId: `request${principal}` }));
        if (n % 50 === 0) await Promise.all(commits.splice(0));
      }
      await Promise.all(commits);
      // Deleting many neighbours makes pages merge; their bytes stay in the log until they are erased.
      const known = [...alive.values()];
      const dropped = known.filter(({ id }) => !deleted.has(id) && pick(4) === 0);
      for (const { id } of dropped) deleted.add(id);
      await Promise.all(
        dropped.map((key) =>
          storage.commit([{ kind: "delete", key, expect: { kind: "any" } }], { principal: `<${key.id}>` }),
        ),
      );

      const victims = known.filter(() => pick(3) === 0);
      const count = await storage.erase(victims);
      assert.ok(count.objects > 0 && count.logEntries >= victims.length);
      for (const { id } of victims) alive.delete(id);

      const bytes = contents(folder);
      const found = new Set(bytes.match(/<id[0-9a-z]+>/g));
      assert.deepEqual(
        victims.filter(({ id }) => found.has(`<${id}>`)),
        [],
        `round ${round}: nothing of what was erased`,
      );
      for (const { id } of alive.values()) assert.ok(found.has(`<${id}>`), "what was not erased is still there");
    }
    assert.deepEqual(check(join(folder, "store.db")), ["ok"]);
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
});

test("an erasure that a reader of an old state holds up is unavailable, and succeeds when asked again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-erase-"));
  const path = join(folder, "store.db");
  const storage = sqliteStorage({ path, clock: manualClock(), log: silentLogger });
  try {
    await storage.define([{ resource: "notes", indexes: [], unique: [] }]);
    const key = { resource: "notes", parent: "", id: "<idreader>" };
    await storage.commit([{ kind: "put", key, body: '{"text":"secret words"}', expect: { kind: "any" } }]);
    const reader = new DatabaseSync(path);
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM log").get();
    await assert.rejects(storage.erase([key]), (error) => ServiceError.is(error) && error.code === "unavailable");
    assert.ok(contents(folder).includes("secret words"));
    reader.exec("COMMIT");
    reader.close();
    assert.deepEqual(await storage.erase([key]), { objects: 0, tombstones: 0, logEntries: 0 });
    assert.ok(!contents(folder).includes("secret words"));
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
});

test("scrubbing clears what SQLite leaves of deleted rows, and nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-scrub-"));
  const path = join(folder, "plain.db");
  try {
    const random = generator(3);
    const rows = Array.from({ length: 4_000 }, (_, n) =>
      `<id${random().toString(36).slice(2)}>`.padEnd(20 + (n % 7) * 90, "."),
    );
    const deleted = rows.filter(() => random() < 0.4);
    const connection = new DatabaseSync(path);
    connection.exec("PRAGMA secure_delete = ON; CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN");
    for (const row of rows) connection.prepare("INSERT INTO t VALUES (?)").run(row);
    for (const row of deleted) connection.prepare("DELETE FROM t WHERE a = ?").run(row);
    connection.exec("COMMIT");
    connection.close();

    const residue = () => {
      const bytes = contents(folder);
      return deleted.filter((row) => bytes.includes(row.slice(0, row.indexOf(">") + 1))).length;
    };
    // Not a promise of SQLite's: when this is 0 one day, the scrub is no longer needed.
    assert.ok(residue() > 0);
    const file = openSync(path, "r+");
    assert.ok(scrubPages(file) > 0);
    assert.equal(scrubPages(file), 0);
    closeSync(file);
    assert.equal(residue(), 0);
    assert.deepEqual(check(path), ["ok"]);
    const kept = new DatabaseSync(path);
    const left = kept
      .prepare("SELECT a FROM t")
      .all()
      .map(({ a }) => a);
    kept.close();
    const gone = new Set(deleted);
    assert.deepEqual(left, rows.filter((row) => !gone.has(row)).sort());
  } finally {
    await rm(folder, { recursive: true });
  }
});

/**
 * All files of the folder as one text of single-byte characters. Read by another process: this one would lose its locks on
 * the database when it closed the file.
 */
function contents(folder: string): string {
  const files = readdirSync(folder).map((file) => join(folder, file));
  return execFileSync("cat", files, { encoding: "latin1", maxBuffer: 2 ** 30 });
}

function check(path: string): unknown[] {
  const connection = new DatabaseSync(path);
  try {
    return connection
      .prepare("PRAGMA integrity_check")
      .all()
      .map((row) => row.integrity_check);
  } finally {
    connection.close();
  }
}

/** Mulberry32: the same numbers in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
