/** How far a consumer is behind the log it reads. */
import type { Clock } from "../clock.ts";
import type { LogEntry, LogQuery } from "../storage/storage.ts";

export interface LagOptions {
  readonly source: { log(query: LogQuery): AsyncIterable<LogEntry>; position?(): Promise<number> };
  readonly resources: readonly string[] | undefined;
  /** Resources whose entries wait for nobody. */
  readonly ignored: ReadonlySet<string>;
  readonly position: () => number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Metrics are read at once, a log is not: each reading answers what the one before found, and looks anew. Nothing is done while
 * nobody reads.
 */
export interface Lag {
  /** Positions between the consumer's and the end of the log; 0 when no entry waits for it, whatever else the log has. */
  positions(): number;
  /** Age of the oldest entry that waits; 0 when none does. */
  seconds(): number;
}

export function createLag({ source, resources, ignored, position, clock, signal }: LagOptions): Lag {
  let found = { positions: 0, seconds: 0 };
  let looking = false;

  async function look(): Promise<typeof found> {
    const after = position();
    const query = { after, signal, ...(resources === undefined ? {} : { resources }) };
    for await (const { resource, time, position: at } of source.log(query)) {
      if (ignored.has(resource)) continue;
      const end = (await source.position?.()) ?? at;
      return { positions: end - after, seconds: Math.max(0, clock.now() - time) / 1000 };
    }
    return { positions: 0, seconds: 0 };
  }

  function refresh(): void {
    if (looking || signal.aborted) return;
    looking = true;
    look().then(
      (now) => {
        found = now;
        looking = false;
      },
      () => {
        // A log that cannot be read keeps the consumer waiting as well, which says so.
        looking = false;
      },
    );
  }

  return {
    positions() {
      refresh();
      return found.positions;
    },
    seconds() {
      refresh();
      return found.seconds;
    },
  };
}
