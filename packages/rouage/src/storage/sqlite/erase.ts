/** Erases objects, tombstones and what the log keeps of them, then has the bytes that are left behind overwritten. */
import { fork } from "node:child_process";
import type { EraseCount, EraseScope } from "../storage.ts";
import type { ChangeWriter } from "./changes.ts";
import { type Database, unavailable } from "./database.ts";
import type { SqlValue } from "./fields.ts";
import type { GroupCommit } from "./group-commit.ts";
import { tableOf } from "./resources.ts";
import { many, type Row } from "./rows.ts";
import type { ScrubAnswer } from "./scrub-process.ts";

export interface Eraser {
  /** Removes the rows, in portions that `place` runs. */
  remove(scopes: readonly EraseScope[], place: ErasePlace): Promise<EraseCount>;
  /** Overwrites what is left of removed rows, once their removal is durable. */
  scrub(): Promise<void>;
}

/** Where rows are removed: through which connection, and in which transaction. */
export interface ErasePlace {
  readonly database: Database;
  readonly changes: ChangeWriter;
  run<T>(step: () => T): T | Promise<T>;
}

export interface EraserOptions {
  readonly path: string;
  readonly group: GroupCommit;
  readonly now: () => number;
}

/** Rows removed in one transaction, so that other writes get their turn. */
const portion = 200;

export function eraser({ path, group, now }: EraserOptions): Eraser {
  let waiting: Promise<void> | undefined;
  let scrubbing: Promise<unknown> = Promise.resolve();

  /** Erasures that finish while a scrub is under way share the next one. */
  function scrub(): Promise<void> {
    waiting ??= scrubbing
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        waiting = undefined;
        const run = scrubFile(path, group.pause);
        scrubbing = run;
        return run;
      });
    return waiting;
  }

  async function remove(scopes: readonly EraseScope[], place: ErasePlace): Promise<EraseCount> {
    let objects = 0;
    let tombstones = 0;
    let logEntries = 0;
    for (const scope of scopes) {
      objects += await repeat(place, () => removeObjects(scope, place, now()));
      tombstones += await repeat(place, () => removeTombstones(scope, place, now()));
      await repeat(place, () => removeEntries(scope, place.database));
      logEntries += await blankLog(scope, place);
    }
    return { objects, tombstones, logEntries };
  }

  return { remove, scrub };
}

/** Runs `step` until it has nothing left to do; answers how much it did. */
async function repeat(place: ErasePlace, step: () => number): Promise<number> {
  let total = 0;
  for (;;) {
    const done = await place.run(step);
    total += done;
    if (done < portion) return total;
  }
}

function removeObjects(scope: EraseScope, { database, changes }: ErasePlace, now: number): number {
  const table = tableOf(database, scope.resource);
  if (table === undefined || !exists(database, table)) return 0;
  const { text, values } = inScope(scope, false);
  const rows = many(database.prepare(`SELECT number, parent FROM ${table} WHERE ${text} LIMIT ${portion}`), ...values);
  const remove = database.prepare(`DELETE FROM ${table} WHERE number = ?`);
  for (const [number] of rows) remove.run(number as number);
  touch(changes, scope.resource, rows, now);
  return rows.length;
}

function removeTombstones(scope: EraseScope, { database, changes }: ErasePlace, now: number): number {
  const { text, values } = inScope(scope, true);
  const rows = many(database.prepare(`SELECT id, parent FROM tombstones WHERE ${text} LIMIT ${portion}`), ...values);
  const remove = database.prepare("DELETE FROM tombstones WHERE resource = ? AND parent = ? AND id = ?");
  for (const [id, parent] of rows) remove.run(scope.resource, parent as string, id as string);
  touch(changes, scope.resource, rows, now);
  return rows.length;
}

/** Lists that lost something are not what readers have cached. */
function touch(changes: ChangeWriter, resource: string, rows: readonly Row[], now: number): void {
  for (const parent of new Set(rows.map((row) => row[1] as string))) {
    const key = { resource, parent };
    changes.setRevision(key, Math.max(now, changes.revision(key) + 1));
  }
}

function removeEntries(scope: EraseScope, { prepare }: Database): number {
  const { text, values } = inScope(scope, true);
  const rows = many(
    prepare(`SELECT principal, parent, id, permission FROM aces WHERE ${text} LIMIT ${portion}`),
    ...values,
  );
  const remove = prepare(
    "DELETE FROM aces WHERE principal = ? AND resource = ? AND parent = ? AND id = ? AND permission = ?",
  );
  for (const [principal, parent, id, permission] of rows) {
    remove.run(principal as string, scope.resource, parent as string, id as string, permission as string);
  }
  return rows.length;
}

async function blankLog(scope: EraseScope, place: ErasePlace): Promise<number> {
  const { database } = place;
  const { text, values } = inScope(scope, true);
  const select = `SELECT position FROM log WHERE ${text} AND position > ? AND (body IS NOT NULL OR principal IS NOT NULL OR request_id IS NOT NULL OR traceparent IS NOT NULL) ORDER BY position LIMIT ${portion}`;
  let from = 0;
  return repeat(place, () => {
    const rows = many(database.prepare(select), ...values, from);
    const blank = database.prepare(
      "UPDATE log SET body = NULL, principal = NULL, request_id = NULL, traceparent = NULL WHERE position = ?",
    );
    for (const [position] of rows) blank.run(position as number);
    from = (rows[rows.length - 1]?.[0] as number | undefined) ?? from;
    return rows.length;
  });
}

/** Starts the process first and stops writes only while it works. */
async function scrubFile(path: string, pause: GroupCommit["pause"]): Promise<void> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const child = fork(new URL(`./scrub-process.${extension}`, import.meta.url), [path], {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const gone = new Promise<ScrubAnswer>((resolve) => {
    child.once("exit", () => resolve({ error: "the scrubbing process ended early" }));
    child.on("error", (error) => resolve({ error: String(error) }));
  });
  const next = () => {
    const message = new Promise<ScrubAnswer>((resolve) =>
      child.once("message", (answer) => resolve(answer as ScrubAnswer)),
    );
    return Promise.race([message, gone]);
  };
  try {
    let answer = await next();
    if (answer === "ready") {
      answer = await pause(() => {
        const answered = next();
        child.send("scrub");
        return answered;
      });
    }
    if (typeof answer !== "object" || "error" in answer) throw unavailable(new Error(JSON.stringify(answer)));
  } finally {
    if (child.connected) child.disconnect();
    await gone;
  }
}

function exists({ prepare }: Database, table: string): boolean {
  return prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !== undefined;
}

function inScope(
  { resource, parent, id }: EraseScope,
  named: boolean,
): { readonly text: string; readonly values: readonly SqlValue[] } {
  const parts: [text: string, value: SqlValue][] = [];
  if (named) parts.push(["resource = ?", resource]);
  if (parent !== undefined) parts.push(["parent = ?", parent]);
  if (id !== undefined) parts.push(["id = ?", id]);
  return { text: parts.map(([text]) => text).join(" AND ") || "1", values: parts.map(([, value]) => value) };
}
