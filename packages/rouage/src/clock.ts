/** Time and identifiers, passed in so that tests own them. Nothing else in the toolkit may read the wall clock. */

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

export interface ManualClock extends Clock {
  /** Moves time by `ms` milliseconds, backwards when negative. */
  advance(ms: number): void;
  set(ms: number): void;
}

/** A clock for tests that only moves when told. */
export function manualClock(start = Date.UTC(2026, 0, 1)): ManualClock {
  let time = start;
  return {
    now: () => time,
    advance: (ms) => {
      time += ms;
    },
    set: (ms) => {
      time = ms;
    },
  };
}
