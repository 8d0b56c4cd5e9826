/** Storage in one SQLite file, for one process or several on the same machine. */
import { type BigIntStats, existsSync, statSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { checkChanges } from "../check-changes.ts";
import { notifier } from "../notifier.ts";
import type { Storage } from "../storage.ts";
import { checkpointer } from "./checkpoint.ts";
import { type Database, openDatabase, translated } from "./database.ts";
import { eraser } from "./erase.ts";
import { groupCommit } from "./group-commit.ts";
import { inspectFile } from "./inspect.ts";
import { sqliteLeases } from "./leases.ts";
import { newest, readLog } from "./log.ts";
import { assertUpToDate, migrate } from "./migrations.ts";
import { groupsWithMembers, reachableObjects } from "./permission-reader.ts";
import { countObjects, listEntries, scanEntries } from "./queries.ts";
import { readCache } from "./read-cache.ts";
import { rememberedReads } from "./remembered-reads.ts";
import { defineResource, foundResource, knownResources, type SqliteResource } from "./resources.ts";
import { one } from "./rows.ts";
import { addResource, openSession, resourceIn, type Session } from "./session.ts";
import { transactions as transactionsOf } from "./transactions.ts";
import { walSync } from "./wal-sync.ts";
import { watchOthers } from "./watch.ts";
import { emptyOut, listStates, listStatesBehind, totalsOf } from "./whole.ts";
import { writeLock } from "./write-lock.ts";

export interface SqliteStorageOptions {
  /** Relative to the working directory; the file and its folders are made when absent, readable for the owner alone. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts how many writes share a transaction. */
  readonly metrics?: Metrics | undefined;
  /** Longest that one list or count may take, in milliseconds; 0: as long as it likes. Default 2,000. */
  readonly queryBudgetMs?: number | undefined;
  /** Longest that one transaction may hold the store. Default ten seconds. */
  readonly transactionLimitMs?: number | undefined;
  /** See `openStorage`. */
  readonly asFound?: boolean | undefined;
}

const groupBuckets: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** @throws Error when the file is of a newer version, or no store of ours */
export function sqliteStorage({
  path,
  clock,
  log,
  metrics,
  queryBudgetMs: budgetMs = 2000,
  transactionLimitMs,
  asFound = false,
}: SqliteStorageOptions): Storage {
  const queryBudgetMs = budgetMs === 0 ? Number.POSITIVE_INFINITY : budgetMs;
  if (asFound && !existsSync(path)) throw new Error(`there is no storage file ${path}`);
  const database = openDatabase(path, { busyMs: 10_000 });
  try {
    if (asFound) assertUpToDate(database.connection);
    else migrate(database.connection, { now: clock.now() });
    // From here on nobody waits in this thread for another process; see group-commit.ts.
    database.connection.exec("PRAGMA busy_timeout = 50");
    relaxed(database);
  } catch (error) {
    database.close();
    throw error;
  }
  const file = statSync(path, { bigint: true });
  const created = one(database.prepare("SELECT value FROM meta WHERE key = 'created'"))?.[0] as number;
  /** Of a file that comes from a backup: no list knows what was deleted before. */
  const restored = (one(database.prepare("SELECT value FROM meta WHERE key = 'restored'"))?.[0] ?? 0) as number;
  const resources = new Map<string, SqliteResource>();
  if (asFound)
    for (const name of knownResources(database))
      take(foundResource(database, { resource: name, indexes: [], unique: [] }));
  const wal = walSync(path);
  /** Another process's commit was seen: it may not be on disk yet. */
  let foreign: Promise<void> | undefined;
  const settling = () => {
    const own = group.settling();
    return foreign === undefined || own === undefined ? (own ?? foreign) : Promise.all([own, foreign]);
  };
  const cache = readCache(database, {
    path,
    settling,
    noticed() {
      const synced = wal.run().catch((error: unknown) => log.warn({ err: error, path }, "the log could not be synced"));
      foreign = synced;
      void synced.then(() => {
        if (foreign === synced) foreign = undefined;
      });
    },
  });
  const main = openSession(database, resources, cache);
  const news = notifier();
  const groups = metrics?.histogram(
    "storage_group_writes",
    "Writes that shared one transaction, and so one fsync",
    {},
    groupBuckets,
  );
  const written = () => {
    cache.committed();
    news.notify();
    checkpoints.committed();
  };
  const lock = writeLock();
  const group = groupCommit({
    database,
    lock,
    sync: wal.run,
    together: () => main.changes.together,
    committed(writes) {
      groups?.observe(writes);
      written();
    },
  });
  const checkpoints = checkpointer({ path, connection: database.connection, log }, group.pause);
  const transactions = transactionsOf({
    open: () => openSession(relaxed(openDatabase(path)), resources, rememberedReads({ size: 2_000_000 })),
    group,
    lock,
    settling: () => cache.replaced(),
    committed: written,
    log,
    limitMs: transactionLimitMs,
  });
  const erase = eraser({ path, group, now: clock.now });
  const leases = sqliteLeases(path);
  const others = watchOthers(database, news);
  let closed = false;
  let closing: Promise<void> | undefined;

  const resourceOf = (name: string): SqliteResource => resourceIn(resources, name);
  /** Where the calling code reads and writes: in its transaction, or where everybody does. */
  const here = (): Session => transactions.current() ?? main;

  function take(resource: SqliteResource | undefined): void {
    if (resource !== undefined) resources.set(resource.name, resource);
  }

  function open() {
    if (closed || (closing !== undefined && !transactions.inside())) {
      throw new ServiceError("unavailable", { cause: new Error("the storage is closed") });
    }
  }

  /** Runs a read, translating what the backend throws. */
  function read<T>(work: (session: Session) => T, session = here()): T {
    if (closed) open();
    try {
      return work(session);
    } catch (error) {
      throw translated(error);
    }
  }

  /** A read that hands out what is on disk: what was committed before is waited for, inside of a transaction that is so already. */
  async function settled<T>(work: (session: Session) => T): Promise<T> {
    const session = here();
    if (session !== main) session.changes.together.forget();
    const value = read(work, session);
    if (session !== main) return value;
    cache.refresh();
    const wait = settling();
    if (wait !== undefined) await wait;
    return value;
  }

  /** A read that may have to look at every object of a list, during which nobody else is answered. */
  const bounded = <T>(work: (session: Session) => T): Promise<T> =>
    settled((session) => session.database.budget.spend(queryBudgetMs, () => work(session)));

  const logSettling = () => {
    if (!closed) cache.look();
    return settling();
  };

  /** Runs a write in the caller's transaction, or together with others. */
  async function write<T>(work: (session: Session) => T): Promise<T> {
    open();
    const inside = transactions.current();
    return inside === undefined ? group.run(() => work(main)) : transactions.step(work);
  }

  const storage: Storage = {
    capabilities: { durable: true, shared: true, indexes: true, transactions: true },

    async define(definitions) {
      if (transactions.current() !== undefined) throw new Error("lists cannot be defined inside of a transaction");
      open();
      if (asFound) {
        for (const definition of definitions) take(foundResource(database, definition));
        return;
      }
      const defined = await group.run(() => definitions.map((definition) => defineResource(database, definition)));
      cache.clear();
      for (const resource of defined) {
        resources.set(resource.name, resource);
        addResource(main, resource);
        if (transactions.session !== undefined) addResource(transactions.session, resource);
      }
    },

    get({ resource, parent, id }) {
      const get = here().gets.get(resource);
      if (get === undefined || closed) return read(() => resourceOf(resource)) && undefined;
      try {
        return get(parent, id);
      } catch (error) {
        throw translated(error);
      }
    },

    list: (key, query) => bounded(({ database }) => listEntries(database, resourceOf(key.resource), key, query)),
    count: (key, filter) => bounded(({ database }) => countObjects(database, resourceOf(key.resource), key, filter)),

    async *scan(name, query = {}) {
      let behind: readonly [string, string] | undefined;
      for (;;) {
        const entries = await settled(({ database }) => scanEntries(database, resourceOf(name), query, behind));
        yield* entries;
        const last = entries[entries.length - 1];
        if (last === undefined) return;
        behind = [last.parent, last.id];
      }
    },

    async timestamp(key, readOnly = false) {
      resourceOf(key.resource);
      const revision = await settled(({ changes }) => changes.revision(key));
      if (revision > 0) return revision;
      if (readOnly) return created;
      return write(({ changes }) => {
        const current = changes.revision(key);
        if (current > 0) return current;
        const now = clock.now();
        changes.setRevision(key, now);
        return now;
      });
    },

    // Without a promise of its own, as the hottest of the writes.
    commit(requested, context = {}) {
      try {
        checkChanges(requested);
        open();
        if (transactions.current() !== undefined) return transactions.commit(requested, context, clock.now());
        return group.run(() => main.changes.write(requested, context, clock.now()), { repeatable: true });
      } catch (error) {
        return Promise.reject(error);
      }
    },

    async transaction(work) {
      open();
      return transactions.run(work);
    },
    inTransaction: () => transactions.inside(),
    afterCommit: (task) => transactions.afterCommit(task),

    permissions: {
      groups: () => groupsWithMembers((after) => settled(({ permissions }) => permissions.membersBehind(after))),
      of: (key) => read(({ permissions }) => permissions.of(key)),
      groupsOf: (member) => read(({ permissions }) => permissions.groupsOf(member)),
      reachable: (query) =>
        reachableObjects((after) => settled(({ permissions }) => permissions.reachable(query, after))),
    },

    log(query = {}) {
      open();
      const inside = query.follow === true ? undefined : transactions.current();
      if (inside !== undefined) {
        return readLog(query, { database: () => here().database, news, closed: () => closed });
      }
      return others.whileFollowing(
        query,
        readLog(query, { database: () => database, news, closed: () => closed, settling: logSettling }),
      );
    },

    position: () => settled(({ database }) => newest(database)),

    lists: () => listStates((after) => settled(({ database }) => listStatesBehind(database, after))),
    totals: () => settled(({ database }) => totalsOf(database)),
    flush: () =>
      write(({ database, cache }) => {
        cache?.clear();
        return emptyOut(database);
      }),

    async erase(scopes) {
      open();
      const inside = transactions.current();
      if (inside === undefined) {
        const run = <T>(step: () => T) =>
          group.run(() => {
            cache.clear();
            return step();
          });
        const count = await erase.remove(scopes, { ...main, run });
        await erase.scrub();
        return count;
      }
      const count = await erase.remove(scopes, { ...inside, run: transactions.step });
      transactions.afterCommit(erase.scrub, true);
      return count;
    },

    async purgeTombstones({ resource, parent }, before) {
      open();
      resourceOf(resource);
      return write(({ database: { prepare } }) => {
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

    purgedBefore: ({ resource, parent }) =>
      settled(({ database: { prepare } }) => {
        resourceOf(resource);
        const row = one(prepare("SELECT purged FROM lists WHERE resource = ? AND parent = ?"), resource, parent);
        return Math.max((row?.[0] as number | undefined) ?? 0, restored);
      }),

    async lease(name) {
      open();
      return leases.take(name);
    },

    async check(readOnly = false) {
      if (!isSameFile(path, file)) {
        const gone = `${path} was deleted, moved or replaced while the store was open: nobody finds again what is written now`;
        throw new ServiceError("unavailable", { cause: new Error(gone) });
      }
      if (readOnly) read(({ database }) => one(database.prepare("SELECT value FROM meta WHERE key = 'schema'")));
      else {
        await write(({ database }) => {
          database
            .prepare("INSERT INTO meta VALUES ('checked', ?) ON CONFLICT DO UPDATE SET value = excluded.value")
            .run(clock.now());
        });
      }
    },

    async *inspect() {
      open();
      yield* inspectFile(path);
    },

    close() {
      closing ??= (async () => {
        await transactions.close();
        await group.close();
        closed = true;
        news.notify();
        others.close();
        await checkpoints.close();
        leases.close();
        cache.close();
        await foreign;
        wal.close();
        transactions.session?.database.close();
        database.close();
      })();
      return closing;
    },

    [Symbol.asyncDispose]: () => storage.close(),
  };
  return storage;
}

function isSameFile(path: string, { dev, ino }: BigIntStats): boolean {
  const now = statSync(path, { bigint: true, throwIfNoEntry: false });
  return now?.dev === dev && now.ino === ino;
}

/** As durable as FULL, because nobody is told of a commit before the log is synced; see wal-sync.ts. */
function relaxed(database: Database): Database {
  database.connection.exec("PRAGMA synchronous = NORMAL");
  return database;
}
