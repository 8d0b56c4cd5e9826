/** What concerns the store as a whole: how much there is of everything, and taking all of it out. */
import type { ListState, ResourceTotal } from "../storage.ts";
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

/** Rows read in one go. */
const page = 2_000;

/** The next lists behind one, fewer than a page at the end. */
export function listStatesBehind(
  { prepare }: Pick<Database, "prepare">,
  after: ListState | undefined,
): readonly ListState[] {
  const rows = many(
    prepare(
      `SELECT resource, parent, revision, max(purged, coalesce((SELECT value FROM meta WHERE key = 'restored'), 0)) FROM lists WHERE (resource, parent) > (?, ?) ORDER BY resource, parent LIMIT ${page}`,
    ),
    after?.resource ?? "",
    after?.parent ?? "",
  ) as unknown as readonly [string, string, number, number][];
  return rows.map(([resource, parent, revision, purged]) => ({ resource, parent, revision, purged }));
}

/** All of them, from pages that `read` answers. */
export async function* listStates(
  read: (after: ListState | undefined) => Promise<readonly ListState[]>,
): AsyncIterable<ListState> {
  for (let after: ListState | undefined; ; ) {
    const states = await read(after);
    yield* states;
    if (states.length < page) return;
    after = states[states.length - 1];
  }
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
export function tablesOf({
  prepare,
}: Pick<Database, "prepare">): readonly { readonly resource: string; readonly table: string }[] {
  const rows = many(
    prepare(
      "SELECT name, number FROM resources WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND sqlite_schema.name = 'objects_' || number) ORDER BY name",
    ),
  );
  return rows.map(([resource, number]) => ({ resource: String(resource), table: `objects_${number}` }));
}
