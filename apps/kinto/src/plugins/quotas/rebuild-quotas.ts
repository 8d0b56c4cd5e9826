/** Counts what there is anew, for stores that were filled before quotas were switched on. */
import type { Service } from "rouage";
import { parseEntry } from "rouage/storage";
import { added, bucketCounters, type Counters, collectionCounters, sizeOf, writeCounters } from "./quota-counters.ts";

/** @returns how many buckets and collections were counted. To be run while nobody writes. */
export async function rebuildQuotas({ storage }: Pick<Service, "storage">): Promise<{
  readonly buckets: number;
  readonly collections: number;
}> {
  const buckets = new Map<string, Counters>();
  const collections = new Map<string, Counters>();
  const add = (counted: Map<string, Counters>, name: string, more: Partial<Counters>) =>
    counted.set(name, added(counted.get(name) ?? { record_count: 0, storage_size: 0 }, more));
  for (const resource of ["bucket", "collection", "group", "record"]) {
    for await (const entry of storage.scan(resource)) {
      const size = { storage_size: sizeOf(parseEntry(entry)) };
      const [, bucket = entry.id, , collection = entry.id] = entry.parent.split("/");
      const record = resource === "record" ? { record_count: 1 } : {};
      add(buckets, bucket, { ...size, ...record, collection_count: resource === "collection" ? 1 : 0 });
      if (resource === "collection" || resource === "record")
        add(collections, `${bucket}/${collection}`, { ...size, ...record });
    }
  }
  const changes = [
    ...[...buckets].map(([bucket, counters]) => writeCounters(bucketCounters(bucket), counters)),
    ...[...collections].map(([name, counters]) => {
      const [bucket = "", collection = ""] = name.split("/");
      return writeCounters(collectionCounters(bucket, collection), counters);
    }),
  ];
  for (let at = 0; at < changes.length; at += 500) await storage.commit(changes.slice(at, at + 500));
  return { buckets: buckets.size, collections: collections.size };
}
