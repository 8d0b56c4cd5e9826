/**
 * What only SQLite can say of a file: whether its pages are sound and its indexes agree with their tables, and rows that belong to nothing. Reads one
 * state of the file, through a connection of its own; the whole file is read meanwhile, in this thread.
 */
import type { Finding } from "../storage.ts";
import { type Database, openDatabase, resultCode } from "./database.ts";
import { many } from "./rows.ts";
import { tablesOf } from "./whole.ts";

/** Findings of one kind. */
const most = 100;

export function* inspectFile(path: string): Iterable<Finding> {
  const database = openDatabase(path);
  try {
    database.connection.exec("BEGIN");
    yield* damage(database);
    yield* orphans(database);
  } catch (error) {
    // What is damaged enough cannot even be asked about.
    if (resultCode(error) !== corruptCode) throw error;
    yield { kind: "violation", rule: "backend", message: String((error as Error).message) };
  } finally {
    if (database.connection.isTransaction) database.connection.exec("ROLLBACK");
    database.close();
  }
}

const corruptCode = 11;

function* damage({ prepare }: Database): Iterable<Finding> {
  for (const [message] of many(prepare(`PRAGMA integrity_check(${most})`))) {
    if (message !== "ok") yield { kind: "violation", rule: "backend", message: String(message) };
  }
}

function* orphans(database: Database): Iterable<Finding> {
  const { prepare } = database;
  for (const { resource, table } of tablesOf(database)) {
    const rows = many(
      prepare(
        `SELECT DISTINCT parent, id FROM aces WHERE resource = ?
         AND NOT EXISTS (SELECT 1 FROM ${table} o WHERE o.parent = aces.parent AND o.id = aces.id) LIMIT ${most}`,
      ),
      resource,
    );
    for (const [parent, id] of rows) {
      const key = { resource, parent: String(parent), id: String(id) };
      yield { kind: "violation", rule: "permissions", ...key, message: "has permission entries, and is not there" };
    }
  }
  for (const table of ["aces", "tombstones", "lists"]) {
    const rows = many(
      prepare(
        `SELECT DISTINCT resource FROM ${table} WHERE resource NOT IN (SELECT name FROM resources) LIMIT ${most}`,
      ),
    );
    for (const [resource] of rows) {
      yield {
        kind: "violation",
        rule: "backend",
        resource: String(resource),
        message: `${table} has rows of a resource that the store does not know`,
      };
    }
  }
}
