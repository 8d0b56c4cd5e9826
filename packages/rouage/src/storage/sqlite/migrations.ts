/** The store's own tables and how older files are brought up to date. A step that was released is never edited again. */
import type { DatabaseSync } from "node:sqlite";

/** "Roug", in the file's header: the file is one of ours. */
export const applicationId = 0x526f7567;

export type Migration = (connection: DatabaseSync) => void;

/** Step n brings a file from version n to version n + 1. */
export const migrations: readonly Migration[] = [
  (connection) =>
    connection.exec(`
      CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE resources (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
      CREATE TABLE lists (
        resource TEXT NOT NULL, parent TEXT NOT NULL,
        revision INTEGER NOT NULL, purged INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (resource, parent)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE tombstones (
        resource TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL,
        PRIMARY KEY (resource, parent, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX tombstones_revision ON tombstones (resource, parent, revision);
      -- Rows are never deleted, so that SQLite's next row number is always a new position.
      CREATE TABLE log (
        position INTEGER PRIMARY KEY, time INTEGER NOT NULL,
        resource TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL,
        action TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT, body TEXT, principal TEXT, request_id TEXT
      ) STRICT;
    `),
  // History of one object, and what an erasure has to blank, without reading the whole log.
  (connection) => connection.exec("CREATE INDEX log_object ON log (resource, parent, id)"),
  // The trace that an entry belongs to, for what is done because of it.
  (connection) => connection.exec("ALTER TABLE log ADD COLUMN traceparent TEXT"),
  // Permission entries by principal, and by object; groups by member, and members by group.
  (connection) =>
    connection.exec(`
      CREATE TABLE aces (
        principal TEXT NOT NULL, resource TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL, permission TEXT NOT NULL,
        PRIMARY KEY (principal, resource, parent, id, permission)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX aces_object ON aces (resource, parent, id, permission, principal);
      CREATE TABLE members (
        member TEXT NOT NULL, grouping TEXT NOT NULL,
        PRIMARY KEY (member, grouping)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX members_grouping ON members (grouping, member);
    `),
];

/** Of each step: what it does, and the table whose rows it has to go through. */
export const migrationWords: readonly { readonly words: string; readonly table?: string }[] = [
  { words: "make the tables of the store" },
  { words: "index the log by object", table: "log" },
  { words: "make room in the log for the trace of each entry" },
  { words: "make the tables of permission entries and groups" },
];

/**
 * Brings a file up to date, an empty one included.
 * @throws Error when the file belongs to something else or was written by a newer version
 */
export function migrate(
  connection: DatabaseSync,
  { now, steps = migrations }: { readonly now: number; readonly steps?: readonly Migration[] },
): void {
  // A store that is up to date is not written, so that it also opens on a full disk.
  if (schemaVersion(connection) === steps.length) return;
  connection.exec("BEGIN IMMEDIATE");
  try {
    let version = schemaVersion(connection);
    if (version > steps.length) {
      throw newerVersion(connection.location() ?? "", version, steps.length);
    }
    for (const step of steps.slice(version)) {
      step(connection);
      version++;
    }
    const set = connection.prepare("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
    set.run("schema", version);
    connection.prepare("INSERT INTO meta VALUES ('created', ?) ON CONFLICT DO NOTHING").run(now);
    connection.exec(`PRAGMA application_id = ${applicationId}`);
    connection.exec("COMMIT");
  } catch (error) {
    if (connection.isTransaction) connection.exec("ROLLBACK");
    throw error;
  }
}

/** @throws Error when the file is none of this version */
export function assertUpToDate(connection: DatabaseSync): void {
  const version = schemaVersion(connection);
  if (version === migrations.length) return;
  const is = version === 0 ? "no store" : `a store of version ${version}, this one knows version ${migrations.length}`;
  throw new Error(
    `${connection.location()} is ${is}${version > 0 && version < migrations.length ? ": start its service once" : ""}`,
  );
}

export function schemaVersion(connection: DatabaseSync): number {
  const id = connection.prepare("PRAGMA application_id").get()?.application_id;
  const tables = connection.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n;
  if (id === 0 && tables === 0) return 0;
  if (id !== applicationId) throw new Error(`${connection.location()} is a SQLite database of something else`);
  return Number(connection.prepare("SELECT value FROM meta WHERE key = 'schema'").get()?.value);
}

export function newerVersion(path: string, version: number, known: number): Error {
  return new Error(
    `${path} was written by a newer version of Rouage (its schema is ${version}, this version knows up to ${known})`,
  );
}
