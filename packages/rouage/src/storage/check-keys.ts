/** What storages in a database refuse: keys that an index of it could not hold. */
import { ServiceError } from "../errors.ts";
import type { Change, ObjectKey } from "./storage.ts";

/** Longest key in bytes, all of its parts together: an entry of an index of PostgreSQL has 2,704. */
const longestKey = 2_000;

/** @throws ServiceError `invalid-parameters` where a key is none that an index takes */
export function checkKeys(changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.kind !== "members" && change.kind !== "forget") {
      checkKey("id" in change.key ? change.key : { ...change.key, id: "" });
    }
  }
}

export function checkKey({ resource, parent, id }: ObjectKey): void {
  const key = `${resource}${parent}${id}`;
  if (key.includes("\0") || (key.length * 3 > longestKey && Buffer.byteLength(key) > longestKey)) {
    throw new ServiceError("invalid-parameters", { message: "Invalid object id" });
  }
}
