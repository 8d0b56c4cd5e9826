/** SQL functions that queries need beyond SQLite's own, so that it agrees with `evaluate.ts`. No index and no table uses them. */
import type { DatabaseSync } from "node:sqlite";
import { canonicalJson, fieldValue, isLike } from "../evaluate.ts";

export function registerFunctions(connection: DatabaseSync): void {
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
}
