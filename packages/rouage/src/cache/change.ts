/** Values of a cache that are made of what they were: read, worked out, and kept only if nobody else was faster; otherwise again. */
import { ServiceError } from "../errors.ts";
import { keyedQueue } from "../operations/queue.ts";
import type { Cache } from "./cache.ts";

/** What a value becomes, and how long it stays. */
export interface ChangedValue {
  readonly value: string;
  readonly ttlSeconds: number;
}

/**
 * Applies `next` to a value in one step over all users of the cache; it may be called several times. Undefined changes nothing, and what it throws ends
 * the change. @throws ServiceError `unavailable` also when others are faster again and again
 */
export type ChangeValue = (key: string, next: (old: string | undefined) => ChangedValue | undefined) => Promise<void>;

/** Those of one process take turns, so that only processes meet. */
export function changingValues(cache: Pick<Cache, "get" | "add" | "replace">): ChangeValue {
  const turns = keyedQueue();
  return (key, next) =>
    turns.run(key, async () => {
      for (let tries = 0; tries < mostTries; tries++) {
        const old = await cache.get(key);
        const changed = next(old);
        if (changed === undefined) return;
        const { value, ttlSeconds } = changed;
        const isKept =
          old === undefined
            ? await cache.add(key, value, ttlSeconds)
            : await cache.replace(key, old, value, ttlSeconds);
        if (isKept) return;
      }
      throw new ServiceError("unavailable", {
        cause: new Error("a value of the cache changes too often, or cannot be kept"),
      });
    });
}

/** Each time somebody else has changed it: far more than there are processes. */
const mostTries = 100;
