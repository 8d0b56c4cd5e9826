/** Storage in a database of PostgreSQL, for any number of processes on any number of machines. */
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { checkChanges } from "../check-changes.ts";
import { checkKey, checkKeys } from "../check-keys.ts";
import { notifier } from "../notifier.ts";
import { bindable } from "../sort-key.ts";
import type { ListDefinition, ListKey, ListQuery, ObjectKey, Storage, StoredEntry } from "../storage.ts";
import { beginEpoch } from "./begin-anew.ts";
import { type Connection, connect } from "./connection.ts";
import { line, pool as poolOf } from "./connections.ts";
import { loadDriver } from "./driver.ts";
import { eraser } from "./erase.ts";
import { translated } from "./failures.ts";
import { groupCommit } from "./group-commit.ts";
import { inspectSchema } from "./inspect.ts";
import { postgresLeases } from "./leases.ts";
import { listener } from "./listen.ts";
import { readLog } from "./log.ts";
import { lockClass, migrate } from "./migrations.ts";
import { groupsOf, groupsWithMembers, permissionsOf, reachableObjects } from "./permission-reader.ts";
import { type ListRow, newest, readEntry, readList } from "./point-reads.ts";
import { countObjects, listEntries, type Place, scanEntries } from "./queries.ts";
import { identifier } from "./quote.ts";
import { readsOf, type Work } from "./reads.ts";
import { defineResource, foundResources, type PostgresResource } from "./resources.ts";
import { type InTransaction, transactions as transactionsOf } from "./transactions.ts";
import { parsePostgresUrl } from "./url.ts";
import { emptyOut, listStates, totalsOf } from "./whole.ts";

