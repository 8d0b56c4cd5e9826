/** The monitored collections and the revisions of their records, in memory: the log says which of them have to be looked at again. */
import { createHash } from "node:crypto";
import { type JsonObject, type ServiceContext, ServiceError } from "rouage";
import type { ListKey } from "rouage/storage";
import type { ChangesSettings } from "./changes-settings.ts";

export interface MonitoredCollections {
  /** With every write that was acknowledged before it is asked. */
  now(): Promise<Monitored>;
}

export interface Monitored {
  readonly entries: readonly MonitoredCollection[];
  /** The highest of them; where there is nothing, one that stays. */
  readonly revision: number;
}

export interface MonitoredCollection extends JsonObject {
  readonly id: string;
  readonly last_modified: number;
  readonly bucket: string;
  readonly collection: string;
  readonly host: string;
}

/** Log entries that are looked through; where there are more, reading all revisions anew is less work. */
const mostEntries = 1000;
/** Whoever empties the store empties the cache as well; then the word kept there is another, and everything is read anew. */
const marker = "kinto-changes:known";
const markerSeconds = 86_400;

export function monitoredCollections(
  { storage, cache, clock, settings: { readonly } }: Pick<ServiceContext, "storage" | "cache" | "clock" | "settings">,
  { monitored, host }: Pick<ChangesSettings, "monitored" | "host">,
): MonitoredCollections {
  const started = clock.now();
  const isMonitored = (bucket: string, collection: string) =>
    monitored.some((each) => each.bucket === bucket && (each.collection ?? collection) === collection);
  let table = new Map<string, MonitoredCollection>();
  let known: Monitored = { entries: [], revision: started };
  /** Undefined: nothing is known. */
  let position: number | undefined;
  let word: string | undefined;
  let refreshing: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const current = await currentWord();
    const from = current === word ? position : undefined;
    const to = await storage.position();
    const touched = from === undefined ? undefined : await touchedSince(from);
    if (touched === undefined) {
      table = new Map();
      for await (const [bucket, collection] of existing()) await read(bucket, collection);
    } else for (const [bucket, collection] of touched.values()) await read(bucket, collection);
    const entries = [...table.values()].sort((a, b) => b.last_modified - a.last_modified || (a.id < b.id ? 1 : -1));
    known = { entries, revision: entries[0]?.last_modified ?? started };
    position = to;
    word = current;
  }

  /** One for all instances that share the cache. A cache that is away leaves what is known as it is. */
  async function currentWord(): Promise<string | undefined> {
    try {
      const kept = await cache.get(marker);
      if (kept !== undefined) return kept;
      const fresh = crypto.randomUUID();
      return (await cache.add(marker, fresh, markerSeconds)) ? fresh : await cache.get(marker);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      return word;
    }
  }

  /** Undefined: collections came or went, or too much was written. */
  async function touchedSince(after: number): Promise<ReadonlyMap<string, readonly [string, string]> | undefined> {
    const touched = new Map<string, readonly [string, string]>();
    let count = 0;
    for await (const { resource, parent, action } of storage.log({ after, resources: ["collection", "record"] })) {
      if (++count > mostEntries) return undefined;
      const [, bucket = "", , collection] = parent.split("/");
      if (resource === "record" && collection !== undefined && isMonitored(bucket, collection))
        touched.set(parent, [bucket, collection]);
      if (resource === "collection" && action !== "update" && monitored.some((each) => each.bucket === bucket))
        return undefined;
    }
    return touched;
  }

  async function* existing(): AsyncGenerator<readonly [string, string]> {
    for (const { bucket, collection } of monitored) {
      const list: ListKey = { resource: "collection", parent: `bucket/${bucket}` };
      if (collection !== undefined) {
        if ((await storage.get({ ...list, id: collection }))?.kind === "object") yield [bucket, collection];
        continue;
      }
      const sort = [{ field: "id", direction: "ascending" }] as const;
      let after: readonly [string] | undefined;
      while (true) {
        const page = await storage.list(list, { sort, limit: 1000, ...(after === undefined ? {} : { after }) });
        for (const { id } of page) yield [bucket, id];
        const last = page.at(-1);
        if (last === undefined) break;
        after = [last.id];
      }
    }
  }

  async function read(bucket: string, collection: string): Promise<void> {
    const parent = `bucket/${bucket}/collection/${collection}`;
    const revision = await storage.timestamp({ resource: "record", parent }, readonly);
    const id = table.get(parent)?.id ?? idOf(`${host}/buckets/${bucket}/collections/${collection}`);
    table.set(parent, { id, last_modified: revision, bucket, collection, host });
  }

  return {
    async now() {
      if (monitored.length === 0) return known;
      const asked = await storage.position();
      const isKnown = async () => position !== undefined && position >= asked && (await currentWord()) === word;
      if (await isKnown()) return known;
      // One that began earlier may have missed what is asked for.
      await refreshing;
      if (await isKnown()) return known;
      refreshing ??= refresh().finally(() => {
        refreshing = undefined;
      });
      await refreshing;
      return known;
    },
  };
}

/** As Kinto makes them, so that clients that move here know their entries again. */
function idOf(place: string): string {
  const hex = createHash("md5").update(place).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
