/**
 * What the memory storage holds. A transaction works on a fork, which puts a layer over a list, or a resource's unique values, when
 * it is about to write there; others go on reading what lies below until the fork is absorbed.
 */
import { canonicalJson, type EvaluatedEntry, uniqueValue } from "./evaluate.ts";
import { LayeredMap, type MapLike } from "./layered-map.ts";
import { absorbLog, blank, forkLog, type MemoryLog } from "./memory-log.ts";
import type { ListDefinition, StoredEntry } from "./storage.ts";

export interface MemoryState {
  readonly resources: Map<string, MemoryResource>;
  /** Members of each group. */
  readonly groups: MapLike<string, ReadonlySet<string>>;
  readonly log: MemoryLog;
  /** Resources and lists that this state alone holds, and may write, each with what it lies over. Undefined: all of them. */
  readonly own: Map<object, MemoryResource | MemoryList | undefined> | undefined;
}

export interface MemoryResource {
  readonly definition: ListDefinition;
  readonly lists: MapLike<string, MemoryList>;
  /** Who holds which unique value, for each constraint. */
  readonly unique: readonly MapLike<string, Holder>[];
}

export interface MemoryList {
  readonly entries: MapLike<string, MemoryEntry>;
  /** Revisions of the entries. */
  readonly revisions: MapLike<number, true>;
  revision: number;
  purged: number;
}

export interface MemoryEntry extends EvaluatedEntry {
  readonly stored: StoredEntry;
}

export interface Holder {
  readonly parent: string;
  readonly id: string;
}

/** What takes a change back, to be run from the last to the first. */
export type Undo = (() => void)[];

export function emptyState(): MemoryState {
  return { resources: new Map(), groups: new Map(), log: { entries: [], below: undefined }, own: undefined };
}

/** Takes everything out but what is defined. */
export function emptyOut({ resources, groups, log, own }: MemoryState): void {
  for (const [name, { definition }] of resources) {
    const empty: MemoryResource = { definition, lists: new Map(), unique: claims(definition, new Map()) };
    resources.set(name, empty);
    own?.set(empty, undefined);
  }
  groups.clear();
  blank(log, () => true);
}

export function fork({ resources, groups, log }: MemoryState): MemoryState {
  return {
    resources: new Map(resources),
    groups: new LayeredMap(groups),
    log: forkLog(log),
    own: new Map(),
  };
}

/** Puts what a fork has come to into what it was forked from. */
export function absorb(state: MemoryState, part: MemoryState): void {
  for (const [name, resource] of part.resources) {
    if (part.own?.has(resource) !== true) continue;
    const below = part.own.get(resource);
    // Emptied, or of something that the state itself only reads: taken over as it is, with the lists that were written.
    if (below === undefined || !("lists" in below) || state.own?.has(below) === false) {
      state.resources.set(name, resource);
      state.own?.set(resource, below);
      for (const [, list] of written(resource.lists)) state.own?.set(list, part.own.get(list));
    } else absorbResource(state, part.own, resource, below);
  }
  if (part.groups instanceof LayeredMap) part.groups.settle();
  absorbLog(state.log, part.log);
}

function absorbResource(
  { own }: MemoryState,
  partOwn: NonNullable<MemoryState["own"]>,
  { lists, unique }: MemoryResource,
  below: MemoryResource,
): void {
  for (const [parent, list] of written(lists)) {
    const under = partOwn.get(list);
    if (under === undefined || !("entries" in under) || own?.has(under) === false) {
      below.lists.set(parent, list);
      own?.set(list, under);
    } else {
      for (const layer of [list.entries, list.revisions]) if (layer instanceof LayeredMap) layer.settle();
      under.revision = list.revision;
      under.purged = list.purged;
    }
  }
  for (const holders of unique) if (holders instanceof LayeredMap) holders.settle();
}

function written<K, V extends NonNullable<unknown>>(map: MapLike<K, V>): Iterable<[K, V]> {
  return map instanceof LayeredMap ? map.written() : map;
}

/** The resource, to be written. */
export function writableResource({ resources, own }: MemoryState, name: string): MemoryResource | undefined {
  const found = resources.get(name);
  if (found === undefined || own === undefined || own.has(found)) return found;
  const copy: MemoryResource = {
    definition: found.definition,
    lists: new LayeredMap(found.lists),
    unique: found.unique.map((holders) => new LayeredMap(holders)),
  };
  resources.set(name, copy);
  own.set(copy, found);
  return copy;
}

/** The list, to be written; made where there was none. */
export function touch(state: MemoryState, { lists }: MemoryResource, parent: string, undo: Undo): MemoryList {
  const found = lists.get(parent);
  const { own } = state;
  if (found !== undefined && (own === undefined || own.has(found))) return found;
  const list: MemoryList =
    found === undefined
      ? { entries: new Map(), revisions: new Map(), revision: 0, purged: 0 }
      : { ...found, entries: new LayeredMap(found.entries), revisions: new LayeredMap(found.revisions) };
  lists.set(parent, list);
  own?.set(list, found);
  if (found === undefined) undo.push(() => lists.delete(parent));
  return list;
}

/** Puts `next` where `previous` was and moves the list's revision. */
export function place(
  list: MemoryList,
  previous: MemoryEntry | undefined,
  next: MemoryEntry,
  revision: number,
  undo: Undo,
): void {
  const before = list.revision;
  undo.push(() => {
    list.revision = before;
    list.revisions.delete(next.revision);
    if (previous === undefined) list.entries.delete(next.id);
    else {
      list.entries.set(previous.id, previous);
      list.revisions.set(previous.revision, true);
    }
  });
  list.revision = revision;
  if (previous !== undefined) list.revisions.delete(previous.revision);
  list.entries.set(next.id, next);
  list.revisions.set(next.revision, true);
}

/** Gives the unique values of `previous` back and takes those of `next`; answers who has one of them already. */
export function claim(
  { definition, unique }: MemoryResource,
  { parent, id }: Holder,
  previous: MemoryEntry | undefined,
  next: MemoryEntry | undefined,
  undo: Undo,
): (Holder & { readonly fields: readonly string[] }) | undefined {
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

/** The unique values that the lists hold. @throws Error where two objects share one */
export function claims(definition: ListDefinition, lists: MapLike<string, MemoryList>): MemoryResource["unique"] {
  return definition.unique.map((fields) => {
    const holders = new Map<string, Holder>();
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
