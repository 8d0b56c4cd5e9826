/** Answers of requests with an Idempotency-Key in the service's storage: kept in the same transaction as what the request wrote. */
import type { Cache } from "../cache/cache.ts";
import type { Clock } from "../clock.ts";
import type { IdempotencyStore } from "../faces/rest/idempotency.ts";
import { CommitConflict, type ListDefinition, type Storage } from "../storage/storage.ts";

export interface IdempotencyStoreParts {
  readonly storage: Storage;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly keepSeconds: number;
  /** Longest that a request may be under way. */
  readonly requestSeconds: number;
}

const list = { resource: "idempotency-keys", parent: "" } as const;

export const idempotencyList: ListDefinition = { resource: list.resource, indexes: [["expires"]], unique: [] };

interface KeptRecord {
  readonly expires: number;
  readonly sealed: string;
}

export function idempotencyStore(parts: IdempotencyStoreParts): IdempotencyStore {
  const { storage, cache, clock, keepSeconds, requestSeconds } = parts;
  const underWay = new Set<string>();
  const shared = cache.capabilities.shared;

  return {
    async find(id) {
      const entry = await storage.get({ ...list, id });
      if (entry?.kind !== "object") return undefined;
      const { expires, sealed } = JSON.parse(entry.body) as KeptRecord;
      return expires > clock.now() ? sealed : undefined;
    },

    async keep(id, sealed) {
      const key = { ...list, id };
      const old = await storage.get(key);
      const expired = old?.kind === "object" && (JSON.parse(old.body) as KeptRecord).expires <= clock.now();
      const expect = expired ? ({ kind: "revision", revision: old.revision } as const) : ({ kind: "absent" } as const);
      const body = JSON.stringify({ expires: clock.now() + keepSeconds * 1000, sealed } satisfies KeptRecord);
      try {
        await storage.commit([{ kind: "put", key, body, expect, logBody: false }]);
        return true;
      } catch (error) {
        if (error instanceof CommitConflict) return false;
        throw error;
      }
    },

    transaction: (work) => storage.transaction(work),

    /** In this process always, over all instances where the cache is theirs together; whoever comes through both is found out by `keep`. */
    claim(id) {
      if (underWay.has(id)) return false;
      underWay.add(id);
      if (!shared) return true;
      return claimed(id).then((mine) => {
        if (!mine) underWay.delete(id);
        return mine;
      });
    },

    async release(id) {
      underWay.delete(id);
      if (shared) await Promise.try(() => cache.delete(cacheKey(id))).catch(() => undefined);
    },
  };

  async function claimed(id: string): Promise<boolean> {
    try {
      return await cache.add(cacheKey(id), "1", 2 * requestSeconds);
    } catch {
      // A cache that cannot be reached keeps nobody from working.
      return true;
    }
  }
}

const cacheKey = (id: string): string => `idempotency ${id}`;

/** Most records that go in one step. */
const stepSize = 200;

/** Removes some of what is too old; true when there may be more. */
export async function purgeIdempotencyKeys(storage: Storage, now: number): Promise<boolean> {
  const expired = await storage.list(list, {
    filter: { kind: "compare", field: "expires", operator: "le", value: now },
    sort: [{ field: "expires", direction: "ascending" }],
    limit: stepSize,
  });
  if (expired.length === 0) return false;
  await storage.transaction(async () => {
    for (const { id, revision } of expired) {
      const change = { kind: "delete", key: { ...list, id }, expect: { kind: "revision", revision } } as const;
      try {
        await storage.commit([change]);
      } catch (error) {
        // Taken again meanwhile.
        if (!(error instanceof CommitConflict)) throw error;
      }
    }
    await storage.purgeTombstones(list, (await storage.timestamp(list)) + 1);
  });
  return expired.length === stepSize;
}
