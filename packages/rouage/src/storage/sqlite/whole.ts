/** What concerns the store as a whole: how much there is of everything, and taking all of it out. */
import type { ResourceTotal } from "../storage.ts";
import type { Database } from "./database.ts";
import { many, one } from "./rows.ts";

export function totalsOf(database: Pick<Database, "prepare">): readonly ResourceTotal[] {
  const tombstones = new Map(
    many(database.prepare("SELECT resource, count(*) FROM tombstones GROUP BY resource")) as [string, number][],
  );
  return tablesOf(database).map(({ resource, table }) => ({
    resource,
    objects: (one(database.prepare(`SELECT count(*) FROM ${table}`))?.[0] as number | undefined) ?? 0,
    tombstones: tombstones.get(resource) ?? 0,
  }));
}

/** To be called inside a transaction. Rows of the log are never deleted: their number is the position. */
export function emptyOut(database: Pick<Database, "prepare">): void {
  const tables = ["tombstones", "lists", "aces", "members", ...tablesOf(database).map(({ table }) => table)];
  for (const table of tables) database.prepare(`DELETE FROM ${table}`).run();
  database
    .prepare(
      "UPDATE log SET body = NULL, principal = NULL, request_id = NULL, traceparent = NULL WHERE body IS NOT NULL OR principal IS NOT NULL OR request_id IS NOT NULL OR traceparent IS NOT NULL",
    )
    .run();
}

/** Of every resource that the file knows, defined in this process or not. */
function tablesOf({
  prepare,
}: Pick<Database, "prepare">): readonly { readonly resource: string; readonly table: string }[] {
  const rows = many(
    prepare(
      "SELECT name, number FROM resources WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND sqlite_schema.name = 'objects_' || number) ORDER BY name",
    ),
  );
  return rows.map(([resource, number]) => ({ resource: String(resource), table: `objects_${number}` }));
}
