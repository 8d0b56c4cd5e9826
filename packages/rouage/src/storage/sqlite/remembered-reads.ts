/** Reads of one connection, remembered until a write through it changes them. Bounded; knows nothing of other connections. */
import type { Change, PermissionReader, Permissions, StoredEntry } from "../storage.ts";
import type { ChangeWriter } from "./changes.ts";
import type { SqlitePermissions } from "./permission-reader.ts";

export type Getter = (parent: string, id: string) => StoredEntry | undefined | Promise<StoredEntry | undefined>;

/** As read by the connection, or from memory; a promise where it is not on disk yet. */
export type CachedPermissions = Omit<SqlitePermissions, "of" | "groupsOf"> & Pick<PermissionReader, "of" | "groupsOf">;

export interface RememberedReads {
  /** The same reads, answered from memory where that is known to be right. */
  getter(resource: string, read: (parent: string, id: string) => StoredEntry | undefined): Getter;
  permissions(reader: SqlitePermissions): CachedPermissions;
  /** The same writes; what they change is forgotten before their transaction ends. */
  changes(writer: ChangeWriter): ChangeWriter;
  /** Forgets everything: before writes that go past `changes` have an end, and when some were taken back. */
  clear(): void;
}

export interface RememberedReadsOptions {
  /** Characters of bodies, and about as many bytes, that are kept at most. */
  readonly size: number;
  /** Called ahead of each look. */
  readonly refresh?: () => void;
  /** While something that was read may not be on disk yet: resolves when it is. What was read then is handed out after that, and not kept. */
  readonly settling?: () => Promise<unknown> | undefined;
}

/** What an entry takes beside its text. */
const overhead = 250;

export function rememberedReads({
  size,
  refresh = () => {},
  settling = () => undefined,
}: RememberedReadsOptions): RememberedReads {
  const shelves: Shelf<unknown>[] = [];
  /** An object larger than this would push out too much of what others read. */
  const largest = size / 16;
  let used = 0;

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
  };
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
