/** Storage in a database of MongoDB, for any number of processes on any number of machines. */
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { checkChanges } from "../check-changes.ts";
import { checkKey, checkKeys } from "../check-keys.ts";
import { notifier } from "../notifier.ts";
import type { Permissions } from "../permissions.ts";
import type { ListDefinition, ListKey, ObjectKey, Storage, StoredEntry } from "../storage.ts";
import { checkSizes } from "./check-sizes.ts";
import { connect } from "./connect.ts";
import { without } from "./content.ts";
import { entryFields, entryOf, idOf, type ObjectDocument, permissionsIn } from "./documents.ts";
import { loadDriver } from "./driver.ts";
import { erase, flush, purge } from "./erase.ts";
import { asCostly, isWorthAnotherTry, notConnected, translated } from "./failures.ts";
import {
  countDrafted,
  draftedEntry,
  draftedIn,
  draftedList,
  draftedPermissions,
  type Inside,
  mergedPage,
  unlike,
} from "./inside.ts";
import { inspectStore } from "./inspect.ts";
import { nameOfGroups, nameOfRows, positionsOfStep } from "./journal.ts";
import { mongoLeases } from "./leases.ts";
import { ledgerOf } from "./ledger.ts";
import { readLog } from "./log.ts";
import { within } from "./patience.ts";
import { groupsOf, groupsWithMembers, reachableObjects } from "./permission-reader.ts";
import { countObjects, listEntries } from "./queries.ts";
import { createOwnIndexes, defineResource, foundResources, type MongoResource } from "./resources.ts";
import { scanned } from "./scan.ts";
import { transactions as transactionsOf } from "./transactions.ts";
import { parseMongoUrl } from "./url.ts";
import { watchOf } from "./watch.ts";
import { listStates, totalsOf } from "./whole.ts";
import { writerOf } from "./writer.ts";

export interface MongoStorageOptions {
  /** `mongodb://USER:PASSWORD@HOST:PORT/DATABASE?prefix=…` or `mongodb+srv://…`, see docs/storage.md. */
  readonly url: string;
  /** Of the service: the beginning of the collections' names, where the URL says none. Default "rouage". */
  readonly name?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts how many writes share a step. */
  readonly metrics?: Metrics | undefined;
  /** Longest that one list or count may take, in milliseconds; 0: as long as any statement. Default 2,000. */
  readonly queryBudgetMs?: number | undefined;
  /** Longest that one transaction may hold the store. Default ten seconds. */
  readonly transactionLimitMs?: number | undefined;
  /** See `openStorage`. */
  readonly asFound?: boolean | undefined;
  /** How long others wait for a process that has committed and does not go on. Default one second. */
  readonly helpAfterMs?: number | undefined;
  /** How long others wait for a sign of life of a process that holds its turn. Default four seconds. */
  readonly turnLimitMs?: number | undefined;
}

const groupBuckets: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Times that a list is read while it is written, before writers wait for it. */
const hopefulTries = 2;
/** A follower is woken by what was found; this is for when nothing could be looked for. */
const followMs = 5_000;

