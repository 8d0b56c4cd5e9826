/**
 * Gathers the writes of one turn of the event loop into one transaction, so that durability costs one fsync for many. Each
 * write has a savepoint of its own: one that fails takes only itself back. Nobody is answered before COMMIT returned.
 */
import { busyCode, type Database, isBackendError, resultCode, translated, unavailable } from "./database.ts";

export interface GroupCommit {
  /**
   * Runs `work` in a transaction and resolves with its result once that is durable.
   * @throws what `work` throws, or ServiceError `unavailable` when the transaction could not be committed
   */
  run<T>(work: () => T): Promise<T>;
  /** Begins no transaction while `work` runs; runs and pauses wait for each other in turn. */
  pause<T>(work: () => Promise<T>): Promise<T>;
  /** Refuses further writes and resolves when those already called are answered. */
  close(): Promise<void>;
}

export interface GroupCommitOptions {
  readonly database: Database;
  /** Called after each transaction that was committed. */
  readonly committed: () => void;
  /** How long another process may keep the store locked before writes are refused. */
  readonly lockTimeoutMs?: number;
}

/** A group ends at either, so that reads and sockets get their turn. */
const largestGroup = 512;
const longestGroupMs = 8;

interface Member {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export function groupCommit({ database, committed, lockTimeoutMs = 15_000 }: GroupCommitOptions): GroupCommit {
  const { connection, prepare } = database;
  const queue: Member[] = [];
  const idle: (() => void)[] = [];
  let pauses = Promise.resolve();
  let paused = 0;
  let scheduled = false;
  let closed = false;
  let lockedSince: number | undefined;

  function schedule(delayMs = 0): void {
    if (scheduled || paused > 0) return;
    if (queue.length === 0) {
      for (const wake of idle.splice(0)) wake();
      return;
    }
    scheduled = true;
    const next = () => {
      scheduled = false;
      if (paused === 0) flush();
      schedule(lockedSince === undefined ? 0 : 5);
    };
    if (delayMs === 0) setImmediate(next);
    else setTimeout(next, delayMs);
  }

  function flush(): void {
    if (!begin()) return;
    const settle: (() => void)[] = [];
    const members: Member[] = [];
    const started = performance.now();
    try {
      while (members.length < largestGroup) {
        const member = queue.shift();
        if (member === undefined) break;
        members.push(member);
        settle.push(runMember(member));
        if (performance.now() - started > longestGroupMs) break;
      }
      prepare("COMMIT").run();
    } catch (error) {
      rollBack();
      for (const { reject } of members) reject(unavailable(error));
      return;
    }
    for (const answer of settle) answer();
    committed();
  }

  /** False when another process has the write lock: tried again a little later, without blocking this thread. */
  function begin(): boolean {
    try {
      prepare("BEGIN IMMEDIATE").run();
      lockedSince = undefined;
      return true;
    } catch (error) {
      lockedSince ??= performance.now();
      const waited = performance.now() - lockedSince;
      if (resultCode(error) === busyCode && waited < lockTimeoutMs) return false;
      lockedSince = undefined;
      for (const { reject } of queue.splice(0)) reject(translated(error));
      return false;
    }
  }

  /** Answers what is to be said to the caller after COMMIT; throws when the whole group has to fail. */
  function runMember({ work, resolve, reject }: Member): () => void {
    prepare("SAVEPOINT member").run();
    try {
      const value = work();
      prepare("RELEASE member").run();
      return () => resolve(value);
    } catch (error) {
      if (isBackendError(error) || !connection.isTransaction) throw error;
      prepare("ROLLBACK TO member").run();
      prepare("RELEASE member").run();
      return () => reject(error);
    }
  }

  function rollBack(): void {
    try {
      if (connection.isTransaction) prepare("ROLLBACK").run();
    } catch {
      // SQLite has rolled back by itself where the error left it no choice.
    }
  }

  return {
    run<T>(work: () => T) {
      if (closed) return Promise.reject(unavailable(new Error("the storage is closed")));
      return new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: (value) => resolve(value as T), reject });
        schedule();
      });
    },
    pause(work) {
      const turn = pauses.then(async () => {
        paused++;
        try {
          return await work();
        } finally {
          paused--;
          schedule();
        }
      });
      pauses = turn.then(
        () => {},
        () => {},
      );
      return turn;
    },
    async close() {
      closed = true;
      await pauses;
      if (queue.length > 0 || scheduled) {
        await new Promise<void>((resolve) => {
          idle.push(resolve);
          schedule();
        });
      }
    },
  };
}
