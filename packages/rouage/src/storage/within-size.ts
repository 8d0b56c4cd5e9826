/** A page that ends behind the entry with which its bodies are too long together; see `ListQuery.size`. */
import type { StoredEntry } from "./storage.ts";

export function withinSize(entries: readonly StoredEntry[], size: number): readonly StoredEntry[] {
  let total = 0;
  const crossing = entries.findIndex((entry) => {
    total += entry.kind === "object" ? entry.body.length : 0;
    return total > size;
  });
  return crossing < 0 ? entries : entries.slice(0, crossing + 1);
}
