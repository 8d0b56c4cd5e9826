/** SQL functions that queries need beyond SQLite's own, so that it agrees with `evaluate.ts`. No index and no table uses them. */
import type { DatabaseSync } from "node:sqlite";
import { canonicalJson, isLike } from "../evaluate.ts";

export function registerFunctions(connection: DatabaseSync): void {
  const options = { deterministic: true, directOnly: true };
  /** rouage_like(pattern, JSON text of a value or NULL) */
  connection.function("rouage_like", options, (pattern, json) =>
    typeof json === "string" && isLike(String(pattern), JSON.parse(json)) ? 1 : 0,
  );
  /** rouage_canonical(JSON text) */
  connection.function("rouage_canonical", options, (json) =>
    typeof json === "string" ? canonicalJson(JSON.parse(json)) : null,
  );
}
