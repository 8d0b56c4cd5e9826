/**
 * Takes the lock that all processes on a file write under, one at a time, without holding up the event loop, and leaves it to others for a moment where they
 * want it too. SQLite's own patience sleeps in this thread, up to 50 ms; it is kept where no other process writes, since it costs nothing there. Measured with two processes
 * that write without end: shares of 2 to 3 instead of 1 to 2 on a disk and 1 to 5 in memory, and no event loop that stands still for 50 ms.
 */
import { busyCode, type Database, resultCode } from "./database.ts";

export interface WriteLock {
  /**
   * Begins a transaction, or answers what SQLite says while another process writes: ask again after `retryMs`. @throws what keeps it from beginning otherwise
   */
  begin(database: Pick<Database, "connection">, begin: { run(): unknown }): { readonly busy: unknown } | undefined;
  /** How long to leave the lock to others, now that a transaction has ended; 0 where nobody else was noticed lately. */
  pauseMs(): number;
  /** After how long to ask again: each time another one, so that two processes do not miss it in step. */
  retryMs(): number;
}

/** How long others are believed to write after they were last met. */
const rememberedMs = 1_000;
/** Longer than who waits takes to ask again. */
const leaveMs = 4;
/** A transaction that took longer to begin may have waited for another process, or for a core of a busy machine. */
const suspectMs = 1;

export function writeLock(now: () => number = () => performance.now()): WriteLock {
  let metAt = Number.NEGATIVE_INFINITY;
  let suspectAt = Number.NEGATIVE_INFINITY;

  return {
    begin({ connection }, begin) {
      const started = now();
      // Without patience SQLite says at once what is the matter.
      const isSuspect = started - suspectAt < rememberedMs;
      if (isSuspect) connection.exec("PRAGMA busy_timeout = 0");
      try {
        begin.run();
        if (!isSuspect && now() - started > suspectMs) suspectAt = started;
        return undefined;
      } catch (error) {
        if (resultCode(error) !== busyCode) throw error;
        metAt = suspectAt = now();
        return { busy: error };
      } finally {
        if (isSuspect) connection.exec("PRAGMA busy_timeout = 50");
      }
    },
    pauseMs: () => (now() - metAt < rememberedMs ? leaveMs : 0),
    retryMs: () => 1 + Math.random() * 2,
  };
}
