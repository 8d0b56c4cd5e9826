/** A storage that passes everything on to another, apart from what it does itself. */
import type { Storage } from "./storage.ts";

/** Not reached: a storage does not lose what it can do. */
const nobody = Promise.resolve(undefined);

export function around(storage: Storage, own: Partial<Storage>): Storage {
  return {
    capabilities: storage.capabilities,
    permissions: storage.permissions,
    define: (definitions) => storage.define(definitions),
    get: (key) => storage.get(key),
    list: (key, query) => storage.list(key, query),
    count: (key, filter) => storage.count(key, filter),
    scan: (resource, query) => storage.scan(resource, query),
    timestamp: (key, readOnly) => storage.timestamp(key, readOnly),
    commit: (changes, context) => storage.commit(changes, context),
    transaction: (work) => storage.transaction(work),
    inTransaction: () => storage.inTransaction(),
    afterCommit: (task) => storage.afterCommit(task),
    log: (query) => storage.log(query),
    position: () => storage.position(),
    lists: () => storage.lists(),
    totals: () => storage.totals(),
    flush: () => storage.flush(),
    erase: (scopes) => storage.erase(scopes),
    purgeTombstones: (key, before) => storage.purgeTombstones(key, before),
    purgedBefore: (key) => storage.purgedBefore(key),
    check: (readOnly) => storage.check(readOnly),
    ...(storage.inspect === undefined ? {} : { inspect: storage.inspect }),
    ...(storage.beginAnew === undefined ? {} : { beginAnew: storage.beginAnew }),
    ...(storage.lease === undefined ? {} : { lease: (name: string) => storage.lease?.(name) ?? nobody }),
    close: () => storage.close(),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    ...own,
  };
}
