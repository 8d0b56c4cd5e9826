/** Notices what other processes commit to the same file, for as long as somebody follows the log. */
import type { Notifier } from "../notifier.ts";
import type { LogEntry, LogQuery } from "../storage.ts";
import type { Database } from "./database.ts";
import { one } from "./rows.ts";

export interface OthersWatch {
  /** The same entries; while they are being followed the file is watched. */
  whileFollowing(query: LogQuery, entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry>;
  close(): void;
}

const everyMs = 50;

export function watchOthers({ prepare }: Pick<Database, "prepare">, news: Notifier): OthersWatch {
  const statement = prepare("PRAGMA data_version");
  let version: unknown;
  let timer: NodeJS.Timeout | undefined;
  let followers = 0;

  function look(): void {
    let current: unknown;
    try {
      current = one(statement)?.[0];
    } catch {
      // The follower's next read says what is wrong.
    }
    if (current === version && current !== undefined) return;
    version = current;
    news.notify();
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    async *whileFollowing({ follow = false }, entries) {
      if (!follow) {
        yield* entries;
        return;
      }
      followers++;
      timer ??= setInterval(look, everyMs);
      try {
        yield* entries;
      } finally {
        followers--;
        if (followers === 0) stop();
      }
    },
    close: stop,
  };
}
