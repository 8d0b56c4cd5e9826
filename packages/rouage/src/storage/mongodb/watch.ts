/** Looks for steps of other processes while somebody follows the log. */
import type { LogEntry, LogQuery } from "../storage.ts";
import type { Ledger } from "./ledger.ts";

export interface Watch {
  whileFollowing(query: LogQuery, entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry>;
  close(): void;
}

/** One question for a number that is not there yet, however many follow. */
const pollMs = 50;

export function watchOf(ledger: Pick<Ledger, "catchUp">): Watch {
  let followers = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  function again(): void {
    if (closed || followers === 0 || timer !== undefined) return;
    timer = setTimeout(async () => {
      // Who follows hears of what was found; while the database cannot be reached, it looks for itself.
      await ledger.catchUp().catch(() => {});
      timer = undefined;
      again();
    }, pollMs);
    timer.unref();
  }

  async function* followed(entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry> {
    followers++;
    again();
    try {
      yield* entries;
    } finally {
      followers--;
    }
  }

  return {
    whileFollowing: (query, entries) => (query.follow === true ? followed(entries) : entries),
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
