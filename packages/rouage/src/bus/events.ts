/**
 * What happened, as others are told: the entries of the log, merged into one event for each list and action of a request. Knows no receiver:
 * listeners and webhooks are made of it.
 */
import { createHash } from "node:crypto";
import type { JsonObject } from "../json.ts";
import { ancestorsOf, parameterOf } from "../operations/paths.ts";
import type { Resource } from "../resource-declaration.ts";
import { readAnnotations } from "../schema/annotations.ts";
import { holderOf } from "../schema/fields.ts";
import { type LogEntry, parseEntry, type Storage } from "../storage/storage.ts";

export type ChangeAction = "create" | "update" | "delete";

export interface ImpactedObject {
  /** The object after the change; a tombstone where it was deleted; only `id` and `last_modified` where the log does not keep bodies. */
  readonly new: JsonObject;
  /** The object before the change, where the log has it. */
  readonly old?: JsonObject;
}

/** Something that happened to objects of one list, by one request. */
export interface ChangeEvent {
  /** The same whenever the event is delivered again. */
  readonly id: string;
  readonly payload: ChangePayload;
  /** Positions of its entries in the log. */
  readonly first: number;
  readonly last: number;
  readonly requestId: string | undefined;
  readonly traceparent: string | undefined;
}

/** Beside these: the ids of the objects above (`people_id`), and that of the object where there is only one (`kittens_id`). */
export interface ChangePayload {
  /** `kittens.create` */
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly action: ChangeAction;
  /** Path without the version: of the object, or of the list where several changed. */
  readonly uri: string;
  /** The principal that did it; absent for an anonymous caller. */
  readonly user_id?: string;
  readonly resource_name: string;
  readonly impacted_objects: readonly ImpactedObject[];
  readonly [parameter: `${string}_id`]: string | undefined;
}

export interface EventOptions {
  readonly storage: Pick<Storage, "log">;
  readonly resources: readonly Resource[];
  /** Leaves out fields that only some callers may read. Fields that are never sent are always left out. */
  readonly publicOnly?: boolean;
}

/** Makes events of entries that belong together, in the order in which their kinds first occur. */
export function eventMaker(options: EventOptions): (entries: readonly LogEntry[]) => Promise<readonly ChangeEvent[]> {
  const known = new Map(options.resources.map((resource) => [resource.name, describe(resource, options)]));
  return async (entries) => {
    const merged = new Map<string, LogEntry[]>();
    for (const entry of entries) {
      if (entry.action === "event" || !known.has(entry.resource)) continue;
      const key = `${entry.resource}\n${entry.parent}\n${entry.action}`;
      const others = merged.get(key);
      if (others === undefined) merged.set(key, [entry]);
      else others.push(entry);
    }
    const bodies = previousBodies(options.storage, entries);
    const events: ChangeEvent[] = [];
    for (const own of merged.values()) {
      const description = known.get(own[0]?.resource ?? "");
      if (description !== undefined) events.push(await eventOf(own, description, bodies));
    }
    return events;
  };
}

interface Description {
  readonly resource: Resource;
  /** Removes what receivers may not see, in place. */
  readonly hide: (object: JsonObject) => void;
}

function describe(resource: Resource, { publicOnly = false }: EventOptions): Description {
  const hidden: (readonly string[])[] = [...readAnnotations(resource.options.schema).writeOnly];
  if (publicOnly)
    for (const [field, access] of Object.entries(resource.options.fieldAccess ?? {}))
      if ((access as { readonly read?: unknown } | undefined)?.read !== undefined) hidden.push([field]);
  return {
    resource,
    hide(object) {
      for (const path of hidden) {
        const holder = holderOf(object as Record<string, unknown>, path);
        if (holder !== undefined) delete holder[path.at(-1) ?? ""];
      }
    },
  };
}

type PreviousBody = (entry: LogEntry) => Promise<{ readonly body: string; readonly revision: number } | undefined>;

