/** From rows to entries. */
import type { StoredEntry, StoredObject } from "../storage.ts";

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

export function storedObject(id: string, revision: number, body: string, owner: string | null): StoredObject {
  return owner === null ? { kind: "object", id, revision, body } : { kind: "object", id, revision, body, owner };
}
