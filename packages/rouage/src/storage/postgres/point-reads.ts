/** Reads of one row by its key, as everybody asks for them. */
import { bindable } from "../sort-key.ts";
import type { ListKey, ObjectKey, StoredEntry } from "../storage.ts";
import type { Connection } from "./connection.ts";
import type { PostgresResource } from "./resources.ts";
import { type StoredRow, storedEntry } from "./rows.ts";

type Run = Pick<Connection, "run">;

export type ListRow = readonly [revision: number, purged: number];

export async function readEntry(
  { run }: Run,
  { table }: PostgresResource,
  { parent, id }: ObjectKey,
): Promise<StoredEntry | undefined> {
  const { rows } = await run({
    text: `SELECT id, revision, body, owner FROM ${table} WHERE parent = $1 AND id = $2`,
    values: [bindable(parent), bindable(id)],
    prepared: true,
  });
  return rows[0] && storedEntry(rows[0] as StoredRow);
}

/** Undefined: nobody has touched it. */
export async function readList({ run }: Run, { resource, parent }: ListKey): Promise<ListRow | undefined> {
  const { rows } = await run({
    text: "SELECT revision, purged FROM lists WHERE resource = $1 AND parent = $2",
    values: [resource, bindable(parent)],
    prepared: true,
  });
  return rows[0] as ListRow | undefined;
}

/** Position of the newest entry of the log, 0 when there is none. */
export async function newest({ run }: Run): Promise<number> {
  const { rows } = await run({ text: "SELECT coalesce(max(position), 0) FROM log", prepared: true });
  return Number(rows[0]?.[0]);
}
