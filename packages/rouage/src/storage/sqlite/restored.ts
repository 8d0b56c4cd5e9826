/**
 * What a file that comes from a backup needs before it is used again: revisions and positions beyond all that clients may have seen, and the end of their
 * trust in what they have. Works on a file that nobody uses.
 */
import { DatabaseSync } from "node:sqlite";
import { aheadMs, positionsSkipped } from "../backup/put-back.ts";
import type { EraseScope } from "../storage.ts";
import { literal } from "./fields.ts";
import { tablesOf } from "./whole.ts";

export interface Restored {
  /** Milliseconds since the epoch: now, and when the backup was made. */
  readonly now: number;
  readonly started: number;
}

/**
 * Raises every list's revision above what was handed out since the backup and says that its tombstones up to there are gone: whoever asks for what
 * changed since a revision of before starts afresh. Lists that the file does not know begin at now. Positions of the log go on far above.
 * @returns the position that the log has now
 */
export function beginEpoch(connection: DatabaseSync, { now, started }: Restored): number {
  connection.exec("BEGIN IMMEDIATE");
  try {
    // A list that was ahead of the time when the backup was made may have gone on as far ahead.
    const elapsed = Math.max(0, now - started);
    connection.prepare("UPDATE lists SET revision = max(?, revision + ?) + ?").run(now, elapsed, aheadMs);
    connection.exec("UPDATE lists SET purged = revision");
    const set = connection.prepare("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
    set.run("created", now);
    // Who starts afresh at this moment has seen now, and stays.
    set.run("restored", now + 1);
    const newest = Number(connection.prepare("SELECT coalesce(max(position), 0) AS n FROM log").get()?.n);
    const position = newest + positionsSkipped;
    connection
      .prepare(
        "INSERT INTO log (position, time, resource, parent, id, action, revision, type, body) VALUES (?, ?, '', '', '', 'event', 0, 'store.restored', ?)",
      )
      .run(position, now, JSON.stringify({ backup: new Date(started).toISOString() }));
    connection.exec("COMMIT");
    return position;
  } catch (error) {
    if (connection.isTransaction) connection.exec("ROLLBACK");
    throw error;
  }
}

/** Everything that the file holds something of, and that `isErased` knows: whole resources, lists, objects. */
export function erasedIn(connection: DatabaseSync, isErased: (scope: EraseScope) => boolean): readonly EraseScope[] {
  const found = new Map<string, EraseScope>();
  const note = (scope: EraseScope): boolean => {
    const isKnown = isErased(scope);
    if (isKnown) found.set(JSON.stringify(scope), scope);
    return isKnown;
  };
  for (const sql of heldBy(connection)) {
    let last: EraseScope = { resource: "" };
    let gone = { resource: false, list: false };
    for (const row of rowsAsArrays(connection, sql).iterate()) {
      const [resource, parent, id] = row as unknown as readonly [string, string, string];
      if (resource !== last.resource) gone = { resource: note({ resource }), list: false };
      if (resource !== last.resource || parent !== last.parent) gone.list = note({ resource, parent });
      last = { resource, parent };
      if (!gone.resource && !gone.list) note({ resource, parent, id });
    }
  }
  return [...found.values()];
}

/** Queries for the keys of everything, each in the order of an index. */
function heldBy(connection: DatabaseSync): readonly string[] {
  const tables = tablesOf({ prepare: (sql) => rowsAsArrays(connection, sql) });
  return [
    ...tables.map(({ resource, table }) => `SELECT ${literal(resource)}, parent, id FROM ${table} ORDER BY parent, id`),
    "SELECT resource, parent, '' FROM lists ORDER BY resource, parent",
    ...["tombstones", "aces", "log"].map(
      (table) => `SELECT DISTINCT resource, parent, id FROM ${table} ORDER BY resource, parent, id`,
    ),
  ];
}

/** @throws Error naming why the file must not be replaced: somebody uses it, or it holds something */
export function refuseUsed(path: string): void {
  using connection = new DatabaseSync(path, { timeout: 0 });
  let holds: unknown;
  try {
    if (connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined)
      holds =
        connection.prepare("SELECT 1 AS n FROM log LIMIT 1").get() ??
        connection.prepare("SELECT 1 AS n FROM lists LIMIT 1").get() ??
        connection.prepare("SELECT 1 AS n FROM tombstones LIMIT 1").get();
    else holds = connection.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get();
  } catch (cause) {
    throw new Error(`${path} is in the way: it is no store, or it is damaged; move it away`, { cause });
  }
  if (holds !== undefined) throw new Error(`${path} is not empty: move it away, a restore overwrites nothing`);
  try {
    // Leaving the write-ahead log takes the file for oneself, which nobody gets while somebody else has it open.
    connection.exec("PRAGMA journal_mode = DELETE");
  } catch (cause) {
    throw new Error(`${path} is in use: stop the service first`, { cause });
  }
}

function rowsAsArrays(connection: DatabaseSync, sql: string) {
  const statement = connection.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
}
