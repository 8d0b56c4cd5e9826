/** SQL functions that queries need beyond SQLite's own, so that it agrees with `evaluate.ts`. No index and no table uses them. */
import type { DatabaseSync } from "node:sqlite";
import { canonicalJson, fieldValue, isLike } from "../evaluate.ts";
import { QueryTooCostly } from "../storage.ts";

/** The time that the query under way may take; node:sqlite has no other way to interrupt a statement. */
export interface QueryBudget {
  /** Runs a query; where it asks `rouage_within()` for every row, it ends when its time is up. @throws QueryTooCostly */
  spend<T>(milliseconds: number, query: () => T): T;
}

/** Rows between two looks at the clock. */
const rowsBetween = 64;

export function registerFunctions(connection: DatabaseSync): QueryBudget {
  let deadline = Number.POSITIVE_INFINITY;
  let rows = 0;
  /** rouage_within(): always 1. Not deterministic, so that it is called for each row. */
  connection.function("rouage_within", { deterministic: false, directOnly: true }, () => {
    if (++rows % rowsBetween === 0 && performance.now() > deadline) throw new QueryTooCostly();
    return 1;
  });
  const options = { deterministic: true, directOnly: true };
  /** rouage_like(pattern, JSON text of a value or NULL) */
  connection.function("rouage_like", options, (pattern, json) =>
    typeof json === "string" && isLike(String(pattern), JSON.parse(json)) ? 1 : 0,
  );
  /** rouage_pick(body, JSON text of a field): `{"picked": value}`, or `{}` where the field is missing */
  connection.function("rouage_pick", options, (body, field) => {
    const entry = { id: "", revision: 0, value: JSON.parse(String(body)) };
    return JSON.stringify({ picked: fieldValue(entry, JSON.parse(String(field))) });
  });
  /** rouage_canonical(JSON text) */
  connection.function("rouage_canonical", options, (json) =>
    typeof json === "string" ? canonicalJson(JSON.parse(json)) : null,
  );
  return {
    spend(milliseconds, query) {
      deadline = performance.now() + milliseconds;
      try {
        return query();
      } finally {
        deadline = Number.POSITIVE_INFINITY;
      }
    },
  };
}
