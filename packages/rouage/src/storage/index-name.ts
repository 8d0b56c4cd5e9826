/** The name of a declared index in a database: the same for the same fields, and short enough for any of them. */
import { createHash } from "node:crypto";
import type { FieldPath } from "./filter.ts";
import type { ListDefinition } from "./storage.ts";

export function indexName(table: string, fields: readonly FieldPath[], across: boolean): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([across, ...fields]))
    .digest("hex")
    .slice(0, 16);
  return `${table}_f_${hash}`;
}

/** The indexes that a declaration asks for, by their names. */
export function wantedIndexes(
  table: string,
  { indexes, unique, uniqueAcrossParents = false }: ListDefinition,
): ReadonlyMap<string, readonly FieldPath[]> {
  const wanted = new Map<string, readonly FieldPath[]>();
  for (const fields of indexes) wanted.set(indexName(table, fields, false), fields);
  for (const fields of unique) wanted.set(indexName(table, fields, uniqueAcrossParents), fields);
  return wanted;
}
