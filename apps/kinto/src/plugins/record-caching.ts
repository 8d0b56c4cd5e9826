/** How long anonymous readers may keep records: by server, bucket and collection in the settings, and by the collection itself. */
import type { CacheSeconds, Plugin, ServiceContext } from "rouage";
import type { SettingsReader } from "../settings/reader.ts";

export interface RecordCaching {
  readonly seconds: CacheSeconds;
  /** Gives the function its storage when the service starts. */
  readonly plugin: Plugin;
}

export function recordCaching(reader: SettingsReader): RecordCaching {
  const configured = configuredSeconds(reader);
  let storage: ServiceContext["storage"] | undefined;

  return {
    async seconds({ params: { bucket_id: bucket = "", collection_id: collection = "" } }) {
      const stored = await storage?.get({ resource: "collection", parent: `bucket/${bucket}`, id: collection });
      const own = stored?.kind === "object" ? cacheExpires(stored.body) : undefined;
      const general = configured(bucket, collection);
      const seconds = general === undefined || own === undefined ? (general ?? own) : Math.max(general, own);
      return seconds === undefined ? undefined : Math.min(seconds, longestAge);
    },
    plugin: {
      name: "record-caching",
      hooks: (context) => {
        storage = context.storage;
        return {};
      },
    },
  };
}

/** The most specific setting of a collection; parts of its name may be joined by dots or, in older files, by underscores. */
function configuredSeconds(reader: SettingsReader): (bucket: string, collection: string) => number | undefined {
  const settings = new Map<string, number>();
  for (const key of reader.keys(/^.+[._]record_cache_expires_seconds$/)) {
    const seconds = reader.integer(key, { minimum: 0 });
    if (seconds !== undefined) settings.set(key, seconds);
  }
  const general = reader.integer("record_cache_expires_seconds", { minimum: 0 });
  if (settings.size === 0) return () => general;
  return (bucket, collection) => {
    for (const scope of [`${bucket}.${collection}.`, `${bucket}_${collection}_`, `${bucket}.`, `${bucket}_`]) {
      const seconds = settings.get(`${scope}record_cache_expires_seconds`);
      if (seconds !== undefined) return seconds;
    }
    return general;
  };
}

function cacheExpires(body: string): number | undefined {
  if (!body.includes('"cache_expires"')) return undefined;
  const { cache_expires: seconds } = JSON.parse(body);
  return typeof seconds === "number" && seconds >= 0 ? seconds : undefined;
}

/** A year: caches cut what is longer. */
const longestAge = 31_536_000;
