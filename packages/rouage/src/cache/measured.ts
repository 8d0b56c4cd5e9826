/** A cache that counts what it is asked for and had, and what failed, around any other. */
import { ServiceError } from "../errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Cache } from "./cache.ts";

export function measuredCache(cache: Cache, metrics: Metrics): Cache {
  const reads = (outcome: string) =>
    metrics.counter("cache_reads_total", "Values asked of the cache: hit, miss, failed", { outcome });
  const hits = reads("hit");
  const misses = reads("miss");
  const failedReads = reads("failed");
  const failures = metrics.counter(
    "cache_failures_total",
    "Calls of the cache, reads included, that failed because it could not be reached",
  );

  const counted = (value: string | undefined): string | undefined => {
    (value === undefined ? misses : hits).add();
    return value;
  };
  const failed = (error: unknown): never => {
    // What is wrong with a call is no failure of the cache.
    if (ServiceError.is(error)) failures.add();
    throw error;
  };
  const failedRead = (error: unknown): never => {
    failedReads.add();
    return failed(error);
  };

  function watched<T>(call: () => T | Promise<T>): T | Promise<T> {
    try {
      const result = call();
      return result instanceof Promise ? result.catch(failed) : result;
    } catch (error) {
      return failed(error);
    }
  }

  return {
    capabilities: cache.capabilities,
    get(key) {
      try {
        const value = cache.get(key);
        return value instanceof Promise ? value.then(counted, failedRead) : counted(value);
      } catch (error) {
        return failedRead(error);
      }
    },
    set: (key, value, ttlSeconds) => watched(() => cache.set(key, value, ttlSeconds)),
    add: (key, value, ttlSeconds) => watched(() => cache.add(key, value, ttlSeconds)),
    replace: (key, old, value, ttlSeconds) => watched(() => cache.replace(key, old, value, ttlSeconds)),
    delete: (key) => watched(() => cache.delete(key)),
    ttl: (key) => watched(() => cache.ttl(key)),
    expire: (key, ttlSeconds) => watched(() => cache.expire(key, ttlSeconds)),
    increment: (key, by, ttlSeconds) => watched(() => cache.increment(key, by, ttlSeconds)),
    flush: () => watched(() => cache.flush()),
    check: () => cache.check(),
    close: () => cache.close(),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}
