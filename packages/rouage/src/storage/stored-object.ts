/** An object as callers of a storage get it, from what a database keeps of it. */
import type { StoredObject } from "./storage.ts";

/** `owner` is null where nobody is known to have created it. */
export function storedObject(id: string, revision: number, body: string, owner: string | null): StoredObject {
  return owner === null ? { kind: "object", id, revision, body } : { kind: "object", id, revision, body, owner };
}