export interface PostgresStorageOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=…&pool=…`, see docs/storage.md. */
  readonly url: string;
  /** Of the service: the schema, where the URL names none. Default "rouage". */
  readonly name?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts how many writes share a transaction. */
  readonly metrics?: Metrics | undefined;
  /** Longest that one list or count may take, in milliseconds; 0: as long as any statement. Default 2,000. */
  readonly queryBudgetMs?: number | undefined;
  /** Longest that one transaction may hold the store. Default ten seconds. */
  readonly transactionLimitMs?: number | undefined;
  /** See `openStorage`. */
  readonly asFound?: boolean | undefined;
}

const groupBuckets: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** The server gives up waiting for the store's lock this long before the answer is given up here: the connection is of use then. */
const lockAheadMs = 500;
/** A process that stands still in a transaction holds everybody up: the server ends its session. */
const idleTimeoutMs = 15_000;

/** @throws Error when the driver is missing, the URL is wrong, or the schema is of a newer version or of something else */
export async function postgresStorage({
  url: text,
  name,
  clock,
  log,
  metrics,
  queryBudgetMs = 2_000,
  transactionLimitMs,
  asFound = false,
}: PostgresStorageOptions): Promise<Storage> {
  const url = parsePostgresUrl(text, name);
  const driver = await loadDriver();
  const setup = (timeoutMs: number, ...more: readonly string[]): string =>
    [
      `SET search_path TO ${identifier(url.schema)}`,
      `SET statement_timeout = ${timeoutMs}`,
      `SET lock_timeout = ${url.statementTimeoutMs - lockAheadMs}`,
      `SET idle_in_transaction_session_timeout = ${idleTimeoutMs}`,
      "SET extra_float_digits = 1",
      "SET jit = off",
      ...more,
      // Acknowledged is durable, whatever the server's own setting.
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    ].join("; ");
  /** For statements that look rows up by index: plans are kept, and must not be those of the table when it was empty. */
  const byIndex = ["SET enable_seqscan = off", "SET enable_hashjoin = off", "SET enable_mergejoin = off"];
  const opener =
    (timeoutMs: number, ...more: readonly string[]) =>
    (): Promise<Connection> =>
      connect(driver, { url, setup: setup(timeoutMs, ...more) });

  const first = await opener(url.statementTimeoutMs)();
  const { number, unicode, ...times } = await migrate(first, {
    ...{ schema: url.schema, now: clock.now(), asFound },
  }).finally(() => first.end());

  let { created, restored } = times;
  const resources = new Map<string, PostgresResource>();
  const news = notifier();
  const channel = `rouage_${number}`;
  const begin = `BEGIN; SELECT pg_advisory_xact_lock(${lockClass}, ${number})`;
  const openWriter = opener(url.statementTimeoutMs, ...byIndex);
  const lookups = url.pool >= 10 ? 2 : 1;
  const lines = {
    group: line(openWriter),
    transactions: line(openWriter),
    lookups: Array.from({ length: lookups }, () => line(openWriter)),
  };
  const readers = poolOf({
    open: opener(queryBudgetMs === 0 ? url.statementTimeoutMs : queryBudgetMs),
    // The others: groups, transactions, what takes long, and what listens.
    most: url.pool - lookups - 4,
    waitMs: url.connectTimeoutMs,
  });
  const background = poolOf({ open: opener(url.statementTimeoutMs), most: 1, waitMs: url.statementTimeoutMs });
  const store = { resourceOf, now: clock.now, channel };
  const groups = metrics?.histogram(
    "storage_group_writes",
    "Writes that shared one transaction, and so one fsync",
    {},
    groupBuckets,
  );
  const group = groupCommit({
    line: lines.group,
    store,
    begin,
    committed(writes) {
      groups?.observe(writes);
      news.notify();
    },
  });
  const transactions = transactionsOf({
    line: lines.transactions,
    store,
    begin,
    committed: news.notify,
    log,
    limitMs: transactionLimitMs,
  });
  const erase = eraser({
    open: (remark) => connect(driver, { url, setup: setup(0), remark }),
    now: clock.now,
  });
  const leases = postgresLeases({ line: line(openWriter), number });
  const others = listener({ open: openWriter, channel, news, log });
  let closed = false;
  let closing: Promise<void> | undefined;
  const reads = readsOf({
    ...{ transactions, lookups: lines.lookups, readers, background, queryBudgetMs },
    assertOpen() {
      if (closed) open();
    },
  });
  const { lookUp, bounded, paged } = reads;

  function resourceOf(name: string): PostgresResource {
    const found = resources.get(name);
    if (found === undefined) throw new Error(`resource ${JSON.stringify(name)} is not defined in this storage`);
    return found;
  }

  /** Defines resources as the store has them; all of them where none is named. */
  async function find(definitions: readonly ListDefinition[]): Promise<void> {
    const found = await background.use(({ run }) => foundResources(run, definitions, unicode));
    for (const resource of found) resources.set(resource.name, resource);
  }

  function open() {
    if (closed || (closing !== undefined && !transactions.inside())) {
      throw new ServiceError("unavailable", { cause: new Error("the storage is closed") });
    }
  }

  async function write<T>(work: Work<T>): Promise<T> {
    open();
    return transactions.current() === undefined ? group.alone(work) : transactions.step(work);
  }

  /** One row or list by its key: inside of a transaction it may be known. */
  function byKey<T>(inside: (draft: InTransaction["draft"]) => Promise<T>, outside: Work<T>): Promise<T> {
    const current = transactions.current();
    return current === undefined ? lookUp(outside) : reads.inside(current, () => inside(current.draft));
  }

  function get(key: ObjectKey): Promise<StoredEntry | undefined> {
    const resource = resourceOf(key.resource);
    return byKey(
      (draft) => draft.get(key),
      (connection) => readEntry(connection, resource, key),
    );
  }

  async function listRow(key: ListKey): Promise<ListRow> {
    resourceOf(key.resource);
    const found = await byKey(
      (draft) => draft.list(key),
      (connection) => readList(connection, key),
    );
    return found ?? [0, 0];
  }

  const storage: Storage = {
    capabilities: { durable: true, shared: true, indexes: true, transactions: true },

    async define(definitions) {
      if (transactions.current() !== undefined) throw new Error("lists cannot be defined inside of a transaction");
      open();
      if (asFound) return find(definitions);
      const defined = await group.alone(async ({ run }) => {
        await run("SET LOCAL statement_timeout = 0");
        const made: PostgresResource[] = [];
        for (const definition of definitions) made.push(await defineResource(run, definition, unicode));
        return made;
      });
      for (const resource of defined) resources.set(resource.name, resource);
    },

    get(key) {
      open();
      return get(key);
    },

    async list(key: ListKey, query: ListQuery) {
      const resource = resourceOf(key.resource);
      return bounded((connection) => listEntries(connection, resource, key.parent, query));
    },

    async count(key, filter) {
      const resource = resourceOf(key.resource);
      return bounded((connection) => countObjects(connection, resource, key.parent, filter));
    },

    async *scan(name, query = {}) {
      let behind: Place | undefined;
      for (;;) {
        const resource = resourceOf(name);
        const after = behind;
        const entries = await paged((connection) => scanEntries(connection, resource, query, after));
        yield* entries;
        const last = entries[entries.length - 1];
        if (last === undefined) return;
        behind = [last.parent, last.id];
      }
    },

    async timestamp(key, readOnly = false) {
      open();
      const [revision] = await listRow(key);
      if (revision > 0) return revision;
      if (readOnly) return created;
      checkKey({ ...key, id: "" });
      return transactions.current() === undefined ? group.touch(key) : transactions.touch(key);
    },

    async commit(changes, context = {}) {
      checkChanges(changes);
      checkKeys(changes);
      open();
      if (changes.length === 0) return [];
      return transactions.current() === undefined
        ? group.commit(changes, context)
        : transactions.commit(changes, context);
    },

    async transaction(work) {
      open();
      return transactions.run(work);
    },
    inTransaction: () => transactions.inside(),
    afterCommit: (task) => transactions.afterCommit(task),

    permissions: {
      of: (key) =>
        byKey(
          (draft) => draft.permissionsOf(key),
          (connection) => permissionsOf(connection, key),
        ),
      groupsOf: (member) =>
        byKey(
          (draft) => draft.groupsOf(member),
          (connection) => groupsOf(connection, member),
        ),
      groups: () => groupsWithMembers(paged),
      reachable: (query) => reachableObjects(paged, query),
    },

    log(query = {}) {
      open();
      const inside = query.follow === true ? undefined : transactions.current();
      const read = <T>(work: Work<T>): Promise<T> =>
        inside === undefined ? reads.outside(work) : reads.inside(inside, work);
      return others.whileFollowing(query, readLog(query, { read, news, closed: () => closed, pollMs: others.pollMs }));
    },

    position: () => byKey((draft) => draft.position(), newest),

    lists: () => listStates(paged),
    totals: () => paged(totalsOf),
    flush: () => write(emptyOut),

    async erase(scopes) {
      open();
      if (transactions.current() === undefined) {
        const count = await erase.remove(scopes, group.alone);
        await erase.scrub().catch((error: unknown) => {
          throw translated(error);
        });
        return count;
      }
      const count = await erase.remove(scopes, transactions.step);
      transactions.afterCommit(erase.scrub, true);
      return count;
    },

    async purgeTombstones({ resource, parent }, before) {
      const { table } = resourceOf(resource);
      return write(async ({ run }) => {
        const text = `DELETE FROM ${table} WHERE parent = $1 AND body IS NULL AND revision < $2`;
        const { count } = await run({ text, values: [bindable(parent), before] });
        if (count > 0) {
          const raise = "UPDATE lists SET purged = greatest(purged, $3) WHERE resource = $1 AND parent = $2";
          await run({ text: raise, values: [resource, bindable(parent), before] });
        }
        return count;
      });
    },

    async purgedBefore(key) {
      return Math.max((await listRow(key))[1], restored);
    },

    async beginAnew(times) {
      const lists = await write((connection) => beginEpoch(connection, times));
      created = times.now;
      restored = times.now + 1;
      news.notify();
      return lists;
    },

    async lease(name) {
      open();
      try {
        return await leases.take(name);
      } catch (error) {
        throw translated(error);
      }
    },

    async check(readOnly = false) {
      if (readOnly) await lookUp(({ run }) => run("SELECT value FROM rouage_meta WHERE key = 'schema'"));
      else {
        await write(({ run }) =>
          run({
            text: "INSERT INTO rouage_meta VALUES ('checked', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            values: [clock.now()],
          }),
        );
      }
    },

    async *inspect() {
      open();
      yield* inspectSchema(opener(0));
    },

    close() {
      closing ??= (async () => {
        await transactions.close();
        await group.close();
        closed = true;
        news.notify();
        await Promise.all([
          others.close(),
          leases.close(),
          readers.end(),
          background.end(),
          ...[lines.group, lines.transactions, ...lines.lookups].map((each) => each.end()),
        ]);
      })();
      return closing;
    },

    [Symbol.asyncDispose]: () => storage.close(),
  };
  if (asFound) {
    await find([]).catch(async (error: unknown) => {
      await storage.close();
      throw translated(error);
    });
  }
  return storage;
}
