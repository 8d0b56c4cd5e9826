/** A cache that counts what it is asked for and had, around any other. */
import type { Metrics } from "../telemetry/metrics.ts";
import type { Cache } from "./cache.ts";

export function measuredCache(cache: Cache, metrics: Metrics): Cache {
  const reads = (outcome: string) =>
    metrics.counter("cache_reads_total", "Values asked of the cache: hit, miss, failed", { outcome });
  const hits = reads("hit");
  const misses = reads("miss");
  const failures = reads("failed");

  const counted = (value: string | undefined): string | undefined => {
    (value === undefined ? misses : hits).add();
    return value;
  };
  const failed = (error: unknown): never => {
    failures.add();
    throw error;
  };

  return {
    capabilities: cache.capabilities,
    get(key) {
      try {
        const value = cache.get(key);
        return value instanceof Promise ? value.then(counted, failed) : counted(value);
      } catch (error) {
        return failed(error);
      }
    },
    set: (key, value, ttlSeconds) => cache.set(key, value, ttlSeconds),
    add: (key, value, ttlSeconds) => cache.add(key, value, ttlSeconds),
    replace: (key, old, value, ttlSeconds) => cache.replace(key, old, value, ttlSeconds),
    delete: (key) => cache.delete(key),
    ttl: (key) => cache.ttl(key),
    expire: (key, ttlSeconds) => cache.expire(key, ttlSeconds),
    increment: (key, by, ttlSeconds) => cache.increment(key, by, ttlSeconds),
    flush: () => cache.flush(),
    check: () => cache.check(),
    close: () => cache.close(),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}
