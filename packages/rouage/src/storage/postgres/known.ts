/**
 * What one transaction has read, and so knows: nobody else writes as long as it runs. Asked by key, it answers from memory what was asked before, or what
 * the transaction itself has made so. Knows nothing of what is not sent yet.
 */
import { type Draft, type DraftEntry, type DraftList, nameOf, nameOfList } from "../draft.ts";
import { draftedObject } from "../draft-steps.ts";
import type { Permissions } from "../permissions.ts";
import type { ListKey, ObjectKey, StoredEntry } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { groupsOf, permissionsOf } from "./permission-reader.ts";
import { type ListRow, newest, readEntry, readList } from "./point-reads.ts";
import type { PostgresResource } from "./resources.ts";

export interface Known {
  /** By name; undefined where there is known to be nothing. */
  readonly entries: Map<string, DraftEntry | undefined>;
  readonly lists: Map<string, DraftList | undefined>;
  /** Of the newest entry of the log, once it was asked for. */
  readonly position: number | undefined;
  get(key: ObjectKey): Promise<StoredEntry | undefined>;
  list(key: ListKey): Promise<ListRow | undefined>;
  permissionsOf(key: ObjectKey): Promise<Permissions>;
  groupsOf(member: string): Promise<ReadonlySet<string>>;
  newest(): Promise<number>;
  /** The database has what the draft says. */
  learn(draft: Draft): void;
  /** Makes room, where much is known. */
  trim(): void;
  forget(): void;
}

/** Entries, lists, and as many of the others, that are remembered at most, and the characters of bodies. */
const most = 10_000;
const mostSize = 4_000_000;

export function knownBy(connection: Pick<Connection, "run">, resourceOf: (name: string) => PostgresResource): Known {
  const entries = new Map<string, DraftEntry | undefined>();
  const lists = new Map<string, DraftList | undefined>();
  const permissions = new Map<string, Permissions>();
  const groups = new Map<string, ReadonlySet<string>>();
  let position: number | undefined;
  let size = 0;
  /** Counts how often the database was changed: what was asked before that is not remembered. */
  let epoch = 0;

  /** @param keep remembers what was read, where that is still so */
  async function asked<T>(read: Promise<T>, keep: (found: T) => void): Promise<T> {
    const before = epoch;
    const found = await read;
    if (epoch === before) keep(found);
    return found;
  }

  function forgetRows(): void {
    entries.clear();
    lists.clear();
    size = 0;
  }

  return {
    entries,
    lists,
    get position() {
      return position;
    },

    async get(key) {
      const name = nameOf(key);
      const known = entries.get(name);
      if (known === undefined ? entries.has(name) : !known.live || known.body !== undefined) {
        return known && draftedObject(known);
      }
      return asked(readEntry(connection, resourceOf(key.resource), key), (found) => {
        if (size > mostSize) return;
        if (found?.kind === "object") size += found.body.length;
        entries.set(name, found && draftEntry(key, found));
      });
    },

    async list(key) {
      const name = nameOfList(key);
      const known = lists.get(name);
      if (known !== undefined) return [known.revision, known.purged];
      if (lists.has(name)) return undefined;
      const { resource, parent } = key;
      return asked(readList(connection, key), (found) =>
        lists.set(name, found && { key: { resource, parent }, revision: found[0], purged: found[1] }),
      );
    },

    async permissionsOf(key) {
      const name = nameOf(key);
      return (
        permissions.get(name) ??
        asked(permissionsOf(connection, key), (found) => {
          // Handed out again and again: nobody may change it.
          for (const principals of Object.values(found)) Object.freeze(principals);
          if (permissions.size < most) permissions.set(name, Object.freeze(found));
        })
      );
    },

    async groupsOf(member) {
      return (
        groups.get(member) ??
        asked(groupsOf(connection, member), (found) => {
          if (groups.size < most) groups.set(member, found);
        })
      );
    },

    newest: () =>
      position === undefined
        ? asked(newest(connection), (found) => {
            position = found;
          })
        : Promise.resolve(position),

    learn({ entries: written, lists: raised, log, groups: replaced, forgotten }) {
      epoch++;
      for (const [name, { key, revision, owner, live, permissions: entered }] of written) {
        entries.set(name, { key, revision, owner, live });
        if (entered !== undefined) permissions.delete(name);
      }
      for (const [name, list] of raised) lists.set(name, list);
      if (replaced.size + forgotten.size > 0) {
        permissions.clear();
        groups.clear();
      }
      if (position !== undefined) position += log.length;
    },

    trim() {
      if (entries.size + lists.size > most) forgetRows();
    },

    forget() {
      epoch++;
      forgetRows();
      permissions.clear();
      groups.clear();
      position = undefined;
    },
  };
}

function draftEntry(key: ObjectKey, entry: StoredEntry): DraftEntry {
  const { revision } = entry;
  if (entry.kind === "tombstone") return { key, revision, owner: null, live: false };
  return { key, revision, owner: entry.owner ?? null, live: true, body: entry.body };
}
