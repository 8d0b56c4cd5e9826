/** A storage that counts and times what is asked of it, around any other. */
import type { Counter, Metrics } from "../telemetry/metrics.ts";
import { CommitConflict, type Storage } from "./storage.ts";

/** From 10 µs, what a read of one object takes, to 5 s. */
const readBuckets: readonly number[] = [
  0.00001, 0.000025, 0.0001, 0.00025, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1, 5,
];
const commitBuckets: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** Every 64th read of one object is timed: looking at the clock twice costs as much as some of them. */
const timedGets = 64;

export function measuredStorage(storage: Storage, metrics: Metrics): Storage {
  const commits = (outcome: string): Counter =>
    metrics.counter(
      "storage_commits_total",
      "Commits: committed, conflict (a precondition or unique constraint), failed",
      { outcome },
    );
  const committed = commits("committed");
  const conflict = commits("conflict");
  const failed = commits("failed");
  const commitTime = metrics.histogram(
    "storage_commit_duration_seconds",
    "Time until a commit was durable",
    {},
    commitBuckets,
  );
  const transactions = (outcome: string): Counter =>
    metrics.counter("storage_transactions_total", "Transactions: committed, rolled-back", { outcome });
  const transacted = transactions("committed");
  const takenBack = transactions("rolled-back");
  const transactionTime = metrics.histogram(
    "storage_transaction_duration_seconds",
    "Time until a transaction was durable, waiting for its turn included",
    {},
    commitBuckets,
  );
  const reads = (operation: string) => ({
    count: metrics.counter("storage_reads_total", "Reads: get, list, count", { operation }),
    time: metrics.histogram(
      "storage_read_duration_seconds",
      "Duration of reads; of get every 64th is timed",
      { operation },
      readBuckets,
    ),
  });
  const gets = reads("get");
  const lists = reads("list");
  const counts = reads("count");
  let untimed = 0;

  return {
    capabilities: storage.capabilities,
    define: (definitions) => storage.define(definitions),
    get(key) {
      gets.count.add();
      if (++untimed < timedGets) return storage.get(key);
      untimed = 0;
      const start = performance.now();
      const entry = storage.get(key);
      if (!(entry instanceof Promise)) {
        gets.time.observe(since(start));
        return entry;
      }
      return entry.finally(() => gets.time.observe(since(start)));
    },
    list(key, query) {
      lists.count.add();
      const start = performance.now();
      return storage.list(key, query).finally(() => lists.time.observe(since(start)));
    },
    count(key, filter) {
      counts.count.add();
      const start = performance.now();
      return storage.count(key, filter).finally(() => counts.time.observe(since(start)));
    },
    scan: (resource, query) => storage.scan(resource, query),
    timestamp: (key, readOnly) => storage.timestamp(key, readOnly),
    commit(changes, context) {
      const start = performance.now();
      return storage.commit(changes, context).then(
        (results) => {
          commitTime.observe(since(start));
          committed.add();
          return results;
        },
        (error) => {
          (error instanceof CommitConflict ? conflict : failed).add();
          throw error;
        },
      );
    },
    async transaction(work) {
      // One inside of another is a part of it.
      if (storage.inTransaction()) return storage.transaction(work);
      const start = performance.now();
      try {
        const result = await storage.transaction(work);
        transactionTime.observe(since(start));
        transacted.add();
        return result;
      } catch (error) {
        takenBack.add();
        throw error;
      }
    },
    inTransaction: () => storage.inTransaction(),
    afterCommit: (task) => storage.afterCommit(task),
    permissions: storage.permissions,
    log: (query) => storage.log(query),
    position: () => storage.position(),
    lists: () => storage.lists(),
    totals: () => storage.totals(),
    flush: () => storage.flush(),
    erase: (scopes) => storage.erase(scopes),
    purgeTombstones: (key, before) => storage.purgeTombstones(key, before),
    purgedBefore: (key) => storage.purgedBefore(key),
    check: (readOnly) => storage.check(readOnly),
    ...(storage.lease === undefined ? {} : { lease: (name: string) => storage.lease?.(name) ?? nobody }),
    ...(storage.beginAnew === undefined ? {} : { beginAnew: storage.beginAnew }),
    ...(storage.inspect === undefined ? {} : { inspect: storage.inspect }),
    close: () => storage.close(),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}

/** Not reached: a storage does not lose what it can do. */
const nobody = Promise.resolve(undefined);

function since(start: number): number {
  return (performance.now() - start) / 1000;
}
