/** The name of a declared index in a database: the same for the same fields, and short enough for any of them. */
import { createHash } from "node:crypto";
import type { FieldPath } from "./filter.ts";

export function indexName(table: string, fields: readonly FieldPath[], across: boolean): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([across, ...fields]))
    .digest("hex")
    .slice(0, 16);
  return `${table}_f_${hash}`;
}
