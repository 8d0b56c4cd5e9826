/** At most so many events in a sliding window, for each key, in bounded memory. */
import type { Clock } from "rouage";

export type Taken = { readonly ok: true } | { readonly ok: false; readonly retryAfterSeconds: number };

export interface SlidingWindow {
  /** Counts one event; when the window is full nothing is counted and the wait is told. */
  take(key: string): Taken;
  /** True when nothing is remembered of the key: its past may be read from elsewhere and given to `seed`. */
  isNew(key: string): boolean;
  /** Times of earlier events in milliseconds, in any order. */
  seed(key: string, times: readonly number[]): void;
}

export interface SlidingWindowOptions {
  readonly limit: number;
  readonly windowMs: number;
  readonly clock: Clock;
  /** Keys remembered; the one longest unused is forgotten first. Default 10000. */
  readonly maxKeys?: number;
}

export function slidingWindow({ limit, windowMs, clock, maxKeys = 10_000 }: SlidingWindowOptions): SlidingWindow {
  const events = new Map<string, number[]>();
  const remember = (key: string, times: number[]) => {
    events.delete(key);
    events.set(key, times);
    if (events.size > maxKeys) for (const oldest of events.keys()) return void events.delete(oldest);
  };
  return {
    isNew: (key) => !events.has(key),
    seed: (key, times) => remember(key, [...times, ...(events.get(key) ?? [])].sort((a, b) => a - b).slice(-limit)),
    take(key) {
      const now = clock.now();
      const times = (events.get(key) ?? []).filter((time) => time > now - windowMs);
      const result = taken(times, limit, windowMs, now);
      if (result.ok) times.push(now);
      remember(key, times);
      return result;
    },
  };
}

/** Whether one more event fits beside those of the window, which are in order. */
export function taken(times: readonly number[], limit: number, windowMs: number, now: number): Taken {
  const oldest = times.at(-limit);
  if (times.length < limit || oldest === undefined) return { ok: true };
  return { ok: false, retryAfterSeconds: Math.max(1, Math.ceil((oldest + windowMs - now) / 1000)) };
}
