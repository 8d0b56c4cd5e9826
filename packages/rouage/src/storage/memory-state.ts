/**
 * What the memory storage holds. A transaction works on a fork, which copies a list, or a resource's unique values, only when it
 * is about to write there; others go on reading what it was forked from.
 */
import { canonicalJson, type EvaluatedEntry, uniqueValue } from "./evaluate.ts";
import { blank, type MemoryLog } from "./memory-log.ts";
import type { ListDefinition, StoredEntry } from "./storage.ts";

export interface MemoryState {
  readonly resources: Map<string, MemoryResource>;
  /** Members of each group. */
  readonly groups: Map<string, ReadonlySet<string>>;
  readonly log: MemoryLog;
  /** Resources and lists that this state alone holds, and may write. Undefined: all of them. */
  readonly own: Set<object> | undefined;
}

export interface MemoryResource {
  readonly definition: ListDefinition;
  readonly lists: Map<string, MemoryList>;
  /** Who holds which unique value, for each constraint. */
  readonly unique: readonly Map<string, Holder>[];
}

export interface MemoryList {
  readonly entries: Map<string, MemoryEntry>;
  /** Revisions of the entries. */
  readonly revisions: Set<number>;
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
  return { resources: new Map(), groups: new Map(), log: { entries: [], own: true }, own: undefined };
}

/** Takes everything out but what is defined. */
export function emptyOut({ resources, groups, log, own }: MemoryState): void {
  for (const [name, { definition }] of resources) {
    const empty: MemoryResource = { definition, lists: new Map(), unique: claims(definition, new Map()) };
    resources.set(name, empty);
    own?.add(empty);
  }
  groups.clear();
  blank(log, () => true);
}

export function fork({ resources, groups, log }: MemoryState): MemoryState {
  return {
    resources: new Map(resources),
    groups: new Map(groups),
    log: { entries: log.entries, own: false },
    own: new Set(),
  };
}

/** Puts what a fork of a fork has come to in its place. */
export function absorb(state: MemoryState, part: MemoryState): void {
  for (const [name, resource] of part.resources) state.resources.set(name, resource);
  state.groups.clear();
  for (const [group, members] of part.groups) state.groups.set(group, members);
  for (const copy of part.own ?? []) state.own?.add(copy);
  if (part.log.own) Object.assign(state.log, part.log);
}

/** The fork as the state that everybody sees from now on. */
export function merged({ resources, groups, log }: MemoryState): MemoryState {
  return { resources, groups, log: { entries: log.entries, own: true }, own: undefined };
}

/** The resource, to be written. */
export function writableResource({ resources, own }: MemoryState, name: string): MemoryResource | undefined {
  const found = resources.get(name);
  if (found === undefined || own === undefined || own.has(found)) return found;
  const copy: MemoryResource = {
    definition: found.definition,
    lists: new Map(found.lists),
    unique: found.unique.map((holders) => new Map(holders)),
  };
  resources.set(name, copy);
  own.add(copy);
  return copy;
}

/** The list, to be written; made where there was none. */
export function touch(state: MemoryState, { lists }: MemoryResource, parent: string, undo: Undo): MemoryList {
  const found = lists.get(parent);
  const { own } = state;
  if (found !== undefined && (own === undefined || own.has(found))) return found;
  const list: MemoryList =
    found === undefined
      ? { entries: new Map(), revisions: new Set(), revision: 0, purged: 0 }
      : { ...found, entries: new Map(found.entries), revisions: new Set(found.revisions) };
  lists.set(parent, list);
  own?.add(list);
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
      list.revisions.add(previous.revision);
    }
  });
  list.revision = revision;
  if (previous !== undefined) list.revisions.delete(previous.revision);
  list.entries.set(next.id, next);
  list.revisions.add(next.revision);
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
export function claims(definition: ListDefinition, lists: ReadonlyMap<string, MemoryList>): MemoryResource["unique"] {
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
