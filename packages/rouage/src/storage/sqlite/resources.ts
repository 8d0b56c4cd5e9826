/** The table of each resource: made and indexed as its definition says. */

import type { FieldPath } from "../filter.ts";
import { indexName } from "../index-name.ts";
import type { ListDefinition } from "../storage.ts";
import type { Database } from "./database.ts";
import { columnDefinitions, columnNames, literal } from "./fields.ts";

export interface SqliteResource {
  readonly name: string;
  readonly definition: ListDefinition;
  /** Its table; derived from a number, so that a resource may have any name. */
  readonly table: string;
  /** Fields with columns of their own. */
  readonly declared: ReadonlySet<FieldPath>;
}

/** Creates or adapts the table of a resource; to be called inside a transaction. */
export function defineResource({ connection, prepare }: Database, definition: ListDefinition): SqliteResource {
  const name = definition.resource;
  prepare("INSERT INTO resources (name) VALUES (?) ON CONFLICT DO NOTHING").run(name);
  const table = tableOf({ prepare }, name);
  if (table === undefined) throw new Error(`resource ${JSON.stringify(name)} could not be registered`);
  connection.exec(`
    CREATE TABLE IF NOT EXISTS ${table} (
      number INTEGER PRIMARY KEY, parent TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, owner TEXT, body TEXT NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS ${table}_id ON ${table} (parent, id);
    CREATE INDEX IF NOT EXISTS ${table}_revision ON ${table} (parent, revision);
  `);
  const across = definition.uniqueAcrossParents === true;
  const wanted = new Map<string, string>();
  for (const fields of definition.indexes) wanted.set(indexName(table, fields, false), indexColumns(fields, false));
  for (const fields of definition.unique) wanted.set(indexName(table, fields, across), indexColumns(fields, across));

  const declared = new Set([...definition.indexes, ...definition.unique].flat().filter(isOrdinary));
  const columns = new Set(names({ prepare }, `SELECT name FROM pragma_table_xinfo(${literal(table)})`));
  for (const { name: column, sql } of [...declared].flatMap(columnDefinitions)) {
    if (!columns.has(column)) connection.exec(`ALTER TABLE ${table} ADD COLUMN ${sql}`);
  }
  const existing = new Set(
    names({ prepare }, `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ${literal(table)}`),
  );
  for (const [index, indexed] of wanted) {
    if (!existing.has(index)) connection.exec(`CREATE INDEX ${index} ON ${table} (${indexed})`);
  }
  for (const index of existing) {
    if (index.startsWith(`${table}_f_`) && !wanted.has(index)) connection.exec(`DROP INDEX ${index}`);
  }
  for (const fields of definition.unique) {
    if (!existing.has(indexName(table, fields, across))) checkUnique({ prepare }, table, name, fields, across);
  }
  return { name, definition, table, declared };
}

/** A resource whose table stays as it is; undefined where the file has none. */
export function foundResource(
  { prepare }: Pick<Database, "prepare">,
  definition: ListDefinition,
): SqliteResource | undefined {
  const name = definition.resource;
  const table = tableOf({ prepare }, name);
  if (table === undefined) return undefined;
  const columns = new Set(names({ prepare }, `SELECT name FROM pragma_table_xinfo(${literal(table)})`));
  if (columns.size === 0) return undefined;
  const fields = [...definition.indexes, ...definition.unique].flat().filter(isOrdinary);
  const declared = new Set(
    fields.filter((field) => columnDefinitions(field).every((column) => columns.has(column.name))),
  );
  return { name, definition, table, declared };
}

/** Names of all resources of the file. */
export function knownResources({ prepare }: Pick<Database, "prepare">): readonly string[] {
  return names({ prepare }, "SELECT name FROM resources ORDER BY name");
}

/** Name of the table of a resource that this file knows. */
export function tableOf({ prepare }: Pick<Database, "prepare">, name: string): string | undefined {
  const row: unknown = prepare("SELECT number FROM resources WHERE name = ?").get(name);
  const table = Array.isArray(row) ? `objects_${row[0]}` : undefined;
  if (table === undefined) return undefined;
  return table;
}

/** Refuses a new constraint that objects already break. Arrays and objects are only compared when written. */
function checkUnique(
  { prepare }: Pick<Database, "prepare">,
  table: string,
  resource: string,
  fields: readonly FieldPath[],
  across: boolean,
): void {
  const columns = fields.flatMap(keyColumns);
  const present = fields.filter(isOrdinary).map((field) => `${columnNames(field).rank} IN (1, 2, 3)`);
  const group = across ? columns : ["parent", ...columns];
  const found = prepare(
    `SELECT 1 FROM ${table} WHERE ${["1", ...present].join(" AND ")} GROUP BY ${group.join(", ")} HAVING count(*) > 1 LIMIT 1`,
  ).get();
  if (found !== undefined) throw new Error(`objects of ${resource} already share values of ${fields.join(", ")}`);
}

/** Newest first within equal values, the usual order of a page. */
function indexColumns(fields: readonly FieldPath[], across: boolean): string {
  const columns = fields.flatMap(keyColumns);
  const tail = fields.includes("last_modified") ? [] : ["revision DESC"];
  return [...(across ? [] : ["parent"]), ...columns, ...tail].join(", ");
}

function keyColumns(field: FieldPath): readonly string[] {
  if (field === "id") return ["id"];
  if (field === "last_modified") return ["revision"];
  const { rank, value } = columnNames(field);
  return [rank, value];
}

function isOrdinary(field: FieldPath): boolean {
  return field !== "id" && field !== "last_modified";
}

function names({ prepare }: Pick<Database, "prepare">, sql: string): string[] {
  return prepare(sql)
    .all()
    .map((row: unknown) => (Array.isArray(row) ? String(row[0]) : ""));
}
