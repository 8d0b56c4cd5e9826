/** What one caller is told of what happens in a list: decided anew for each change, on the state that it is about. */
import type { JsonObject } from "../json.ts";
import type { Principal } from "../principal.ts";
import { matches } from "../storage/evaluate.ts";
import type { Filter } from "../storage/filter.ts";
import type { ListKey, ObjectKey } from "../storage/keys.ts";
import type { Permissions } from "../storage/permissions.ts";
import {
  type LogEntry,
  renderTombstone,
  type Storage,
  type StoredEntry,
  type StoredObject,
  type Tombstone,
} from "../storage/storage.ts";
import { refusal } from "./access.ts";
import type { Maybe } from "./maybe.ts";
import type { ListOptions } from "./operations.ts";
import type { Plan } from "./plan.ts";
import { listDecision } from "./rules.ts";
import { openByEntries } from "./sharing/lists.ts";
import type { Visibility } from "./visibility.ts";

export interface View {
  /** Everything that may have to be told, as a condition on stored entries; undefined: all of them. */
  readonly stored: Filter | undefined;
  /** JSON text of an entry of the list; undefined where it is not for the caller. */
  ofStored(entry: StoredEntry): Promise<string | undefined>;
  /** The same for what the log tells. */
  ofEntry(entry: LogEntry): Promise<string | undefined>;
}

/** What of the list is open to the caller; undefined: all of it. @throws ServiceError as `list` does */
export function scopeOf(plan: Plan, principal: Principal, list: ListKey): Maybe<Filter | undefined> {
  const decision = listDecision(plan.rules.list, principal);
  if (plan.sharing !== undefined) return openByEntries(plan, plan.sharing, principal, "list", list, decision);
  if (decision === false) throw refusal(principal);
  return decision === true ? undefined : decision;
}

/** What is the same for all who watch a list, put together once for each entry of the log. */
export interface Remembered {
  /** JSON texts as everybody sees them. */
  readonly rendered: WeakMap<LogEntry, Promise<string | undefined>>;
  /** What deleted objects were before. */
  readonly before: WeakMap<LogEntry, Promise<StoredObject | undefined>>;
}

export interface ViewParts {
  readonly storage: Storage;
  readonly visibility: Visibility;
  readonly principal: Principal;
  readonly list: ListKey;
  readonly scope: Filter | undefined;
  readonly wanted: Pick<ListOptions, "filter" | "fields">;
  readonly remembered: Remembered;
}

export function viewOf({ storage, visibility, principal, list, scope, wanted, remembered }: ViewParts): View {
  const { filter, fields } = wanted;
  const condition = both(scope, filter);
  const isPlain = visibility.isTransparent && fields === undefined;

  async function isWanted(object: StoredObject): Promise<boolean> {
    if (condition === undefined) return true;
    const grants = asksEntries(condition) ? await storage.permissions.of({ ...list, id: object.id }) : {};
    return satisfies(condition, object, grants);
  }

  async function ofObject(object: StoredObject): Promise<string | undefined> {
    return (await isWanted(object)) ? visibility.render(object, principal, fields) : undefined;
  }

  /** Who sees the whole list hears of every deletion; others of those of objects that they saw. */
  async function ofTombstone(tombstone: Tombstone, entry?: LogEntry): Promise<string | undefined> {
    if (condition !== undefined) {
      const search = () => lastState(storage, { ...list, id: tombstone.id }, tombstone.revision);
      const before = await (entry === undefined ? search() : once(remembered.before, entry, search));
      if (before === undefined ? scope !== undefined : !satisfies(condition, before, {})) return undefined;
    }
    return renderTombstone(tombstone);
  }

  async function ofEntry(entry: LogEntry): Promise<string | undefined> {
    const { id, revision, body } = entry;
    if (entry.action === "delete") return ofTombstone({ kind: "tombstone", id, revision }, entry);
    if (body !== undefined && condition === undefined && visibility.isTransparent)
      return ofObject({ kind: "object", id, revision, body });
    const current = await storage.get({ ...list, id });
    // Gone, or changed again: what the log says next tells it.
    if (current?.kind !== "object") return undefined;
    if (body !== undefined) return ofObject({ ...current, revision, body });
    return current.revision === revision ? ofObject(current) : undefined;
  }

  return {
    stored:
      condition === undefined
        ? undefined
        : { kind: "or", filters: [condition, { kind: "compare", field: "deleted", operator: "eq", value: true }] },
    ofStored: (entry) => (entry.kind === "object" ? ofObject(entry) : ofTombstone(entry)),
    ofEntry:
      isPlain && condition === undefined ? (entry) => once(remembered.rendered, entry, () => ofEntry(entry)) : ofEntry,
  };
}

function once<T>(known: WeakMap<LogEntry, Promise<T>>, entry: LogEntry, make: () => Promise<T>): Promise<T> {
  let value = known.get(entry);
  if (value === undefined) {
    value = make();
    known.set(entry, value);
  }
  return value;
}

/** Entries of one object that are looked at for its last state. */
const longestSearch = 1000;

/** The object as it was before this deletion, as far as the log has kept it; its owner is who created it. */
async function lastState(
  storage: Storage,
  { resource, parent, id }: ObjectKey,
  revision: number,
): Promise<StoredObject | undefined> {
  let body: string | undefined;
  let isFound = false;
  let looked = 0;
  for await (const { action, ...entry } of storage.log({ resources: [resource], parent, id, reverse: true })) {
    if (++looked > longestSearch) break;
    if (!isFound) {
      isFound = action === "delete" && entry.revision === revision;
      continue;
    }
    if (action === "event") continue;
    if (action !== "delete") body ??= entry.body;
    if (body === undefined || action === "delete") break;
    if (action !== "create") continue;
    const { principal: owner } = entry;
    return { kind: "object", id, revision, body, ...(owner === undefined ? {} : { owner }) };
  }
  return body === undefined ? undefined : { kind: "object", id, revision, body };
}

function satisfies(filter: Filter, { id, revision, owner, body }: StoredObject, permissions: Permissions): boolean {
  return matches(filter, { id, revision, owner, permissions, value: JSON.parse(body) as JsonObject });
}

/** True where the filter asks for the object's own permission entries. */
function asksEntries(filter: Filter): boolean {
  if (filter.kind === "and" || filter.kind === "or") return filter.filters.some(asksEntries);
  return filter.kind === "not" ? asksEntries(filter.filter) : filter.kind === "shared";
}

function both(a: Filter | undefined, b: Filter | undefined): Filter | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : { kind: "and", filters: [a, b] };
}
