/**
 * What two counters say of a sliding window: the requests of the current window of time, and those of the one before it, of which as much counts
 * as is not yet a window ago. Keeps nothing.
 */
import type { RateLimit } from "../../settings/rate-limit.ts";

export interface Counted {
  /** Requests admitted in the current window. */
  readonly current: number;
  /** And in the one before it. */
  readonly previous: number;
}

export interface Left {
  /** Requests that would be admitted now, and at any later time. */
  readonly requests: number;
  /** Milliseconds until it is one more. */
  readonly moreInMs: number;
}

/** Number of the window that a moment is in. */
export function windowOf({ windowSeconds }: RateLimit, now: number): number {
  return Math.floor(now / (windowSeconds * 1000));
}

/** Whether one more is admitted. */
export function isWithin(limit: RateLimit, counted: Counted, now: number): boolean {
  return weighed(limit, counted, now) < limit.quota;
}

export function leftOf(limit: RateLimit, counted: Counted, now: number): Left {
  const requests = Math.max(0, Math.ceil(limit.quota - weighed(limit, counted, now)));
  const length = limit.windowSeconds * 1000;
  const elapsed = now % length;
  const { current, previous } = counted;
  // One more is left as soon as less than this is counted.
  const wanted = limit.quota - requests;
  if (current < wanted) return { requests, moreInMs: lighterAt(length, previous, wanted - current) - elapsed };
  return { requests, moreInMs: length - elapsed + lighterAt(length, current, wanted) };
}

/** The previous window's requests are a millisecond old at least, so that a window that was used up ends when it ends. */
function weighed({ windowSeconds }: RateLimit, { current, previous }: Counted, now: number): number {
  const length = windowSeconds * 1000;
  return current + (previous * (length - 1 - (now % length))) / length;
}

/** How far into a window so many requests of the one before it weigh less than `weight`. */
function lighterAt(length: number, requests: number, weight: number): number {
  return Math.max(0, Math.floor(length - 1 - (weight * length) / requests) + 1);
}
