/** What concerns the store as a whole: how much there is of everything, and taking all of it out. */
import type { ListState, ResourceTotal } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { blanked, carries } from "./erase.ts";
import { tableOf } from "./resources.ts";

type Run = Pick<Connection, "run">;

/** Rows read in one go. */
const page = 2_000;

/** Every list that was ever touched, from pages that `read` answers. */
export async function* listStates(
  read: <T>(work: (connection: Run) => Promise<T>) => Promise<T>,
): AsyncIterable<ListState> {
  for (let after: ListState | undefined; ; ) {
    const behind = after === undefined ? "" : " AND (resource, parent) > ($1, $2)";
    const values = after === undefined ? [] : [after.resource, after.parent];
    const text = `SELECT resource, parent, revision, greatest(purged, (SELECT value FROM rouage_meta WHERE key = 'restored')) FROM lists WHERE revision > 0${behind} ORDER BY resource, parent LIMIT ${page}`;
    const { rows } = await read(({ run }) => run({ text, values }));
    const states = (rows as unknown as readonly [string, string, number, number][]).map(
      ([resource, parent, revision, purged]): ListState => ({ resource, parent, revision, purged }),
    );
    yield* states;
    if (states.length < page) return;
    after = states[states.length - 1];
  }
}

export async function totalsOf({ run }: Run): Promise<readonly ResourceTotal[]> {
  const totals: ResourceTotal[] = [];
  for (const { resource, table } of await tablesOf({ run })) {
    const { rows } = await run(
      `SELECT count(*) FILTER (WHERE body IS NOT NULL), count(*) FILTER (WHERE body IS NULL) FROM ${table}`,
    );
    totals.push({ resource, objects: Number(rows[0]?.[0]), tombstones: Number(rows[0]?.[1]) });
  }
  return totals;
}

/** To be called inside of a transaction. Rows of the log are never deleted: positions go on from them. */
export async function emptyOut({ run }: Run): Promise<void> {
  for (const { table } of await tablesOf({ run })) await run(`DELETE FROM ${table}`);
  for (const table of ["lists", "aces", "members"]) await run(`DELETE FROM ${table}`);
  await run(`UPDATE log SET ${blanked} WHERE ${carries}`);
}

export async function tablesOf({
  run,
}: Run): Promise<readonly { readonly resource: string; readonly table: string }[]> {
  const { rows } = await run("SELECT name, number FROM resources ORDER BY name");
  return rows.map(([resource, number]) => ({ resource: String(resource), table: tableOf(Number(number)) }));
}
