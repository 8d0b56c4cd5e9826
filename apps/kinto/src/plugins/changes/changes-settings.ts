/** What Kinto's files say about the feed of changes. */
import type { SettingsReader } from "../../settings/reader.ts";

export interface ChangesSettings {
  /** Buckets, all of their collections included, and single collections. */
  readonly monitored: readonly { readonly bucket: string; readonly collection?: string }[];
  /** Paths as the file has them, for the capability. */
  readonly resources: readonly string[];
  /** Who asks for changes since longer ago is sent to the whole list. Undefined: nobody is. */
  readonly sinceMaxAgeMs: number | undefined;
  /** How long that may be kept; undefined: not at all. */
  readonly redirectSeconds: number | undefined;
  /** What the redirection begins with; undefined: what the request came to. */
  readonly redirectOrigin: string | undefined;
  /** Shown in entries, and part of what their ids are made of. */
  readonly host: string;
  /** How long the answer of `/__broadcasts__` stays the same. */
  readonly broadcastSeconds: number;
  /** Seconds that an answer about a collection may be kept, longer where the request names the revision that it expects. */
  readonly cacheSeconds: (bucket: string, collection: string, isExpected: boolean) => number | undefined;
}

const day = 86_400_000;

export function readChangesSettings(reader: SettingsReader): ChangesSettings {
  const resources = reader.list("changes.resources") ?? [];
  const host = reader.text("http_host") ?? "";
  const redirectHost = reader.text("changes.http_host");
  const days = reader.number("changes.since_max_age_days") ?? 21;
  const ttl = reader.integer("changes.since_max_age_redirect_ttl_seconds") ?? 86_400;
  return {
    resources,
    monitored: resources.flatMap((path) => {
      const [, bucket, collection] = /^\/buckets\/([^/]+)(?:\/collections\/([^/]+))?$/.exec(path) ?? [];
      if (bucket !== undefined) return [{ bucket, ...(collection !== undefined && { collection }) }];
      reader.problem("changes.resources", `${path} is no path of a bucket or collection, such as /buckets/blog`);
      return [];
    }),
    sinceMaxAgeMs: days < 0 ? undefined : days * day,
    redirectSeconds: ttl < 0 ? undefined : ttl,
    redirectOrigin:
      redirectHost === undefined ? undefined : `${reader.text("http_scheme") ?? "https"}://${redirectHost}`,
    host,
    broadcastSeconds: reader.number("changes.broadcast_debounce_seconds", { minimum: 0 }) ?? 60,
    cacheSeconds: cacheSecondsOf(reader),
  };
}

/** Those of the collection, of the bucket, of all records, the most specific that is there. */
function cacheSecondsOf(reader: SettingsReader): ChangesSettings["cacheSeconds"] {
  const seconds = new Map<string, number>();
  for (const key of reader.keys(/(^|\.)record_cache_(maximum_)?expires_seconds$/)) {
    const value = reader.integer(key, { minimum: 0 });
    if (value !== undefined) seconds.set(key, value);
  }
  if (seconds.size === 0) return () => undefined;
  return (bucket, collection, isExpected) => {
    for (const scope of [`${bucket}.${collection}.`, `${bucket}.`, ""]) {
      const usual = seconds.get(`${scope}record_cache_expires_seconds`);
      const longest = isExpected ? seconds.get(`${scope}record_cache_maximum_expires_seconds`) : undefined;
      if (longest !== undefined || usual !== undefined) return longest ?? usual;
    }
    return undefined;
  };
}
