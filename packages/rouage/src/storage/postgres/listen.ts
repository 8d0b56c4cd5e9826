/** Hears of other processes' commits while somebody follows the log: by NOTIFY, and by looking now and then where that does not come. */
import type { Logger } from "../../telemetry/log.ts";
import type { Notifier } from "../notifier.ts";
import type { LogEntry, LogQuery } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { identifier } from "./quote.ts";

export interface Listener {
  whileFollowing(query: LogQuery, entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry>;
  /** How long a follower waits before it looks for itself. */
  pollMs(): number;
  close(): Promise<void>;
}

export interface ListenerOptions {
  readonly open: () => Promise<Connection>;
  readonly channel: string;
  readonly news: Notifier;
  readonly log: Logger;
}

const listeningPollMs = 5_000;
const deafPollMs = 250;

export function listener({ open, channel, news, log }: ListenerOptions): Listener {
  let connection: Connection | undefined;
  let opening: Promise<void> | undefined;
  let followers = 0;
  /** Said once, until it can be listened to again. */
  let isWarned = false;
  let closed = false;

  /** Begins to listen; where that fails, followers look for themselves until it has succeeded. */
  function listen(): void {
    if (closed || followers === 0 || opening !== undefined || connection?.lost === false) return;
    opening = (async () => {
      try {
        const opened = await open();
        opened.listen(() => {
          news.notify();
          if (opened.lost) listen();
        });
        await opened.run(`LISTEN ${identifier(channel)}`);
        connection = opened;
        isWarned = false;
        // What was committed before it listened was not heard.
        news.notify();
      } catch (error) {
        if (!isWarned)
          log.warn({ err: error }, "changes of other processes are polled for: the database cannot be listened to");
        isWarned = true;
      }
      opening = undefined;
    })();
  }

  async function* followed(entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry> {
    followers++;
    listen();
    try {
      yield* entries;
    } finally {
      followers--;
    }
  }

  return {
    whileFollowing: (query, entries) => (query.follow === true ? followed(entries) : entries),
    pollMs() {
      listen();
      return connection?.lost === false ? listeningPollMs : deafPollMs;
    },
    async close() {
      closed = true;
      await opening;
      await connection?.end();
    },
  };
}
