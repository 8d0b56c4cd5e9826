/** How much there is in a bucket and in a collection: counters that are kept in the transaction of every write. */
import type { JsonObject, ServiceContext } from "rouage";
import type { Change, ObjectKey } from "rouage/storage";

export interface Counters {
  /** In buckets alone. */
  readonly collection_count?: number;
  readonly record_count: number;
  /** Bytes of compact JSON; tombstones are free. */
  readonly storage_size: number;
}

export const bucketCounters = (bucket: string): ObjectKey => ({
  resource: "quota",
  parent: `bucket/${bucket}`,
  id: "bucket_info",
});

export const collectionCounters = (bucket: string, collection: string): ObjectKey => ({
  resource: "quota",
  parent: `bucket/${bucket}/collection/${collection}`,
  id: "collection_info",
});

export async function readCounters(storage: ServiceContext["storage"], key: ObjectKey): Promise<Counters> {
  const found = await storage.get(key);
  return found?.kind === "object" ? JSON.parse(found.body) : { record_count: 0, storage_size: 0 };
}

export function writeCounters(key: ObjectKey, counters: Counters): Change {
  return { kind: "put", key, body: JSON.stringify(counters), expect: { kind: "any" }, logBody: false };
}

/** Counters never fall below nothing, whatever happened before they were kept. */
export function added(counters: Counters, more: Partial<Counters>): Counters {
  const sum = (a = 0, b = 0) => Math.max(0, a + b);
  const collections =
    counters.collection_count === undefined && more.collection_count === undefined
      ? {}
      : { collection_count: sum(counters.collection_count, more.collection_count) };
  return {
    ...collections,
    record_count: sum(counters.record_count, more.record_count),
    storage_size: sum(counters.storage_size, more.storage_size),
  };
}

/** Bytes of an object as compact JSON, id and revision included. */
export function sizeOf(object: JsonObject | undefined): number {
  return object === undefined ? 0 : Buffer.byteLength(JSON.stringify(object));
}
