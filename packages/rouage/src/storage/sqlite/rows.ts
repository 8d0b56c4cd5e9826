/** Reading rows as arrays, which is what statements prepared here return, and turning them into entries. */
import type { SQLInputValue, StatementSync } from "node:sqlite";
import type { StoredEntry, StoredObject } from "../storage.ts";

export type Row = readonly unknown[];

export function one(statement: StatementSync, ...values: SQLInputValue[]): Row | undefined {
  return statement.get(...values) as unknown as Row | undefined;
}

export function many(statement: StatementSync, ...values: SQLInputValue[]): readonly Row[] {
  return statement.all(...values) as unknown as readonly Row[];
}

/** At most what a reader should hold at once; the first row always. */
const longestBatch = 1_000_000;
/** So few rows are read at once and cut afterwards: one by one they cost more than half as much again. */
const fewRows = 128;

/**
 * Rows until `size` of them is more than `most`, by default about a megabyte; says whether that cut them short. `limit` is what the statement itself
 * ends at, where that is known.
 */
export function batch(
  statement: StatementSync,
  values: readonly SQLInputValue[],
  size: (row: Row) => number,
  { most = longestBatch, limit = Number.POSITIVE_INFINITY }: { readonly most?: number; readonly limit?: number } = {},
): { readonly rows: readonly Row[]; readonly cut: boolean } {
  const found: Iterable<unknown> = limit <= fewRows ? statement.all(...values) : statement.iterate(...values);
  const rows: Row[] = [];
  let total = 0;
  for (const value of found) {
    const row = value as Row;
    if (total > most) return { rows, cut: true };
    rows.push(row);
    total += size(row);
  }
  return { rows, cut: false };
}

/** From (id, revision, body, owner). */
export function storedObject(id: string, revision: unknown, body: unknown, owner: unknown): StoredObject {
  return owner === null
    ? { kind: "object", id, revision: revision as number, body: body as string }
    : { kind: "object", id, revision: revision as number, body: body as string, owner: owner as string };
}

/** From (id, revision, body, owner), where a tombstone has no body. */
export function storedEntry(row: Row): StoredEntry {
  const [id, revision, body, owner] = row;
  if (body === null) return { kind: "tombstone", id: id as string, revision: revision as number };
  return storedObject(id as string, revision, body, owner);
}
