/** Storage in one SQLite file, for one process or several on the same machine. */
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { checkChanges } from "../check-changes.ts";
import { notifier } from "../notifier.ts";
import type { ListKey, Storage, StoredEntry } from "../storage.ts";
import { changeWriter } from "./changes.ts";
import { checkpointer } from "./checkpoint.ts";
import { openDatabase, translated } from "./database.ts";
import { eraser } from "./erase.ts";
import { groupCommit } from "./group-commit.ts";
import { newest, readLog } from "./log.ts";
import { migrate } from "./migrations.ts";
import { countObjects, listEntries, scanEntries } from "./queries.ts";
import { defineResource, type SqliteResource } from "./resources.ts";
import { one, storedObject } from "./rows.ts";
import { watchOthers } from "./watch.ts";

export interface SqliteStorageOptions {
  /** Relative to the working directory; the file and its folders are made when absent, readable for the owner alone. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts how many writes share a transaction. */
  readonly metrics?: Metrics | undefined;
  /** Longest that one list or count may take, in milliseconds; 0: as long as it likes. Default 2,000. */
  readonly queryBudgetMs?: number | undefined;
}

const groupBuckets: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** @throws Error when the file is of a newer version, or no store of ours */
export function sqliteStorage({
  path,
  clock,
  log,
  metrics,
  queryBudgetMs: budgetMs = 2000,
}: SqliteStorageOptions): Storage {
  const queryBudgetMs = budgetMs === 0 ? Number.POSITIVE_INFINITY : budgetMs;
  const database = openDatabase(path, { busyMs: 10_000 });
  try {
    migrate(database.connection, { now: clock.now() });
    // From here on nobody waits in this thread for another process; see group-commit.ts.
    database.connection.exec("PRAGMA busy_timeout = 50");
  } catch (error) {
    database.close();
    throw error;
  }
  const { prepare } = database;
  const created = one(prepare("SELECT value FROM meta WHERE key = 'created'"))?.[0] as number;
  const resources = new Map<string, SqliteResource>();
  const gets = new Map<string, (parent: string, id: string) => StoredEntry | undefined>();
  const news = notifier();
  const groups = metrics?.histogram(
    "storage_group_writes",
    "Writes that shared one transaction, and so one fsync",
    {},
    groupBuckets,
  );
  const group = groupCommit({
    database,
    committed(writes) {
      groups?.observe(writes);
      news.notify();
      checkpoints.committed();
    },
  });
  const checkpoints = checkpointer({ path, log }, group.pause);
  const changes = changeWriter(database, resourceOf);
  const erase = eraser({ path, database, changes, group, now: clock.now });
  const others = watchOthers(database, news);
  let closed = false;
  let closing: Promise<void> | undefined;

  function resourceOf(name: string): SqliteResource {
    const resource = resources.get(name);
    if (resource === undefined) throw new Error(`resource ${JSON.stringify(name)} is not defined in this storage`);
    return resource;
  }

  function open() {
    if (closed) throw new ServiceError("unavailable", { cause: new Error("the storage is closed") });
  }

  /** Runs a read, translating what the backend throws. */
  function read<T>(work: () => T): T {
    open();
    try {
      return work();
    } catch (error) {
      throw translated(error);
    }
  }

  /** A read that may have to look at every object of a list, during which nobody else is answered. */
  const bounded = <T>(work: () => T): T => read(() => database.budget.spend(queryBudgetMs, work));

  /** The hottest path: one prepared statement, no promise, nothing parsed. */
  function getter({ table, name }: SqliteResource) {
    const select = prepare(`SELECT revision, body, owner FROM ${table} WHERE parent = ? AND id = ?`);
    const selectTombstone = prepare("SELECT revision FROM tombstones WHERE resource = ? AND parent = ? AND id = ?");
    return (parent: string, id: string): StoredEntry | undefined => {
      const row = one(select, parent, id);
      if (row !== undefined) return storedObject(id, row[0], row[1], row[2]);
      const tombstone = one(selectTombstone, name, parent, id);
      return tombstone && { kind: "tombstone", id, revision: tombstone[0] as number };
    };
  }

  function currentRevision({ resource, parent }: ListKey): number {
    resourceOf(resource);
    return changes.revision({ resource, parent });
  }

  const storage: Storage = {
    capabilities: { durable: true, shared: true, indexes: true },

    async define(definitions) {
      open();
      const defined = await group.run(() => definitions.map((definition) => defineResource(database, definition)));
      for (const resource of defined) {
        resources.set(resource.name, resource);
        gets.set(resource.name, getter(resource));
      }
    },

    get({ resource, parent, id }) {
      const get = gets.get(resource);
      if (get === undefined || closed) return read(() => resourceOf(resource)) && undefined;
      try {
        return get(parent, id);
      } catch (error) {
        throw translated(error);
      }
    },

    list: async (key, query) => bounded(() => listEntries(database, resourceOf(key.resource), key, query)),
    count: async (key, filter) => bounded(() => countObjects(database, resourceOf(key.resource), key, filter)),

    async *scan(name, query = {}) {
      let behind: readonly [string, string] | undefined;
      for (;;) {
        const entries = read(() => scanEntries(database, resourceOf(name), query, behind));
        yield* entries;
        const last = entries[entries.length - 1];
        if (last === undefined) return;
        behind = [last.parent, last.id];
      }
    },

    async timestamp(key, readOnly = false) {
      const revision = read(() => currentRevision(key));
      if (revision > 0) return revision;
      if (readOnly) return created;
      return group.run(() => {
        const current = changes.revision(key);
        if (current > 0) return current;
        const now = clock.now();
        changes.setRevision(key, now);
        return now;
      });
    },

    async commit(requested, context = {}) {
      checkChanges(requested);
      return group.run(() => changes.write(requested, context, clock.now()), { repeatable: true });
    },

    log(query = {}) {
      open();
      return others.whileFollowing(query, readLog(query, { database, news, closed: () => closed }));
    },

    position: async () => read(() => newest(database)),

    async erase(scopes) {
      open();
      return erase(scopes);
    },

    async purgeTombstones({ resource, parent }, before) {
      open();
      resourceOf(resource);
      return group.run(() => {
        const purged = prepare("DELETE FROM tombstones WHERE resource = ? AND parent = ? AND revision < ?");
        const count = Number(purged.run(resource, parent, before).changes);
        if (count > 0) {
          prepare("UPDATE lists SET purged = max(purged, ?) WHERE resource = ? AND parent = ?").run(
            before,
            resource,
            parent,
          );
        }
        return count;
      });
    },

    purgedBefore: async ({ resource, parent }) =>
      read(() => {
        resourceOf(resource);
        const row = one(prepare("SELECT purged FROM lists WHERE resource = ? AND parent = ?"), resource, parent);
        return (row?.[0] as number | undefined) ?? 0;
      }),

    async check(readOnly = false) {
      if (readOnly) read(() => one(prepare("SELECT value FROM meta WHERE key = 'schema'")));
      else {
        await group.run(() => {
          prepare("INSERT INTO meta VALUES ('checked', ?) ON CONFLICT DO UPDATE SET value = excluded.value").run(
            clock.now(),
          );
        });
      }
    },

    close() {
      closing ??= (async () => {
        await group.close();
        closed = true;
        news.notify();
        others.close();
        await checkpoints.close();
        database.close();
      })();
      return closing;
    },

    [Symbol.asyncDispose]: () => storage.close(),
  };
  return storage;
}
