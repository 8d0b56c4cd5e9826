/** What a file is, without opening it as a store: nothing is made or migrated. */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { ResourceLook, StoreLook } from "../store-look.ts";
import { literal } from "./fields.ts";
import { migrations, migrationWords, newerVersion, schemaVersion } from "./migrations.ts";

/** @throws Error when the file is of something else or of a newer version */
export function lookAtFile(path: string): StoreLook {
  const wanted = migrations.length;
  if (!existsSync(path)) return { version: 0, wanted, steps: [], resources: new Map() };
  using connection = new DatabaseSync(path, { timeout: 10_000 });
  const column = (sql: string): readonly unknown[] =>
    connection
      .prepare(sql)
      .all()
      .map(({ value }) => value);
  const count = (table: string): number => Number(column(`SELECT count(*) AS value FROM ${table}`)[0]);
  const version = schemaVersion(connection);
  if (version > wanted) throw newerVersion(path, version, wanted);
  if (version === 0) return { version, wanted, steps: [], resources: new Map() };
  const steps = migrationWords.slice(version).map(({ words, table }) => ({
    words,
    rows: table === undefined ? 0 : count(table),
  }));
  const resources = new Map<string, ResourceLook>();
  for (const { number, name } of connection.prepare("SELECT number, name FROM resources").all()) {
    const table = `objects_${number}`;
    const indexes = column(
      `SELECT name AS value FROM sqlite_schema WHERE type = 'index' AND tbl_name = ${literal(table)}`,
    );
    if (indexes.length === 0) continue;
    const declared = indexes.map(String).filter((index) => index.startsWith(`${table}_f_`));
    resources.set(String(name), { table, rows: count(table), indexes: declared });
  }
  return { version, wanted, steps, resources };
}
