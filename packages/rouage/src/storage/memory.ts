/** Storage in this process's memory: for tests, for trying out, and as the reference of what the interface means. */
import type { Clock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { checkChanges } from "./check-changes.ts";
import {
  canonicalJson,
  compareEntries,
  compareStrings,
  type EvaluatedEntry,
  isBehind,
  matches,
  uniqueValue,
} from "./evaluate.ts";
import type { Filter } from "./filter.ts";
import { memoryLog } from "./memory-log.ts";
import { nextRevision } from "./revision.ts";
import {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type EraseScope,
  type ListDefinition,
  type ListKey,
  type LogEntry,
  type Storage,
  type StoredEntry,
  type StoredObject,
  type Tombstone,
} from "./storage.ts";

export function memoryStorage({ clock }: { readonly clock: Clock }): Storage {
  const resources = new Map<string, MemoryResource>();
  const log = memoryLog();
  const created = clock.now();
  let closed = false;

  function open() {
    if (closed) throw new ServiceError("unavailable", { cause: new Error("the storage is closed") });
  }

  function resource(name: string): MemoryResource {
    open();
    const found = resources.get(name);
    if (found === undefined) throw new Error(`resource ${JSON.stringify(name)} is not defined in this storage`);
    return found;
  }

  function list(key: ListKey): MemoryList | undefined {
    return resource(key.resource).lists.get(key.parent);
  }

  /** Makes one change and adds what would take it back to `undo`. */
  function apply(change: Change, index: number, now: number, context: CommitContext, undo: (() => void)[]) {
    const { key } = change;
    const record = (entry: Omit<LogEntry, "position" | "time" | keyof ListKey | "id" | keyof CommitContext>) =>
      log.append({
        time: now,
        resource: key.resource,
        parent: key.parent,
        id: key.id,
        ...entry,
        ...(context.principal === undefined ? {} : { principal: context.principal }),
        ...(context.requestId === undefined ? {} : { requestId: context.requestId }),
        ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
      });
    if (change.kind === "event") {
      const body = JSON.stringify(change.data);
      return { kind: "event", position: record({ action: "event", revision: 0, type: change.type, body }) } as const;
    }

    const { lists, definition, unique } = resource(key.resource);
    const siblings = touch(lists, key.parent, undo);
    const actual = siblings.entries.get(key.id);
    const live = actual?.stored.kind === "object" ? actual.stored : undefined;
    const unexpected = () => new CommitConflict(index, { kind: "expectation", actual: actual?.stored });
    if (change.expect.kind === "absent" && live !== undefined) throw unexpected();
    if (change.expect.kind === "revision" && live?.revision !== change.expect.revision) throw unexpected();
    if (change.kind === "delete" && live === undefined) throw unexpected();

    const revision = nextRevision({
      list: siblings.revision,
      object: live?.revision,
      wish: change.revision,
      now,
      taken: (wish) => wish !== actual?.stored.revision && siblings.revisions.has(wish),
    });
    if (change.kind === "delete") {
      const tombstone: Tombstone = { kind: "tombstone", id: key.id, revision: revision.object };
      claim(unique, definition, key, actual, undefined, undo);
      place(siblings, actual, { ...evaluated(tombstone), stored: tombstone }, revision.list, undo);
      const position = record({ action: "delete", revision: revision.object });
      return { kind: "deleted", tombstone, position } as const;
    }
    const owner = live === undefined ? change.owner : live.owner;
    const object: StoredObject = {
      kind: "object",
      id: key.id,
      revision: revision.object,
      body: change.body,
      ...(owner === undefined ? {} : { owner }),
    };
    const next: MemoryEntry = { ...evaluated(object), stored: object };
    const taken = claim(unique, definition, key, actual, next, undo);
    if (taken !== undefined) {
      const existing = lists.get(taken.parent)?.entries.get(taken.id)?.stored;
      if (existing?.kind === "object")
        throw new CommitConflict(index, { kind: "unique", fields: taken.fields, existing });
    }
    place(siblings, actual, next, revision.list, undo);
    const kind = live === undefined ? "created" : "updated";
    const position = record({
      action: live === undefined ? "create" : "update",
      revision: revision.object,
      ...(change.logBody === false ? {} : { body: change.body }),
    });
    return { kind, object, position } as const;
  }

  const storage: Storage = {
    capabilities: { durable: false, shared: false, indexes: false },

    async define(definitions) {
      open();
      for (const definition of definitions) {
        const existing = resources.get(definition.resource);
        const lists = existing?.lists ?? new Map();
        resources.set(definition.resource, { definition, lists, unique: claims(definition, lists) });
      }
    },

    get(key) {
      return list(key)?.entries.get(key.id)?.stored;
    },

    async list(key, { filter, sort, limit, size, after, tombstones = false }) {
      const found = select(list(key), filter, tombstones).filter(
        (entry) => after === undefined || isBehind(entry, sort, after),
      );
      found.sort((a, b) => compareEntries(a, b, sort));
      const page = found.slice(0, limit).map((entry) => entry.stored);
      return size === undefined ? page : withinSize(page, size);
    },

    async count(key, filter) {
      return select(list(key), filter, false).length;
    },

    async *scan(name, { filter, tombstones = false } = {}) {
      const { lists } = resource(name);
      for (const parent of [...lists.keys()].sort(compareStrings)) {
        const entries = select(lists.get(parent), filter, tombstones).sort((a, b) => compareStrings(a.id, b.id));
        for (const entry of entries) yield { ...entry.stored, parent };
      }
    },

    async timestamp(key, readOnly = false) {
      const found = list(key);
      if (found !== undefined && found.revision > 0) return found.revision;
      if (readOnly) return created;
      const touched = touch(resource(key.resource).lists, key.parent, []);
      touched.revision = clock.now();
      return touched.revision;
    },

    async commit(changes, context = {}) {
      open();
      checkChanges(changes);
      const now = clock.now();
      const undo: (() => void)[] = [];
      const mark = log.position();
      const results: ChangeResult[] = [];
      try {
        for (const [index, change] of changes.entries()) results.push(apply(change, index, now, context, undo));
      } catch (error) {
        for (const step of undo.reverse()) step();
        log.truncate(mark);
        throw error;
      }
      log.notify();
      return results;
    },

    log: (query = {}) => {
      open();
      return log.read(query);
    },

    async position() {
      open();
      return log.position();
    },

    async erase(scopes) {
      open();
      let objects = 0;
      let tombstones = 0;
      for (const scope of scopes) {
        const { lists = new Map<string, MemoryList>(), definition, unique } = resources.get(scope.resource) ?? {};
        for (const [parent, siblings] of lists) {
          if (scope.parent !== undefined && scope.parent !== parent) continue;
          let touched = false;
          for (const [id, entry] of siblings.entries) {
            if (scope.id !== undefined && scope.id !== id) continue;
            siblings.entries.delete(id);
            siblings.revisions.delete(entry.revision);
            if (definition !== undefined && unique !== undefined) {
              claim(unique, definition, { parent, id }, entry, undefined, []);
            }
            if (entry.stored.kind === "object") objects++;
            else tombstones++;
            touched = true;
          }
          if (touched) siblings.revision = Math.max(clock.now(), siblings.revision + 1);
        }
      }
      return { objects, tombstones, logEntries: log.blank((entry) => scopes.some((scope) => covers(scope, entry))) };
    },

    async purgeTombstones(key, before) {
      const siblings = list(key);
      if (siblings === undefined) return 0;
      let purged = 0;
      for (const [id, entry] of siblings.entries) {
        if (entry.stored.kind !== "tombstone" || entry.revision >= before) continue;
        siblings.entries.delete(id);
        siblings.revisions.delete(entry.revision);
        purged++;
      }
      if (purged > 0) siblings.purged = Math.max(siblings.purged, before);
      return purged;
    },

    async purgedBefore(key) {
      return list(key)?.purged ?? 0;
    },

    async check() {
      open();
    },

    async close() {
      closed = true;
      log.close();
    },

    [Symbol.asyncDispose]: () => storage.close(),
  };
  return storage;
}

interface MemoryEntry extends EvaluatedEntry {
  readonly stored: StoredEntry;
}

interface MemoryList {
  readonly entries: Map<string, MemoryEntry>;
  /** Revisions of the entries. */
  readonly revisions: Set<number>;
  revision: number;
  purged: number;
}

interface MemoryResource {
  readonly definition: ListDefinition;
  readonly lists: Map<string, MemoryList>;
  /** Who holds which unique value, for each constraint. */
  readonly unique: readonly Map<string, { readonly parent: string; readonly id: string }>[];
}

function touch(lists: Map<string, MemoryList>, parent: string, undo: (() => void)[]): MemoryList {
  const existing = lists.get(parent);
  if (existing !== undefined) return existing;
  const made: MemoryList = { entries: new Map(), revisions: new Set(), revision: 0, purged: 0 };
  lists.set(parent, made);
  undo.push(() => lists.delete(parent));
  return made;
}

/** Puts `next` where `previous` was and moves the list's revision. */
function place(
  list: MemoryList,
  previous: MemoryEntry | undefined,
  next: MemoryEntry,
  revision: number,
  undo: (() => void)[],
): void {
  const before = list.revision;
  undo.push(() => {
    list.revision = before;
    list.revisions.delete(next.revision);
    if (previous === undefined) list.entries.delete(next.id);
    else {
      list.entries.set(previous.id, previous);
      list.revisions.add(previous.revision);
    }
  });
  list.revision = revision;
  if (previous !== undefined) list.revisions.delete(previous.revision);
  list.entries.set(next.id, next);
  list.revisions.add(next.revision);
}

/** Gives the unique values of `previous` back and takes those of `next`; answers who has one of them already. */
function claim(
  unique: MemoryResource["unique"],
  definition: ListDefinition,
  { parent, id }: { readonly parent: string; readonly id: string },
  previous: MemoryEntry | undefined,
  next: MemoryEntry | undefined,
  undo: (() => void)[],
): { readonly fields: readonly string[]; readonly parent: string; readonly id: string } | undefined {
  for (const [index, fields] of definition.unique.entries()) {
    const holders = unique[index];
    if (holders === undefined) continue;
    const old = previous && uniqueKey(definition, parent, previous, fields);
    const wanted = next && uniqueKey(definition, parent, next, fields);
    const holder = wanted === undefined ? undefined : holders.get(wanted);
    if (holder !== undefined && (holder.parent !== parent || holder.id !== id)) return { fields, ...holder };
    if (old === wanted) continue;
    if (old !== undefined) {
      const before = holders.get(old);
      holders.delete(old);
      if (before !== undefined) undo.push(() => holders.set(old, before));
    }
    if (wanted !== undefined) {
      holders.set(wanted, { parent, id });
      undo.push(() => holders.delete(wanted));
    }
  }
  return undefined;
}

function claims(definition: ListDefinition, lists: ReadonlyMap<string, MemoryList>): MemoryResource["unique"] {
  return definition.unique.map((fields) => {
    const holders = new Map<string, { parent: string; id: string }>();
    for (const [parent, { entries }] of lists) {
      for (const entry of entries.values()) {
        const key = uniqueKey(definition, parent, entry, fields);
        if (key === undefined) continue;
        if (holders.has(key)) {
          throw new Error(`objects of ${definition.resource} already share values of ${fields.join(", ")}`);
        }
        holders.set(key, { parent, id: entry.id });
      }
    }
    return holders;
  });
}

function uniqueKey(
  definition: ListDefinition,
  parent: string,
  entry: MemoryEntry,
  fields: readonly string[],
): string | undefined {
  if (entry.stored.kind === "tombstone") return undefined;
  const values = uniqueValue(entry, fields);
  return values && canonicalJson(definition.uniqueAcrossParents === true ? values : [parent, ...values]);
}

function withinSize(entries: readonly StoredEntry[], size: number): readonly StoredEntry[] {
  let total = 0;
  const crossing = entries.findIndex((entry) => {
    total += entry.kind === "object" ? entry.body.length : 0;
    return total > size;
  });
  return crossing < 0 ? entries : entries.slice(0, crossing + 1);
}

function select(list: MemoryList | undefined, filter: Filter | undefined, tombstones: boolean): MemoryEntry[] {
  if (list === undefined) return [];
  const found: MemoryEntry[] = [];
  for (const entry of list.entries.values()) {
    if (entry.stored.kind === "tombstone" && !tombstones) continue;
    if (filter === undefined || matches(filter, entry)) found.push(entry);
  }
  return found;
}

const deleted: JsonObject = { deleted: true };

function evaluated(entry: StoredEntry): EvaluatedEntry {
  const { id, revision } = entry;
  if (entry.kind === "tombstone") return { id, revision, value: deleted };
  return { id, revision, value: JSON.parse(entry.body), owner: entry.owner };
}

function covers(scope: EraseScope, entry: LogEntry): boolean {
  return (
    scope.resource === entry.resource &&
    (scope.parent === undefined || scope.parent === entry.parent) &&
    (scope.id === undefined || scope.id === entry.id)
  );
}
