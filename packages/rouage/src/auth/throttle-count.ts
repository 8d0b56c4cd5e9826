/** What failures of one account or address come to: how many, since when, and until when nothing may be tried. Keeps nothing. */

export interface ThrottleLimit {
  /** Failures free of consequence. */
  readonly free: number;
  /** First lock in milliseconds; each further failure doubles it. */
  readonly lockMs: number;
  readonly maxLockMs: number;
  /** Failures are forgotten when none came for this long. */
  readonly windowMs: number;
}

export interface Count {
  readonly failures: number;
  /** When the last try was, in milliseconds since the epoch. */
  readonly last: number;
  readonly lockedUntil: number;
}

/** A count of nothing: remembered as used. */
export function noCount(now: number): Count {
  return { failures: 0, last: now, lockedUntil: 0 };
}

/** Until when the count means something. */
export function endOf(limit: ThrottleLimit, { last, lockedUntil }: Count): number {
  return Math.max(last + limit.windowMs, lockedUntil);
}

export function isLive(limit: ThrottleLimit, count: Count, now: number): boolean {
  return endOf(limit, count) > now;
}

/** Milliseconds until the next try. */
export function waitOf(count: Count | undefined, now: number): number {
  return Math.max(0, (count?.lockedUntil ?? 0) - now);
}

export function afterFailure(limit: ThrottleLimit, before: Count | undefined, now: number): Count {
  const failures = (before?.failures ?? 0) + 1;
  const over = failures - limit.free;
  const lock = over < 1 ? 0 : Math.min(limit.maxLockMs, limit.lockMs * 2 ** Math.min(over - 1, 30));
  return { failures, last: now, lockedUntil: Math.max(before?.lockedUntil ?? 0, now + lock) };
}

/** One failure taken back; undefined: none is left. */
export function afterUndo(limit: ThrottleLimit, count: Count): Count | undefined {
  const failures = count.failures - 1;
  if (failures <= 0) return undefined;
  return { ...count, failures, lockedUntil: failures <= limit.free ? 0 : count.lockedUntil };
}
