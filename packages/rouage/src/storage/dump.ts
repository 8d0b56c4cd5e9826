/**
 * A whole store as lines of JSON: a header, every object, tombstone, list and group, and an end that says how many they were. The log is not in it:
 * what a store is, not how it came to be. Knows any storage by its interface alone.
 */
import type { Json, JsonObject } from "../json.ts";
import type { ListState, Permissions, Storage } from "./storage.ts";

/** The lines of a dump, as values. */
export type DumpLine =
  | {
      readonly kind: "header";
      /** Raised when older readers would misunderstand. */
      readonly format: 1;
      readonly service: string;
      readonly version: string;
      /** When it was made, ISO 8601. */
      readonly time: string;
      readonly objects: number;
      readonly tombstones: number;
    }
  | {
      readonly kind: "list";
      readonly resource: string;
      readonly parent: string;
      readonly revision: number;
      readonly purged: number;
    }
  | {
      readonly kind: "object";
      readonly resource: string;
      readonly parent: string;
      readonly id: string;
      readonly revision: number;
      readonly owner?: string;
      readonly permissions?: Permissions;
      /** The object without `id` and `last_modified`. */
      readonly body: JsonObject;
    }
  | {
      readonly kind: "tombstone";
      readonly resource: string;
      readonly parent: string;
      readonly id: string;
      readonly revision: number;
    }
  | { readonly kind: "group"; readonly group: string; readonly members: readonly string[] }
  | { readonly kind: "end"; readonly objects: number; readonly tombstones: number };

export interface DumpOptions {
  readonly service: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Names of the resources to read; they must be defined. */
  readonly resources: readonly string[];
  /** Called after every object and tombstone. */
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Lines without their line ends. Each object is whole; what is written meanwhile may be in it or not, and the next dump has it. Revisions of lists are
 * read before their objects, so that no client of a loaded store takes an object that it has not seen for seen.
 */
export async function* dumpLines(storage: Storage, options: DumpOptions): AsyncGenerator<string> {
  const { service, version, now, resources, progress } = options;
  const wanted = new Set(resources);
  const totals = (await storage.totals()).filter(({ resource }) => wanted.has(resource));
  const objects = totals.reduce((sum, each) => sum + each.objects, 0);
  const tombstones = totals.reduce((sum, each) => sum + each.tombstones, 0);
  const total = objects + tombstones;
  yield line({ kind: "header", format: 1, service, version, time: new Date(now).toISOString(), objects, tombstones });
  const lists: ListState[] = [];
  for await (const list of storage.lists()) if (wanted.has(list.resource)) lists.push(list);
  const seen = { object: 0, tombstone: 0 };
  for (const resource of resources) {
    for await (const entry of storage.scan(resource, { tombstones: true })) {
      const { kind, parent, id, revision } = entry;
      if (kind === "tombstone") yield line({ kind, resource, parent, id, revision });
      else {
        const permissions = await storage.permissions.of({ resource, parent, id });
        const shared = Object.keys(permissions).length === 0 ? {} : { permissions };
        const owned = entry.owner === undefined ? {} : { owner: entry.owner };
        const head = JSON.stringify({ kind, resource, parent, id, revision, ...owned, ...shared });
        yield `${head.slice(0, -1)},"body":${entry.body}}`;
      }
      seen[kind]++;
      progress?.(seen.object + seen.tombstone, total);
    }
  }
  for (const { resource, parent, revision, purged } of lists)
    yield line({ kind: "list", resource, parent, revision, purged });
  for await (const { group, members } of storage.permissions.groups()) yield line({ kind: "group", group, members });
  yield line({ kind: "end", objects: seen.object, tombstones: seen.tombstone });
}

function line(value: DumpLine): string {
  return JSON.stringify(value satisfies object as Json);
}
