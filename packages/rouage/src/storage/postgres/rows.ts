/** From rows to entries. */
import type { StoredEntry } from "../storage.ts";
import { storedObject } from "../stored-object.ts";

export type StoredRow = readonly [
  id: string,
  revision: number,
  body: string | null,
  owner: string | null,
  ...unknown[],
];

/** A tombstone has no body. */
export function storedEntry([id, revision, body, owner]: StoredRow): StoredEntry {
  return body === null ? { kind: "tombstone", id, revision } : storedObject(id, revision, body, owner);
}
