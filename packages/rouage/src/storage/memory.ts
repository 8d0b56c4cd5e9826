/** Storage in this process's memory: for tests, for trying out, and as the reference of what the interface means. */
import type { Clock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { ambient, answer, type PartBrackets } from "./ambient.ts";
import { checkChanges } from "./check-changes.ts";
import { compareEntries, compareStrings, isBehind, matches } from "./evaluate.ts";
import type { Filter } from "./filter.ts";
import { applyChanges, eraseScopes, purge, undefinedResource } from "./memory-changes.ts";
import { lengthOf, readLog } from "./memory-log.ts";
import { memoryPermissions } from "./memory-permissions.ts";
import {
  absorb,
  claims,
  emptyOut,
  emptyState,
  fork,
  type MemoryEntry,
  type MemoryList,
  type MemoryResource,
  type MemoryState,
  touch,
  writableResource,
} from "./memory-state.ts";
import { notifier } from "./notifier.ts";
import type { ListKey, Storage } from "./storage.ts";
import { turns } from "./turns.ts";
import { withinSize } from "./within-size.ts";

export interface MemoryStorageOptions {
  readonly clock: Clock;
  /** Told what fails in tasks after a transaction. Default: nobody. */
  readonly log?: Logger;
  /** Longest that one transaction may hold the storage. Default ten seconds. */
  readonly transactionLimitMs?: number | undefined;
}

export function memoryStorage({ clock, log = silentLogger, transactionLimitMs }: MemoryStorageOptions): Storage {
  const transactions = ambient<MemoryState>(transactionLimitMs);
  /** Transactions and other writes wait for each other. */
  const writers = turns();
  const news = notifier();
  const created = clock.now();
  const committed = emptyState();
  let closed = false;
  let closing: Promise<void> | undefined;

  function open() {
    if (closed || (closing !== undefined && !transactions.inside())) {
      throw new ServiceError("unavailable", { cause: new Error("the storage is closed") });
    }
  }

  const state = (): MemoryState => transactions.current() ?? committed;

  function resource(name: string): MemoryResource {
    open();
    const found = state().resources.get(name);
    if (found === undefined) throw undefinedResource(name);
    return found;
  }

  function list(key: ListKey): MemoryList | undefined {
    return resource(key.resource).lists.get(key.parent);
  }

  /** Runs a write in the caller's transaction, or alone when its turn comes. */
  async function write<T>(work: (on: MemoryState) => T): Promise<T> {
    open();
    if (transactions.current() !== undefined) return transactions.step(work);
    return writers.run(() => {
      const result = work(committed);
      news.notify();
      return result;
    });
  }

  const storage: Storage = {
    capabilities: { durable: false, shared: false, indexes: false, transactions: true },

    async define(definitions) {
      if (transactions.current() !== undefined) throw new Error("lists cannot be defined inside of a transaction");
      return write(({ resources }) => {
        for (const definition of definitions) {
          const lists = resources.get(definition.resource)?.lists ?? new Map();
          resources.set(definition.resource, { definition, lists, unique: claims(definition, lists) });
        }
      });
    },

    get(key) {
      return list(key)?.entries.get(key.id)?.stored;
    },

    async list(key, { filter, sort, limit, size, after, tombstones = false }) {
      const found = select(list(key), filter, tombstones).filter(
        (entry) => after === undefined || isBehind(entry, sort, after),
      );
      found.sort((a, b) => compareEntries(a, b, sort));
      const page = found.slice(0, limit).map((entry) => entry.stored);
      return size === undefined ? page : withinSize(page, size);
    },

    async count(key, filter) {
      return select(list(key), filter, false).length;
    },

    async *scan(name, { filter, tombstones = false } = {}) {
      const { lists } = resource(name);
      for (const parent of [...lists.keys()].sort(compareStrings)) {
        const entries = select(lists.get(parent), filter, tombstones).sort((a, b) => compareStrings(a.id, b.id));
        for (const entry of entries) yield { ...entry.stored, parent };
      }
    },

    async timestamp(key, readOnly = false) {
      const found = list(key);
      if (found !== undefined && found.revision > 0) return found.revision;
      if (readOnly) return created;
      return write((on) => {
        const written = writableResource(on, key.resource);
        if (written === undefined) throw undefinedResource(key.resource);
        const touched = touch(on, written, key.parent, []);
        if (touched.revision === 0) touched.revision = clock.now();
        return touched.revision;
      });
    },

    async commit(changes, context = {}) {
      checkChanges(changes);
      return write((on) => applyChanges(on, changes, context, clock.now()));
    },

    async transaction(work) {
      open();
      if (transactions.current() !== undefined) return transactions.part(parts, work);
      const ended = await writers.run(async () => {
        const own = fork(committed);
        const result = await transactions.during(own, work);
        if (result.outcome.status === "fulfilled") {
          absorb(committed, own);
          news.notify();
        }
        return result;
      });
      return answer(ended, log);
    },

    inTransaction: () => transactions.inside(),
    afterCommit: (task) => transactions.afterCommit(task),

    permissions: memoryPermissions(() => {
      open();
      return state();
    }),

    log(query = {}) {
      open();
      const isInside = query.follow !== true && transactions.current() !== undefined;
      return readLog(query, { log: () => (isInside ? state() : committed).log, news, closed: () => closed });
    },

    async position() {
      open();
      return lengthOf(state().log);
    },

    async *lists() {
      open();
      const found = [...state().resources].flatMap(([name, { lists }]) =>
        [...lists].map(([parent, { revision, purged }]) => ({ resource: name, parent, revision, purged })),
      );
      yield* found
        .filter(({ revision }) => revision > 0)
        .sort((a, b) => compareStrings(a.resource, b.resource) || compareStrings(a.parent, b.parent));
    },

    async totals() {
      open();
      return [...state().resources].map(([name, { lists }]) => {
        const kinds = [...lists.values()].flatMap(({ entries }) =>
          [...entries.values()].map(({ stored }) => stored.kind),
        );
        const objects = kinds.filter((kind) => kind === "object").length;
        return { resource: name, objects, tombstones: kinds.length - objects };
      });
    },

    flush: () => write(emptyOut),

    erase: (scopes) => write((on) => eraseScopes(on, scopes, clock.now())),

    async purgeTombstones(key, before) {
      resource(key.resource);
      return write((on) => purge(on, key, before));
    },

    async purgedBefore(key) {
      return list(key)?.purged ?? 0;
    },

    async check() {
      open();
    },

    close() {
      closing ??= writers.idle().then(() => {
        closed = true;
        news.notify();
      });
      return closing;
    },

    [Symbol.asyncDispose]: () => storage.close(),
  };
  return storage;
}

const parts: PartBrackets<MemoryState> = {
  begin: fork,
  keep: (part, outer) => absorb(outer, part),
  takeBack: () => {},
};

function select(list: MemoryList | undefined, filter: Filter | undefined, tombstones: boolean): MemoryEntry[] {
  if (list === undefined) return [];
  const found: MemoryEntry[] = [];
  for (const entry of list.entries.values()) {
    if (entry.stored.kind === "tombstone" && !tombstones) continue;
    if (filter === undefined || matches(filter, entry)) found.push(entry);
  }
  return found;
}
