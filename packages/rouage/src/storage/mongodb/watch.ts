/**
 * Hears of steps of other processes while somebody follows the log: by a change stream of the journal where the server has them, and by looking for
 * the next number where it has not, or while the stream is broken. Either says no more than that there is something: it is read from the journal, by
 * position, so that nothing depends on what a stream tells or leaves out.
 */
import type { ChangeStream } from "mongodb";
import type { Logger } from "../../telemetry/log.ts";
import type { LogEntry, LogQuery } from "../storage.ts";
import { codeOf } from "./failures.ts";
import type { JournalDocument } from "./journal.ts";
import type { Ledger } from "./ledger.ts";
import type { Collections } from "./names.ts";

export interface Watch {
  whileFollowing(query: LogQuery, entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry>;
  close(): Promise<void>;
}

export interface WatchOptions {
  readonly journal: Collections["journal"];
  readonly ledger: Pick<Ledger, "applied" | "catchUp">;
  readonly log: Logger;
  /** Longest that the server may take for an answer, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** Between two looks where nothing is heard. One question for a number that is not there yet, however many follow. Default 50. */
  readonly pollMs?: number;
  /** After a stream broke, or could not be opened. Default one second. */
  readonly againMs?: number;
  /** How long a stream of which there is nothing to tell keeps a question. Default one second. */
  readonly silenceMs?: number;
}

/** Steps begin with an insertion, and so do ends of transactions. Only its number is needed of it. */
const pipeline = [{ $match: { operationType: "insert" } }, { $project: { documentKey: 1 } }];
/** What a server says that has no change streams, or does not let this user have them. */
const refusals: ReadonlySet<number> = new Set([13, 59, 115, 238, 40_324, 40_573]);

export function watchOf({
  journal,
  ledger,
  log,
  statementTimeoutMs,
  pollMs = 50,
  againMs = 1_000,
  silenceMs = 1_000,
}: WatchOptions): Watch {
  let followers = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let listening: Promise<void> | undefined;
  let stream: ChangeStream<JournalDocument> | undefined;
  let isHearing = false;
  /** The server has none: it is not asked again. */
  let isRefused = false;
  /** Said once, until it can be listened to again. */
  let isWarned = false;
  let wake = () => {};

  const isWanted = () => !closed && followers > 0;

  /** Who follows hears of what was found; while the database cannot be reached, it looks for itself. */
  const look = () => ledger.catchUp().catch(() => {});

  function poll(): void {
    if (!isWanted() || isHearing || timer !== undefined) return;
    timer = setTimeout(async () => {
      await look();
      timer = undefined;
      poll();
    }, pollMs);
    timer.unref();
  }

  function listen(): void {
    if (!isWanted() || isRefused || listening !== undefined) return;
    listening = (async () => {
      while (isWanted() && !isRefused) {
        await hear().catch(broken);
        if (!isWanted() || isRefused) break;
        poll();
        await pause(againMs);
      }
      listening = undefined;
      // Who came while it was being ended.
      listen();
    })();
  }

  async function hear(): Promise<void> {
    const opened = journal.watch(pipeline, { maxAwaitTimeMS: Math.min(silenceMs, statementTimeoutMs / 2) });
    stream = opened;
    try {
      while (stream === opened) {
        const asked = performance.now();
        const change = await opened.tryNext();
        if (opened.closed) throw new Error("the server has ended the stream");
        if (!isHearing) {
          isHearing = true;
          isWarned = false;
          // What was committed before it was open was not heard.
          await look();
          continue;
        }
        // Of what this process has written itself it knows. A stream that goes on elsewhere may have missed something: so silence is no proof.
        if (change === null || numberOf(change) > ledger.applied) await look();
        // A server that does not wait is asked no more often than it would be without a stream.
        if (change === null) await pause(asked + pollMs - performance.now());
      }
    } catch (error) {
      if (stream === opened) throw error;
    } finally {
      isHearing = false;
      stream = undefined;
      await opened.close().catch(() => {});
    }
  }

  function broken(error: unknown): void {
    if (refusals.has(codeOf(error) ?? 0)) {
      isRefused = true;
      const reason = error instanceof Error ? error.message : String(error);
      log.info({ reason }, `the server gives no change streams: other processes are looked for every ${pollMs} ms`);
    } else if (!isWarned) {
      isWarned = true;
      log.warn({ err: error }, "the change stream is broken: other processes are looked for until there is another");
    }
    poll();
  }

  function pause(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const ending = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(ending);
        resolve();
      };
    });
  }

  async function* followed(entries: AsyncIterable<LogEntry>): AsyncIterable<LogEntry> {
    followers++;
    poll();
    listen();
    try {
      yield* entries;
    } finally {
      followers--;
      if (followers === 0) end();
    }
  }

  function end(): void {
    wake();
    const ending = stream;
    stream = undefined;
    ending?.close().catch(() => {});
  }

  return {
    whileFollowing: (query, entries) => (query.follow === true ? followed(entries) : entries),
    async close() {
      closed = true;
      clearTimeout(timer);
      end();
      await listening;
    },
  };
}

/** Of the step whose document was inserted; 0 where it is none. */
function numberOf(change: object): number {
  const { documentKey } = change as { readonly documentKey?: { readonly _id?: unknown } };
  const n = Number.parseInt(String(documentKey?._id), 10);
  return Number.isNaN(n) ? 0 : n;
}