/** @throws Error when the driver is missing, the URL is wrong, or the store is of another version */
export async function mongoStorage({
  url: text,
  name,
  clock,
  log,
  metrics,
  queryBudgetMs = 2_000,
  transactionLimitMs,
  asFound = false,
  helpAfterMs,
  turnLimitMs,
}: MongoStorageOptions): Promise<Storage> {
  const url = parseMongoUrl(text, name);
  const driver = await loadDriver();
  const { client, collections, created } = await connect(driver, url, clock.now(), asFound).catch((error: unknown) => {
    throw notConnected(error);
  });
  const resources = new Map<string, MongoResource>();
  const news = notifier();
  const ledger = ledgerOf({ collections, log, advanced: news.notify, helpAfterMs, turnLimitMs });
  const groupSizes = metrics?.histogram(
    "storage_group_writes",
    "Writes that shared one transaction, and so one fsync",
    {},
    groupBuckets,
  );
  const store = { collections, ledger, resourceOf, now: clock.now, patienceMs: url.statementTimeoutMs, stored };
  const writer = writerOf(store, (writes) => groupSizes?.observe(writes));
  const transactions = transactionsOf({ store, writer, log, limitMs: transactionLimitMs });
  const watch = watchOf({
    ...{ journal: collections.journal, ledger, log },
    statementTimeoutMs: url.statementTimeoutMs,
  });
  const leases = mongoLeases({ leases: collections.leases });
  let closed = false;
  let closing: Promise<void> | undefined;

  try {
    await ledger.open();
    if (asFound) await find([]);
    else await createOwnIndexes(collections, transactions.still);
  } catch (error) {
    await client.close();
    throw translated(error);
  }

  /** Defines resources as the store has them. */
  async function find(definitions: readonly ListDefinition[]): Promise<void> {
    for (const resource of await foundResources(collections, definitions)) resources.set(resource.name, resource);
  }

  function resourceOf(resource: string): MongoResource {
    const found = resources.get(resource);
    if (found === undefined) throw new Error(`resource ${JSON.stringify(resource)} is not defined in this storage`);
    return found;
  }

  function open(): void {
    if (closed || (closing !== undefined && !transactions.inside())) {
      throw new ServiceError("unavailable", { cause: new Error("the storage is closed") });
    }
  }

  /** Runs a read, again where its connection turns out to be lost: it changes nothing. Given up when its statements together take too long. */
  async function read<T>(work: () => Promise<T>): Promise<T> {
    if (closed) open();
    try {
      const attempt = work().catch((error: unknown) => {
        if (isWorthAnotherTry(error) && !closed) return work();
        throw error;
      });
      return await within(1.5 * url.statementTimeoutMs, attempt);
    } catch (error) {
      throw translated(error);
    }
  }

  /** One document, with all of the step that wrote it applied: who is told of it may be told of the others. */
  async function whole<T extends { readonly s: number }>(find: () => Promise<T | null>): Promise<T | undefined> {
    const found = await find();
    if (found === null) return undefined;
    if (found.s > ledger.applied) await ledger.through(found.s);
    return found;
  }

  /** Several documents of the same moment: read again where one of these lists was written meanwhile. */
  async function still<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const tried = await hopefully(names, work);
    if (tried !== undefined) return tried.value;
    return writer
      .alone(async () => {
        const alone = await hopefully(names, work);
        return alone === undefined ? undefined : { value: alone.value };
      }, true)
      .then((found) => found?.value ?? transactions.still(work));
  }

  async function hopefully<T>(
    names: readonly string[],
    work: () => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    for (let tried = 0; tried < hopefulTries; tried++) {
      const since = ledger.applied;
      const value = await work();
      await ledger.catchUp();
      if (!ledger.touched(since, names)) return { value };
    }
    return undefined;
  }

  /** Pages of something that is read over a while: each is there for everybody when it is answered. */
  function paged<T>(work: () => Promise<T>): Promise<T> {
    return read(async () => {
      const page = await work();
      if (transactions.current() === undefined) await ledger.catchUp();
      return page;
    });
  }

  async function bounded<T>(names: readonly string[], work: (inside: Inside | undefined) => Promise<T>): Promise<T> {
    try {
      const inside = transactions.current();
      return await read(() =>
        inside === undefined ? still(names, () => asCostly(work(inside))) : asCostly(work(inside)),
      );
    } catch (error) {
      throw translated(error);
    }
  }

  const objectAt = <T extends ObjectDocument>(key: ObjectKey, projection: Readonly<Record<string, 1>>) =>
    whole(() => collections.objects(key.resource).findOne<T>({ _id: idOf(key) }, { projection }));

  async function stored(key: ObjectKey): Promise<StoredEntry | undefined> {
    const found = await objectAt(key, entryFields);
    return found && entryOf(found);
  }

  async function listAt(key: ListKey): Promise<{ readonly revision: number; readonly purged: number }> {
    resourceOf(key.resource);
    const inside = transactions.current();
    const drafted = inside && draftedList(inside, key);
    if (drafted !== undefined) return drafted;
    const _id = JSON.stringify([key.resource, key.parent]);
    return read(async () => (await whole(() => collections.lists.findOne({ _id }))) ?? { revision: 0, purged: 0 });
  }

  const storage: Storage = {
    capabilities: { durable: true, shared: true, indexes: true, transactions: true },

    async define(definitions) {
      if (transactions.current() !== undefined) throw new Error("lists cannot be defined inside of a transaction");
      open();
      if (asFound) return read(() => find(definitions));
      await read(async () => {
        const made: MongoResource[] = [];
        for (const definition of definitions) {
          made.push(await defineResource(collections, definition, transactions.still));
        }
        for (const resource of made) resources.set(resource.name, resource);
      });
    },

    async get(key) {
      open();
      resourceOf(key.resource);
      const inside = transactions.current();
      const drafted = inside && draftedEntry(inside, key);
      return drafted === undefined ? read(() => stored(key)) : drafted.entry;
    },

    async list(key, query) {
      open();
      resourceOf(key.resource);
      const objects = collections.objects(key.resource);
      return bounded([nameOfRows(key.resource, key.parent)], async (inside) => {
        if (inside === undefined) return (await listEntries(objects, key.parent, query, queryBudgetMs)).entries;
        const changed = unlike(inside, draftedIn(inside, key.resource, key.parent));
        const { entries } = await listEntries(objects, key.parent, query, queryBudgetMs, changed);
        return mergedPage(inside, key, query, entries);
      });
    },

    async count(key, filter) {
      open();
      resourceOf(key.resource);
      const objects = collections.objects(key.resource);
      return bounded([nameOfRows(key.resource, key.parent)], async (inside) => {
        if (inside === undefined) return countObjects(objects, key.parent, filter, queryBudgetMs);
        const drafted = draftedIn(inside, key.resource, key.parent);
        const count = await countObjects(objects, key.parent, filter, queryBudgetMs, unlike(inside, drafted));
        return count + countDrafted(inside, drafted, filter);
      });
    },

    async *scan(resource, query = {}) {
      resourceOf(resource);
      yield* scanned(collections.objects(resource), paged, resource, query, transactions.current());
    },

    async timestamp(key, readOnly = false) {
      open();
      const { revision } = await listAt(key);
      if (revision > 0) return revision;
      if (readOnly) return created;
      checkKey({ ...key, id: "" });
      return transactions.current() === undefined ? writer.touch(key) : transactions.touch(key);
    },

    async commit(changes, context = {}) {
      checkChanges(changes);
      checkKeys(changes);
      open();
      if (changes.length === 0) return [];
      checkSizes(changes, driver.BSON);
      return transactions.current() === undefined
        ? writer.commit(changes, context)
        : transactions.commit(changes, context);
    },

    async transaction(work) {
      open();
      return transactions.run(work);
    },
    inTransaction: () => transactions.inside(),
    afterCommit: (task) => transactions.afterCommit(task),

    permissions: {
      async of(key): Promise<Permissions> {
        const inside = transactions.current();
        const drafted = inside && draftedPermissions(inside, key);
        if (drafted !== undefined) return drafted;
        const found = await read(() => objectAt(key, { s: 1, a: 1 }));
        const permissions = permissionsIn(found ?? {});
        return inside === undefined ? permissions : without(permissions, inside.draft.forgotten);
      },
      groupsOf: (member) => bounded([nameOfGroups], (inside) => groupsOf(collections, member, inside)),
      groups: () => groupsWithMembers(collections, paged, transactions.current()),
      reachable: (query) => reachableObjects(collections, paged, query, transactions.current()),
    },

    log(query = {}) {
      open();
      const inside = query.follow === true ? undefined : transactions.current();
      const options = { collections, ledger, read, news, closed: () => closed, pollMs: () => followMs };
      return watch.whileFollowing(query, readLog(query, options, inside));
    },

    position() {
      const inside = transactions.current();
      const own = inside?.draft.log.length ?? 0;
      if (inside !== undefined) return Promise.resolve(own === 0 ? ledger.position : inside.n * positionsOfStep + own);
      return read(async () => {
        await ledger.catchUp();
        return ledger.position;
      });
    },

    lists: () => listStates(collections, paged, transactions.current()),
    totals: () => paged(() => totalsOf(collections, transactions.current())),
    async flush() {
      open();
      await transactions.step((inside) => flush(store, inside));
    },

    async erase(scopes) {
      open();
      return transactions.step((inside) => erase(store, inside, scopes));
    },

    async purgeTombstones(key, before) {
      open();
      resourceOf(key.resource);
      return transactions.step((inside) => purge(store, inside, key, before));
    },

    async purgedBefore(key) {
      return (await listAt(key)).purged;
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
      open();
      await read(async () => {
        if (readOnly) await collections.meta.findOne({ _id: "format" });
        else await collections.meta.updateOne({ _id: "checked" }, { $set: { checked: clock.now() } }, { upsert: true });
      });
    },

    async *inspect() {
      open();
      try {
        yield* inspectStore(driver, url);
      } catch (error) {
        throw translated(error);
      }
    },

    close() {
      closing ??= (async () => {
        await writer.close();
        closed = true;
        news.notify();
        await watch.close();
        await leases.close();
        await ledger.close();
        await client.close();
      })();
      return closing;
    },

    [Symbol.asyncDispose]: () => storage.close(),
  };
  return storage;
}
