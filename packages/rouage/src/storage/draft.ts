/**
 * What commits make of what is stored, worked out in this process, for storages in a database: nobody else changes meanwhile what was
 * loaded. Many commits become one set of things to write, and one that fails has written nothing.
 */
import { uniqueValue } from "./evaluate.ts";
import { normalPermissions, withoutPrincipal } from "./normal-permissions.ts";
import type { Permissions } from "./permissions.ts";
import { nextRevision } from "./revision.ts";
import { bindable, sortKey } from "./sort-key.ts";
import type { Change, ChangeResult, CommitContext, ListDefinition, ListKey, LogEntry, ObjectKey } from "./storage.ts";
import { storedObject } from "./stored-object.ts";

/** A resource as far as commits have to know it. */
export interface DraftResource {
  readonly name: string;
  readonly definition: ListDefinition;
}

/** An entry as the draft knows it: what is stored, without its body as long as nobody needs that. */
export interface DraftEntry {
  readonly key: ObjectKey;
  readonly revision: number;
  readonly owner: string | null;
  readonly live: boolean;
  /** Undefined: only the database has it. */
  readonly body?: string;
  /** What its permission entries are replaced with; undefined: they stay. */
  readonly permissions?: Permissions | undefined;
  /** Of its body, see `uniqueKeys`. */
  readonly unique?: UniqueKeys;
  /** It is taken out without a tombstone: as if it had never been. */
  readonly gone?: boolean;
}

/** For each constraint the values that an object has under it, as one text; undefined where it takes no part. */
export type UniqueKeys = readonly (string | undefined)[];

export interface DraftList {
  readonly key: ListKey;
  readonly revision: number;
  readonly purged: number;
}

export interface DraftLogEntry {
  readonly key: ObjectKey;
  readonly time: number;
  readonly action: LogEntry["action"];
  readonly revision: number;
  readonly type: string | undefined;
  readonly body: string | undefined;
  readonly context: CommitContext;
}

/** What was loaded: everything that the commits may ask about. */
export interface Loaded {
  readonly position: number;
  list(key: ListKey): DraftList | undefined;
  entry(key: ObjectKey): DraftEntry | undefined;
  /** Ids of the entries of a list with this revision. */
  idsAt(key: ListKey, revision: number): readonly string[];
  /** Live objects with these values, see `uniqueKeys`. */
  holders(resource: DraftResource, constraint: number, parent: string, values: string): readonly ObjectKey[];
}

/** A change could not be made. The entry that is in its way may be one whose body is in the database alone. */
export class Clash extends Error {
  readonly change: number;
  readonly entry: DraftEntry | undefined;
  /** Unique fields; undefined: an expectation failed. */
  readonly fields: readonly string[] | undefined;
  constructor(change: number, entry: DraftEntry | undefined, fields?: readonly string[]) {
    super("a change cannot be made");
    this.change = change;
    this.entry = entry;
    this.fields = fields;
  }
}

export interface Draft {
  /** @throws Clash, with nothing of the changes left in the draft */
  commit(changes: readonly Change[], context: CommitContext, now: number): readonly ChangeResult[];
  /** The list's revision, from now on the one it is given where it had none. */
  touch(key: ListKey, now: number): number;
  /** Takes entries out without a trace, and raises the revisions of their lists. */
  erase(keys: readonly ObjectKey[], now: number): void;
  /** Takes out tombstones of a list, which remembers that it has lost those below `before`. */
  purge(list: ListKey, ids: readonly string[], before: number): void;
  /** Puts lists back to where they were before anybody had touched them. */
  forgetLists(keys: readonly ListKey[]): void;
  /** Replaces the members of a group. */
  setGroup(group: string, members: readonly string[]): void;
  /** A place in the draft to go back to. */
  mark(): DraftMark;
  /** Takes back what was done since; what it answers does that again, as long as nothing else was done meanwhile. */
  back(mark: DraftMark): () => void;
  readonly entries: ReadonlyMap<string, DraftEntry>;
  readonly lists: ReadonlyMap<string, DraftList>;
  readonly log: readonly DraftLogEntry[];
  /** Groups whose members are replaced. */
  readonly groups: ReadonlyMap<string, ReadonlySet<string>>;
  /** Principals that are struck out of everything that the draft does not replace. */
  readonly forgotten: ReadonlySet<string>;
}

export const nameOfList = ({ resource, parent }: ListKey): string => `${resource}\0${parent}`;
export const nameOf = ({ resource, parent, id }: ObjectKey): string => `${resource}\0${parent}\0${id}`;

export interface DraftMark {
  readonly steps: number;
  readonly log: number;
}

type Write = Extract<Change, { kind: "put" | "delete" }>;

