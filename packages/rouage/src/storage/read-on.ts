/** How readers of a log in a database begin, follow and end. What is read, and how much at a time, is the adapter's. */
import { ServiceError } from "../errors.ts";
import type { Notifier } from "./notifier.ts";
import type { LogEntry, LogQuery } from "./storage.ts";

export interface ReadOnOptions {
  readonly news: Notifier;
  /** Whether the storage is. */
  readonly closed: () => boolean;
  /** How long a follower waits for news before it looks for itself, in milliseconds. */
  readonly pollMs: () => number;
}

/** Between two tries of a follower while the database cannot be reached. */
const outageMs = 250;

/**
 * Yields batch after batch until there is none; a follower then waits. It ends without an error when it is told to, or its storage closes.
 * @param next the next entries that are asked for, perhaps none; undefined: it has seen everything. It may be called again after an error.
 */
export async function* readOn(
  { follow = false, reverse = false, signal }: LogQuery,
  { news, closed, pollMs }: ReadOnOptions,
  next: () => Promise<readonly LogEntry[] | undefined>,
): AsyncIterable<LogEntry> {
  if (follow && reverse) throw new TypeError("a log cannot be followed in reverse");
  const ended = () => closed() || signal?.aborted === true;
  const leaving = new AbortController();
  const until = signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]);

  /** A follower outlives an outage: it goes on from where it was when the database is there again. */
  async function steadily(): Promise<readonly LogEntry[] | undefined> {
    for (;;) {
      try {
        return await next();
      } catch (error) {
        if (!follow || ended() || !ServiceError.is(error) || error.code !== "unavailable") throw error;
      }
      await news.wait(until, outageMs);
    }
  }

  /** Begins before the log is looked at: what is committed meanwhile ends it. */
  let waiting: Promise<void> | undefined;
  try {
    while (!ended()) {
      if (follow) {
        waiting ??= news.wait(until, pollMs()).finally(() => {
          waiting = undefined;
        });
      }
      const entries = await steadily();
      for (const entry of entries ?? []) {
        if (ended()) return;
        yield entry;
      }
      if (entries !== undefined) continue;
      if (!follow) return;
      await waiting;
    }
  } catch (error) {
    if (!ended()) throw error;
  } finally {
    leaving.abort();
  }
}
