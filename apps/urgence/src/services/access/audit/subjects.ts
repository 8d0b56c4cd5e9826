/**
 * Pseudonyms of the people in the audit. The chain names a person by a random pseudonym; the only link from the account to the
 * pseudonym is a row here, found by a keyed hash of the account id. Erasing the row leaves the chain whole and the pseudonym
 * meaningless.
 */
import { createHmac, randomBytes } from "node:crypto";
import type { Change, ObjectKey, Storage } from "rouage/storage";
import { auditLists } from "./records.ts";

export interface Subjects {
  /** The pseudonym; undefined when this person has none. */
  find(person: string): Promise<string | undefined>;
  /** The pseudonym, with the change that stores a new one; undefined for a person who was erased. */
  assign(person: string): Promise<{ readonly pseudonym: string; readonly change?: Change } | undefined>;
  /** Drops what is remembered in memory (another process may have written). */
  forgetCache(): void;
  /** Remembers that the person was erased: what is still on its way must not make a new link. */
  erased(person: string): void;
  /** The same of a person whom another process has erased, by the id of the link. */
  erasedRow(id: string): void;
  /** Where the link is kept. */
  key(person: string): ObjectKey;
}

/** People remembered in memory, and erased people remembered for what is on its way. */
const cacheLimit = 10_000;

export function subjects(storage: Storage, key: Uint8Array): Subjects {
  const cache = new Map<string, string>();
  const erased = new Set<string>();
  const rowOf = (id: string): ObjectKey => ({ resource: auditLists.subjects, parent: "", id });
  const rowId = (person: string) => createHmac("sha256", key).update(`subject:${person}`).digest("base64url");
  const find = async (person: string): Promise<string | undefined> => {
    const id = rowId(person);
    const cached = cache.get(id);
    if (cached !== undefined) return cached;
    const row = await storage.get(rowOf(id));
    if (row?.kind !== "object") return undefined;
    const { pseudonym } = JSON.parse(row.body) as { pseudonym: string };
    remember(cache, id, pseudonym);
    return pseudonym;
  };
  return {
    find,
    key: (person) => rowOf(rowId(person)),
    async assign(person) {
      const id = rowId(person);
      if (erased.has(id)) return undefined;
      const known = await find(person);
      if (known !== undefined) return { pseudonym: known };
      const pseudonym = randomBytes(18).toString("base64url");
      const change: Change = {
        kind: "put",
        key: rowOf(id),
        body: JSON.stringify({ pseudonym }),
        expect: { kind: "absent" },
        logBody: false,
      };
      return { pseudonym, change };
    },
    forgetCache: () => cache.clear(),
    erased: (person) => forget(rowId(person)),
    erasedRow: forget,
  };

  function forget(id: string): void {
    cache.delete(id);
    erased.add(id);
    if (erased.size > cacheLimit) for (const oldest of erased) return void erased.delete(oldest);
  }
}

function remember(cache: Map<string, string>, id: string, pseudonym: string): void {
  cache.set(id, pseudonym);
  if (cache.size > cacheLimit) for (const oldest of cache.keys()) return void cache.delete(oldest);
}
