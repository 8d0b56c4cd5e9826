/**
 * What was read lately, in memory, for as long as nobody has committed anything since that could have changed it: own commits forget what
 * they touch, another connection's commit forgets everything. Bounded; knows nothing of transactions, whose reads do not come here.
 */
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import type { Change, PermissionReader, Permissions, StoredEntry } from "../storage.ts";
import type { ChangeWriter } from "./changes.ts";
import type { Database } from "./database.ts";
import type { SqlitePermissions } from "./permission-reader.ts";
import { one } from "./rows.ts";

export type Getter = (parent: string, id: string) => StoredEntry | undefined | Promise<StoredEntry | undefined>;

export interface ReadCache {
  /** The same reads, answered from memory where that is known to be right. */
  getter(resource: string, read: (parent: string, id: string) => StoredEntry | undefined): Getter;
  permissions(reader: SqlitePermissions): CachedPermissions;
  /** The same writes; what they change is forgotten before their transaction ends. */
  changes(writer: ChangeWriter): ChangeWriter;
  /** Forgets everything: before writes that go past `changes` have an end. */
  clear(): void;
  /** Forgets everything because of a commit that the storage itself has made through another connection, durable already. */
  replaced(): void;
  /** Looks for other connections' commits, where that was not done in this turn. */
  refresh(): void;
  /** The same in any case. */
  look(): void;
  /** To be called when a transaction was committed, before anybody is told of it. */
  committed(): void;
  close(): void;
}

/** As read by the connection, or from memory; a promise where it is not on disk yet. */
export type CachedPermissions = Omit<SqlitePermissions, "of" | "groupsOf"> & Pick<PermissionReader, "of" | "groupsOf">;

export interface ReadCacheOptions {
  /** The store's file. */
  readonly path: string;
  /** Characters of bodies, and about as many bytes, that are kept at most. */
  readonly size?: number;
  /** Number of the turn of the event loop, where it is known: other connections are looked for once a turn. */
  readonly turn?: () => number | undefined;
  /** While something that was read may not be on disk yet: resolves when it is. What was read then is handed out after that, and not kept. */
  readonly settling?: () => Promise<unknown> | undefined;
  /** Called when another connection's commit was noticed. */
  readonly noticed?: () => void;
}

/** What an entry takes beside its text. */
const overhead = 250;

