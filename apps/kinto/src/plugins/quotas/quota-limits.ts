/** What Kinto's files say about quotas: for every bucket or collection, or for one. */
import type { SettingsReader } from "../../settings/reader.ts";

export interface Limits {
  /** Of everything together, as compact JSON. */
  readonly maxBytes: number | undefined;
  /** Records. */
  readonly maxItems: number | undefined;
  readonly maxBytesPerItem: number | undefined;
}

export interface QuotaLimits {
  ofBucket(bucket: string): Limits;
  ofCollection(bucket: string, collection: string): Limits;
}

/** `quotas.{bucket|collection}[_{bucket}[_{collection}]]_{max_bytes|max_items|max_bytes_per_item}`; the most specific counts. */
export function readQuotaLimits(reader: SettingsReader): QuotaLimits {
  const values = new Map<string, number>();
  for (const key of reader.keys(/^quotas\..+_max_(bytes|items|bytes_per_item)$/)) {
    const value = reader.integer(key, { minimum: 0 });
    if (value !== undefined) values.set(key, value);
  }
  const limit = (scopes: readonly string[], name: string): number | undefined => {
    for (const scope of scopes) {
      const value = values.get(`quotas.${scope}_${name}`);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const limits = (scopes: readonly string[]): Limits => ({
    maxBytes: limit(scopes, "max_bytes"),
    maxItems: limit(scopes, "max_items"),
    maxBytesPerItem: limit(scopes, "max_bytes_per_item"),
  });
  return {
    ofBucket: (bucket) => limits([`bucket_${bucket}`, "bucket"]),
    ofCollection: (bucket, collection) =>
      limits([`collection_${bucket}_${collection}`, `collection_${bucket}`, "collection"]),
  };
}