export function draftOf(loaded: Loaded, resourceOf: (name: string) => DraftResource): Draft {
  const entries = new Map<string, DraftEntry>();
  const lists = new Map<string, DraftList>();
  const log: DraftLogEntry[] = [];
  const groups = new Map<string, ReadonlySet<string>>();
  const forgotten = new Set<string>();
  /** Names of the drafted entries that have a revision of a list, and that have unique values; null: none any more. */
  const revisions = new Map<string, string | null>();
  const claims = new Map<string, string | null>();
  /** Each takes one step back, and answers how to take it again. */
  const undo: (() => () => void)[] = [];

  function set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const before = map.get(key);
    undo.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
      return () => set(map, key, value);
    });
    map.set(key, value);
  }

  function strike(principal: string): void {
    forgotten.add(principal);
    undo.push(() => {
      forgotten.delete(principal);
      return () => strike(principal);
    });
  }

  function entryAt(key: ObjectKey): DraftEntry | undefined {
    const entry = entries.get(nameOf(key)) ?? loaded.entry(key);
    return entry?.gone === true ? undefined : entry;
  }
  const listAt = (key: ListKey): DraftList =>
    lists.get(nameOfList(key)) ??
    loaded.list(key) ?? { key: { resource: key.resource, parent: key.parent }, revision: 0, purged: 0 };

  function isTaken({ resource, parent, id }: ObjectKey, revision: number): boolean {
    const drafted = revisions.get(`${nameOfList({ resource, parent })}\0${revision}`) ?? null;
    if (drafted !== null && drafted !== nameOf({ resource, parent, id })) return true;
    return loaded
      .idsAt({ resource, parent }, revision)
      .some((other) => other !== id && !entries.has(nameOf({ resource, parent, id: other })));
  }

  /** Puts an entry in the place of what is there. */
  function place(entry: DraftEntry): void {
    const { key } = entry;
    const name = nameOf(key);
    const list = nameOfList(key);
    const before = entries.get(name);
    const give = (map: Map<string, string | null>, what: string) => {
      if (map.get(what) === name) set(map, what, null);
    };
    if (before !== undefined) {
      give(revisions, `${list}\0${before.revision}`);
      for (const claim of claimsOf(before)) give(claims, claim);
    }
    if (entry.gone !== true) set(revisions, `${list}\0${entry.revision}`, name);
    for (const claim of claimsOf(entry)) set(claims, claim, name);
    set(entries, name, entry);
  }

  function claimsOf({ key, unique = [] }: DraftEntry): readonly string[] {
    if (unique.length === 0) return [];
    const resource = resourceOf(key.resource);
    return unique.flatMap((values, constraint) =>
      values === undefined ? [] : [nameOfClaim(resource, constraint, key.parent, values)],
    );
  }

  function allocate(change: Write, live: DraftEntry | undefined, now: number): number {
    const list = listAt(change.key);
    const taken = (revision: number) => isTaken(change.key, revision);
    const next = nextRevision({ list: list.revision, object: live?.revision, wish: change.revision, now, taken });
    set(lists, nameOfList(change.key), { ...list, revision: next.list });
    return next.object;
  }

  function record(
    key: ObjectKey,
    time: number,
    context: CommitContext,
    entry: Partial<DraftLogEntry> & Pick<DraftLogEntry, "action">,
  ): number {
    log.push({ key, time, context, revision: 0, type: undefined, body: undefined, ...entry });
    return loaded.position + log.length;
  }

  function checkUnique(resource: DraftResource, key: ObjectKey, unique: UniqueKeys, index: number): void {
    const name = nameOf(key);
    for (const [constraint, values] of unique.entries()) {
      if (values === undefined) continue;
      const drafted = claims.get(nameOfClaim(resource, constraint, key.parent, values)) ?? null;
      const stored = loaded
        .holders(resource, constraint, key.parent, values)
        .find((other) => nameOf(other) !== name && !entries.has(nameOf(other)));
      const found =
        drafted !== null && drafted !== name
          ? entries.get(drafted)
          : stored && { key: stored, revision: 0, owner: null, live: true };
      if (found !== undefined) throw new Clash(index, found, resource.definition.unique[constraint]);
    }
  }

  function write(change: Write, index: number, context: CommitContext, now: number): ChangeResult {
    const { key, expect } = change;
    const resource = resourceOf(key.resource);
    const actual = entryAt(key);
    const live = actual?.live === true ? actual : undefined;
    if (
      (expect.kind === "absent" && live !== undefined) ||
      (expect.kind === "revision" && live?.revision !== expect.revision) ||
      (change.kind === "delete" && live === undefined)
    ) {
      throw new Clash(index, actual);
    }
    const revision = allocate(change, live, now);
    if (change.kind === "delete") {
      place({ key, revision, owner: null, live: false, permissions: {} });
      const position = record(key, now, context, { action: "delete", revision });
      return { kind: "deleted", tombstone: { kind: "tombstone", id: key.id, revision }, position };
    }
    const { body } = change;
    const unique = uniqueKeys(resource, key.id, body);
    checkUnique(resource, key, unique, index);
    const owner = live === undefined ? (change.owner === undefined ? null : bindable(change.owner)) : live.owner;
    const permissions = change.permissions === undefined ? actual?.permissions : normalPermissions(change.permissions);
    place({ key, revision, owner, live: true, body, permissions, unique });
    const position = record(key, now, context, {
      action: live === undefined ? "create" : "update",
      revision,
      ...(change.logBody === false ? {} : { body }),
    });
    return {
      kind: live === undefined ? "created" : "updated",
      object: storedObject(key.id, revision, body, owner),
      position,
    };
  }

  function forget(principal: string): void {
    if (!forgotten.has(principal)) strike(principal);
    for (const [group, members] of groups) {
      if (members.has(principal)) set(groups, group, members.difference(new Set([principal])));
    }
    for (const [name, entry] of entries) {
      if (entry.permissions !== undefined) {
        set(entries, name, { ...entry, permissions: withoutPrincipal(entry.permissions, principal) });
      }
    }
  }

  function make(change: Change, index: number, context: CommitContext, now: number): ChangeResult {
    switch (change.kind) {
      case "put":
      case "delete":
        return write(change, index, context, now);
      case "event": {
        const body = JSON.stringify(change.data);
        return {
          kind: "event",
          position: record(change.key, now, context, { action: "event", type: change.type, body }),
        };
      }
      case "require": {
        resourceOf(change.key.resource);
        const actual = entryAt(change.key);
        if (actual?.live !== true) throw new Clash(index, actual);
        return { kind: "require" };
      }
      case "tombstone": {
        const { key, revision } = change;
        resourceOf(key.resource);
        const actual = entryAt(key);
        if (actual?.live === true) throw new Clash(index, actual);
        place({ key, revision, owner: null, live: false, permissions: {} });
        const list = listAt(key);
        set(lists, nameOfList(key), { ...list, revision: Math.max(list.revision, revision) });
        return { kind: "tombstone" };
      }
      case "list": {
        const { key, revision, purged } = change;
        resourceOf(key.resource);
        const list = listAt(key);
        const raised = { revision: Math.max(list.revision, revision), purged: Math.max(list.purged, purged) };
        set(lists, nameOfList(key), { ...list, ...raised });
        return { kind: "list" };
      }
      case "members":
        set(groups, change.group, new Set(change.members));
        return { kind: "members" };
      case "forget":
        forget(change.principal);
        return { kind: "forget" };
    }
  }

  const mark = (): DraftMark => ({ steps: undo.length, log: log.length });

  function back(to: DraftMark): () => void {
    const steps = undo.splice(to.steps).reverse();
    const again = steps.map((step) => step()).reverse();
    const entries = log.splice(to.log);
    return () => {
      for (const step of again) step();
      log.push(...entries);
    };
  }

  return {
    entries,
    lists,
    log,
    groups,
    forgotten,
    commit(changes, context, now) {
      const before = mark();
      try {
        return changes.map((change, index) => make(change, index, context, now));
      } catch (error) {
        back(before);
        throw error;
      }
    },
    touch(key, now) {
      const list = listAt(key);
      if (list.revision > 0) return list.revision;
      set(lists, nameOfList(key), { ...list, revision: now });
      return now;
    },
    erase(keys, now) {
      for (const key of keys) place(removed(key));
      for (const [name, [key]] of Map.groupBy(keys, nameOfList)) {
        const list = key && listAt(key);
        if (list !== undefined) set(lists, name, { ...list, revision: Math.max(now, list.revision + 1) });
      }
    },
    purge(key, ids, before) {
      for (const id of ids) place(removed({ ...key, id }));
      const list = listAt(key);
      set(lists, nameOfList(key), { ...list, purged: Math.max(list.purged, before) });
    },
    forgetLists(keys) {
      for (const { resource, parent } of keys) {
        const key = { resource, parent };
        set(lists, nameOfList(key), { key, revision: 0, purged: 0 });
      }
    },
    setGroup: (group, members) => set(groups, group, new Set(members)),
    mark,
    back,
  };
}

function removed(key: ObjectKey): DraftEntry {
  return { key, revision: 0, owner: null, live: false, permissions: {}, gone: true };
}

export function uniqueKeys({ definition }: DraftResource, id: string, body: string): UniqueKeys {
  if (definition.unique.length === 0) return [];
  const entry = { id, revision: 0, value: JSON.parse(body) };
  return definition.unique.map((fields) => {
    const values = uniqueValue(entry, fields);
    return values && JSON.stringify(values.map(sortKey));
  });
}

export function nameOfClaim(
  { name, definition }: DraftResource,
  constraint: number,
  parent: string,
  values: string,
): string {
  return `${name}\0${constraint}\0${definition.uniqueAcrossParents === true ? "" : parent}\0${values}`;
}