export function readCache(
  { prepare }: Pick<Database, "prepare">,
  { path, size = 8_000_000, turn = loopTurn, settling = () => undefined, noticed = () => {} }: ReadCacheOptions,
): ReadCache {
  const dataVersion = prepare("PRAGMA data_version");
  const shelves: Shelf<unknown>[] = [];
  /** An object larger than this would push out too much of what others read. */
  const largest = size / 16;
  let used = 0;
  const file = sharedFile(path);
  let checked: number | undefined;
  let seen = -1;
  let version: unknown;

  function newShelf<T>(): Shelf<T> {
    const own: Shelf<T> = { young: new Map(), old: new Map() };
    shelves.push(own as Shelf<unknown>);
    return own;
  }

  /** One for each resource. */
  function newShelves<T>() {
    const own = new Map<string, Shelf<T>>();
    return {
      all: () => own.values(),
      of(resource: string): Shelf<T> {
        let found = own.get(resource);
        if (found === undefined) {
          found = newShelf();
          own.set(resource, found);
        }
        return found;
      },
    };
  }

  function clear(): void {
    for (const each of shelves) empty(each);
    used = 0;
  }

  /**
   * Forgets everything when another connection has committed. Who asks because of another process's commit sent the request after it, and
   * it is read from its socket in a later turn of the event loop: looking once in each turn, before the first use, is soon enough.
   */
  function refresh(): void {
    const now = turn();
    if (now === undefined || now !== checked || file.commits !== seen) look(now);
  }

  function look(now = turn()): void {
    const current = one(dataVersion)?.[0];
    if (current !== version) {
      clear();
      if (version !== undefined) noticed();
    }
    version = current;
    checked = now;
    seen = file.commits;
  }

  /** Two generations, so that a hit costs no upkeep: what was not used while half of the room was filled goes. */
  function keep<T>(own: Shelf<T>, parent: string, id: string, value: T, weight: number): void {
    if (weight > largest) return;
    if (used + weight > size / 2) {
      for (const each of shelves) {
        each.old = each.young;
        each.young = new Map();
      }
      used = 0;
    }
    let list = own.young.get(parent);
    if (list === undefined) {
      list = new Map();
      own.young.set(parent, list);
      used += overhead;
    }
    used += weight;
    list.set(id, value);
  }

  function find<T>(own: Shelf<T>, parent: string, id: string, weigh: (value: T) => number): T | undefined {
    const young = own.young.get(parent)?.get(id);
    if (young !== undefined) return young;
    const old = own.old.get(parent)?.get(id);
    if (old !== undefined) keep(own, parent, id, old, weigh(old));
    return old;
  }

  const objects = newShelves<StoredEntry>();
  const entries = newShelves<Permissions>();
  const groups = newShelf<ReadonlySet<string>>();

  function forget(change: Change): void {
    if (change.kind === "put" || change.kind === "delete") {
      const { resource, parent, id } = change.key;
      drop(objects.of(resource), parent, id);
      if (change.kind === "delete" || change.permissions !== undefined) drop(entries.of(resource), parent, id);
    } else if (change.kind === "members" || change.kind === "forget") {
      for (const each of entries.all()) empty(each);
      empty(groups);
    }
  }

  return {
    getter(resource, read) {
      const own = objects.of(resource);
      return (parent, id) => {
        refresh();
        const known = find(own, parent, id, entryWeight);
        if (known !== undefined) return known;
        const entry = read(parent, id);
        const settled = settling();
        if (settled !== undefined) return settled.then(() => entry);
        if (entry?.kind === "object") keep(own, parent, id, entry, entryWeight(entry));
        return entry;
      };
    },

    permissions: (reader) => ({
      ...reader,
      of(key) {
        refresh();
        const { parent, id } = key;
        const own = entries.of(key.resource);
        const known = find(own, parent, id, permissionsWeight);
        if (known !== undefined) return known;
        const found = reader.of(key);
        const settled = settling();
        if (settled !== undefined) return settled.then(() => found);
        // Handed out again and again: nobody may change it.
        for (const principals of Object.values(found)) Object.freeze(principals);
        keep(own, parent, id, Object.freeze(found), permissionsWeight(found));
        return found;
      },
      groupsOf(member) {
        refresh();
        const known = find(groups, "", member, groupsWeight);
        if (known !== undefined) return known;
        const found = reader.groupsOf(member);
        const settled = settling();
        if (settled !== undefined) return settled.then(() => found);
        keep(groups, "", member, found, groupsWeight(found));
        return found;
      },
    }),

    changes: (writer) => ({
      ...writer,
      write(changes, context, now, checked) {
        const results = writer.write(changes, context, now, checked);
        for (const change of changes) forget(change);
        return results;
      },
    }),

    clear,
    replaced() {
      clear();
      version = undefined;
      look();
    },
    refresh,
    look: () => look(),
    committed() {
      file.commits++;
    },
    close: () => file.leave(),
  };
}

interface SharedFile {
  /** Commits that this process has made. */
  commits: number;
  leave(): void;
}

/**
 * What all storages of this process that have opened the same file know of each other, because one may tell the other of a commit within
 * the same turn. Of the process and not of a storage, as SQLite's own locks on a file are.
 */
const files = new Map<string, { readonly shared: SharedFile; users: number }>();

function sharedFile(path: string): SharedFile {
  const name = resolve(path);
  const known = files.get(name);
  if (known !== undefined) {
    known.users++;
    return known.shared;
  }
  const shared: SharedFile = {
    commits: 0,
    leave() {
      if (--file.users === 0) files.delete(name);
    },
  };
  const file = { shared, users: 1 };
  files.set(name, file);
  return shared;
}

/** By parent and id: keys of both in one would have to be made, and hashed, for every look. */
interface Shelf<T> {
  young: Map<string, Map<string, T>>;
  old: Map<string, Map<string, T>>;
}

function drop({ young, old }: Shelf<unknown>, parent: string, id: string): void {
  young.get(parent)?.delete(id);
  old.get(parent)?.delete(id);
}

function empty({ young, old }: Shelf<unknown>): void {
  young.clear();
  old.clear();
}

function entryWeight(entry: StoredEntry): number {
  return overhead + (entry.kind === "object" ? entry.body.length : 0);
}

function permissionsWeight(permissions: Readonly<Record<string, readonly string[]>>): number {
  let weight = overhead;
  for (const name in permissions)
    for (const principal of permissions[name] ?? []) weight += overhead / 5 + principal.length;
  return weight;
}

function groupsWeight(groups: ReadonlySet<string>): number {
  let weight = overhead;
  for (const group of groups) weight += overhead / 5 + group.length;
  return weight;
}

/** Undefined where the runtime does not count: then every use looks. */
function loopTurn(): number | undefined {
  const { uvMetricsInfo } = performance.nodeTiming as Partial<typeof performance.nodeTiming>;
  return uvMetricsInfo?.loopCount;
}
