/** The table of each resource: made and indexed as its definition says. */

import type { FieldPath } from "../filter.ts";
import { indexName } from "../index-name.ts";
import type { ListDefinition } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { indexed, sqlField } from "./fields.ts";

export interface PostgresResource {
  readonly name: string;
  readonly definition: ListDefinition;
  /** Its table; derived from a number, so that a resource may have any name. */
  readonly table: string;
  /** Fields that an index holds the beginning of. */
  readonly declared: ReadonlySet<FieldPath>;
  /** Collation whose lower case is that of Unicode. */
  readonly unicode: string;
}

type Run = Connection["run"];

/** Creates or adapts the table of a resource; to be called inside of a transaction that nobody else writes during. */
export async function defineResource(run: Run, definition: ListDefinition, unicode: string): Promise<PostgresResource> {
  const name = definition.resource;
  await run({ text: "INSERT INTO resources (name) VALUES ($1) ON CONFLICT DO NOTHING", values: [name] });
  const [found] = (await run({ text: "SELECT number FROM resources WHERE name = $1", values: [name] })).rows;
  const table = tableOf(Number(found?.[0]));
  const across = definition.uniqueAcrossParents === true;
  const wanted = new Map<string, string>();
  for (const fields of definition.indexes) wanted.set(indexName(table, fields, false), columnsOf(fields, false));
  for (const fields of definition.unique) wanted.set(indexName(table, fields, across), columnsOf(fields, across));
  const declared = new Set([...definition.indexes, ...definition.unique].flat().filter(isOrdinary));

  const [there] = (await run({ text: "SELECT to_regclass($1) IS NOT NULL", values: [table] })).rows;
  if (there?.[0] !== true) {
    await run(`
      CREATE TABLE ${table} (
        parent text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, revision bigint NOT NULL, owner text COLLATE "C",
        -- What is sent, NULL for a tombstone; and what filters look at, which is of another text where jsonb could not hold the first.
        body text, odd text, json jsonb NOT NULL GENERATED ALWAYS AS (coalesce(odd, body, '{"deleted":true}')::jsonb) STORED,
        PRIMARY KEY (parent, id)
      );
      ALTER TABLE ${table} ALTER body SET STATISTICS 0, ALTER odd SET STATISTICS 0, ALTER json SET STATISTICS 0;
      CREATE INDEX ${table}_revision ON ${table} (parent, revision)`);
  }
  const existing = new Set(await indexesOf(run, table));
  for (const [index, columns] of wanted) {
    // Of tombstones too: the planner takes no statistics from an index of a part of the rows.
    if (!existing.has(index)) await run({ text: `CREATE INDEX ${index} ON ${table} (${columns})`, timeoutMs: 0 });
  }
  for (const index of existing) {
    if (index.startsWith(`${table}_f_`) && !wanted.has(index)) await run(`DROP INDEX ${index}`);
  }
  for (const fields of definition.unique) {
    if (!existing.has(indexName(table, fields, across))) await checkUnique(run, table, name, fields, across);
  }
  return { name, definition, table, declared, unicode };
}

/** Resources whose tables stay as they are; those that the store does not have are left out. */
export async function foundResources(
  run: Run,
  definitions: readonly ListDefinition[],
  unicode: string,
): Promise<readonly PostgresResource[]> {
  const { rows } = await run("SELECT name, number FROM resources WHERE to_regclass('objects_' || number) IS NOT NULL");
  const numbers = new Map((rows as unknown as [string, number][]).map(([name, number]) => [name, number]));
  const known: readonly ListDefinition[] =
    definitions.length > 0
      ? definitions
      : [...numbers.keys()].map((resource) => ({ resource, indexes: [], unique: [] }));
  const found: PostgresResource[] = [];
  for (const definition of known) {
    const number = numbers.get(definition.resource);
    if (number === undefined) continue;
    const table = tableOf(number);
    const existing = new Set(await indexesOf(run, table));
    const across = definition.uniqueAcrossParents === true;
    const indexed = [
      ...definition.indexes.filter((fields) => existing.has(indexName(table, fields, false))),
      ...definition.unique.filter((fields) => existing.has(indexName(table, fields, across))),
    ];
    found.push({
      name: definition.resource,
      definition,
      table,
      declared: new Set(indexed.flat().filter(isOrdinary)),
      unicode,
    });
  }
  return found;
}

async function indexesOf(run: Run, table: string): Promise<readonly string[]> {
  const text = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = $1";
  return (await run({ text, values: [table] })).rows.map(([index]) => String(index));
}

export function tableOf(number: number): string {
  return `objects_${number}`;
}

/** Refuses a new constraint that objects already break. */
async function checkUnique(run: Run, table: string, resource: string, fields: readonly FieldPath[], across: boolean) {
  const keys = fields.map((field) => sqlField(field, new Set()));
  const present = keys.map(({ key, column }) => (column === undefined ? `${key} > '1' AND ${key} < '6'` : "true"));
  const group = [...(across ? [] : ["parent"]), ...keys.map(({ key }) => key)].join(", ");
  const { rows } = await run({
    text: `SELECT 1 FROM ${table} WHERE body IS NOT NULL AND ${present.join(" AND ")} GROUP BY ${group} HAVING count(*) > 1 LIMIT 1`,
    timeoutMs: 0,
  });
  if (rows.length > 0) throw new Error(`objects of ${resource} already share values of ${fields.join(", ")}`);
}

/** Newest first within equal values, the usual order of a page. */
function columnsOf(fields: readonly FieldPath[], across: boolean): string {
  const tail = fields.includes("last_modified") ? [] : ["revision DESC"];
  return [...(across ? [] : ["parent"]), ...fields.map(indexed), ...tail].join(", ");
}

function isOrdinary(field: FieldPath): boolean {
  return field !== "id" && field !== "last_modified";
}