async function eventOf(
  entries: readonly LogEntry[],
  { resource, hide }: Description,
  previous: PreviousBody,
): Promise<ChangeEvent> {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined || first.action === "event") throw new Error("an event needs entries");
  const impacted: ImpactedObject[] = [];
  const shown = (id: string, revision: number, body: string): JsonObject => {
    const object = parseEntry({ kind: "object", id, revision, body });
    hide(object);
    return object;
  };
  for (const entry of entries) {
    const { id, revision, body, action } = entry;
    const now: JsonObject =
      action === "delete"
        ? { id, last_modified: revision, deleted: true }
        : body === undefined
          ? { id, last_modified: revision }
          : shown(id, revision, body);
    const before = action === "create" ? undefined : await previous(entry);
    impacted.push(before === undefined ? { new: now } : { new: now, old: shown(id, before.revision, before.body) });
  }
  const { uri, params } = placeOf(resource, first.parent, entries.length === 1 ? first.id : undefined);
  return {
    id: idOf(first),
    first: first.position,
    last: last.position,
    requestId: first.requestId,
    traceparent: first.traceparent,
    payload: {
      type: `${resource.name}.${first.action}`,
      timestamp: last.time,
      action: first.action,
      uri,
      ...(first.principal === undefined ? {} : { user_id: first.principal }),
      resource_name: resource.name,
      ...params,
      impacted_objects: impacted,
    },
  };
}

/** Follows from what never changes of the first entry, so that it is the same after a restart, and another after a store was begun anew. */
function idOf({ position, time, resource, parent, id, action, revision }: LogEntry): string {
  const text = JSON.stringify([position, time, resource, parent, id, action, revision]);
  return `evt_${createHash("sha256").update(text).digest("base64url").slice(0, 27)}`;
}

/** Path of the object or list, and the ids in it. `parent` ends with `name/id` for each resource above. */
function placeOf(
  resource: Resource,
  parent: string,
  id: string | undefined,
): { readonly uri: string; readonly params: Readonly<Record<`${string}_id`, string>> } {
  const above = ancestorsOf(resource);
  const segments = parent.split("/").slice(-2 * above.length);
  const params: Record<`${string}_id`, string> = {};
  for (const [index, { name }] of above.entries())
    params[parameterOf(name) as `${string}_id`] = segments[2 * index + 1] ?? "";
  if (id !== undefined) params[parameterOf(resource.name) as `${string}_id`] = id;
  const path = id === undefined ? resource.listPath : resource.objectPath;
  const uri = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(name === "id" ? (id ?? "") : (params[name as `${string}_id`] ?? "")),
  );
  return { uri, params };
}

/** Entries of one object that are looked at for the state before a change. */
const longestSearch = 1000;

/** What objects were before; those that changed twice among the entries are known without asking the log. */
function previousBodies(storage: Pick<Storage, "log">, entries: readonly LogEntry[]): PreviousBody {
  const nameOf = ({ resource, parent, id }: LogEntry) => `${resource}\n${parent}\n${id}`;
  const before = new Map<LogEntry, LogEntry>();
  const latest = new Map<string, LogEntry>();
  for (const entry of entries) {
    if (entry.action === "event") continue;
    const other = latest.get(nameOf(entry));
    if (other !== undefined) before.set(entry, other);
    latest.set(nameOf(entry), entry);
  }
  return async (entry) => {
    const found = before.get(entry) ?? (await search(entry));
    return found?.body === undefined || found.action === "delete"
      ? undefined
      : { body: found.body, revision: found.revision };
  };

  async function search({ resource, parent, id, position }: LogEntry): Promise<LogEntry | undefined> {
    let looked = 0;
    for await (const entry of storage.log({ resources: [resource], parent, id, reverse: true })) {
      if (++looked > longestSearch) return undefined;
      if (entry.position < position && entry.action !== "event") return entry;
    }
    return undefined;
  }
}
