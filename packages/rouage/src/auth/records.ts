/** What refresh families and browser sessions share: removing records of a store, tolerant of who was faster. */
import type { JsonObject } from "../json.ts";
import { type Change, CommitConflict, type CommitContext, type ObjectKey, type Storage } from "../storage/storage.ts";

/** True for a commit that was not made because somebody else's came first. */
export function isConflict(error: unknown): error is CommitConflict {
  return error instanceof CommitConflict || (error instanceof Error && error.name === "CommitConflict");
}

/** Removes the live objects among `keys`, with `also` in the same commit; false when none was left to remove. */
export async function removeAll(
  storage: Storage,
  keys: readonly ObjectKey[],
  also: readonly Change[],
  context?: CommitContext,
): Promise<boolean> {
  for (;;) {
    const changes: Change[] = [];
    for (const key of keys) {
      const entry = await storage.get(key);
      if (entry?.kind === "object")
        changes.push({ kind: "delete", key, expect: { kind: "revision", revision: entry.revision } });
    }
    if (changes.length === 0) return false;
    try {
      await storage.commit([...changes, ...also], context);
      return true;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/** Deletes every record whose `expires` has passed; answers how many. */
export async function removeExpired(storage: Storage, resource: string, now: number): Promise<number> {
  const changes: Change[] = [];
  for await (const entry of storage.scan(resource, {
    filter: { kind: "compare", field: "expires", operator: "le", value: now },
  }))
    changes.push({
      kind: "delete",
      key: { resource, parent: entry.parent, id: entry.id },
      expect: { kind: "revision", revision: entry.revision },
    });
  let count = 0;
  for (const change of changes) {
    try {
      await storage.commit([change]);
      count += 1;
    } catch (error) {
      // Used or ended meanwhile.
      if (!isConflict(error)) throw error;
    }
  }
  return count;
}

/** Replaces the `data` of a record; false when there is none. */
export async function annotateRecord(storage: Storage, key: ObjectKey, data: JsonObject): Promise<boolean> {
  for (;;) {
    const entry = await storage.get(key);
    if (entry?.kind !== "object") return false;
    const body = JSON.stringify({ ...(JSON.parse(entry.body) as JsonObject), data });
    try {
      await storage.commit([
        { kind: "put", key, body, expect: { kind: "revision", revision: entry.revision }, logBody: false },
      ]);
      return true;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}
