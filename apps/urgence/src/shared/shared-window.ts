/**
 * Sliding windows that instances share through a cache: at most so many events of a key in any window, over all of them. Without a shared cache, or while
 * it is away, this process counts its own.
 */
import { createHash } from "node:crypto";
import { type Clock, type Logger, ServiceError } from "rouage";
import { type Cache, changingValues } from "rouage/cache";
import { type SlidingWindowOptions, slidingWindow, type Taken, taken } from "./sliding-window.ts";

export interface SharedWindow {
  /**
   * Counts one event; when the window is full nothing is counted and the wait is told.
   * @param past times of earlier events, asked for when nothing is remembered of the key; has to bear being called in vain
   */
  take(key: string, past?: () => Promise<readonly number[]>): Promise<Taken>;
}

export interface SharedWindowOptions extends SlidingWindowOptions {
  readonly cache: Cache;
  /** Tells it from other windows of the same service. */
  readonly name: string;
  readonly log: Logger;
}

export function sharedWindow(options: SharedWindowOptions): SharedWindow {
  const { cache, clock, limit, log, name, windowMs } = options;
  const own = slidingWindow(options);
  const change = changingValues(cache);
  const warn = onceAMinute(clock, (error) =>
    log.warn({ err: error, window: name }, "events are counted by this process alone: the cache cannot be reached"),
  );

  async function alone(key: string, past: (() => Promise<readonly number[]>) | undefined): Promise<Taken> {
    if (past !== undefined && own.isNew(key)) {
      const times = await past();
      // Others may have counted meanwhile; what they counted is in memory only and stays.
      if (own.isNew(key)) own.seed(key, times);
    }
    return own.take(key);
  }

  async function together(key: string, past: (() => Promise<readonly number[]>) | undefined): Promise<Taken> {
    const at = keyOf(name, key);
    const earlier = past === undefined || (await cache.get(at)) !== undefined ? undefined : await past();
    let result: Taken = { ok: true };
    await change(at, (text) => {
      const now = clock.now();
      const known = text === undefined ? (earlier ?? []) : timesOf(text);
      const times = known.filter((time) => time > now - windowMs).sort((a, b) => a - b);
      result = taken(times, limit, windowMs, now);
      if (!result.ok && text !== undefined) return undefined;
      const next = result.ok ? [...times, now] : times;
      return { value: JSON.stringify(next.slice(-limit)), ttlSeconds: Math.ceil(windowMs / 1000) };
    });
    return result;
  }

  return {
    async take(key, past) {
      if (!cache.capabilities.shared) return alone(key, past);
      try {
        return await together(key, past);
      } catch (error) {
        if (!ServiceError.is(error) || error.code !== "unavailable") throw error;
        warn(error);
        return alone(key, past);
      }
    },
  };
}

/** Persons, sites and addresses are not named in a cache. */
function keyOf(name: string, key: string): string {
  return `window ${name} ${createHash("sha256").update(key).digest("base64url").slice(0, 22)}`;
}

/** What cannot be read is nothing. */
function timesOf(text: string): readonly number[] {
  try {
    const times: unknown = JSON.parse(text);
    return Array.isArray(times) ? times.filter((time): time is number => typeof time === "number") : [];
  } catch {
    return [];
  }
}

function onceAMinute(clock: Clock, warn: (error: unknown) => void): (error: unknown) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (clock.now() - last < 60_000) return;
    last = clock.now();
    warn(error);
  };
}
