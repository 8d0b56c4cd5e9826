/**
 * Gathers writes that come close to each other into one transaction, so that durability costs one fsync for many. One that fails takes
 * only itself back. Nobody is answered before what was committed is on disk; the next group begins after that.
 */
import type { Together } from "./changes.ts";
import { type Database, isBackendError, translated, unavailable } from "./database.ts";
import { type WriteLock, writeLock } from "./write-lock.ts";

export interface GroupCommit {
  /**
   * Runs `work` in a transaction and resolves with its result once that is durable. Work that keeps nothing outside of the database
   * may say `repeatable`: it can then be taken back and run again because of another's failure, and costs less.
   * @throws what `work` throws, or ServiceError `unavailable` when the transaction could not be committed
   */
  run<T>(work: () => T, options?: { readonly repeatable?: boolean }): Promise<T>;
  /** Begins no transaction while `work` runs. Pauses run one after the other, and a group of the writes that wait between two. */
  pause<T>(work: () => Promise<T>): Promise<T>;
  /** Puts on disk what was committed in a pause, as `run` does with a group. @throws ServiceError `unavailable`: nothing is written any more */
  settle(): Promise<void>;
  /** While something is committed but not known to be on disk: resolves when that has an end, whichever. */
  settling(): Promise<void> | undefined;
  /** Refuses further writes and resolves when those already called are answered. */
  close(): Promise<void>;
}

export interface GroupCommitOptions {
  readonly database: Database;
  /** Puts on disk what was committed before; absent: COMMIT does. After a failure nothing is written any more: what is on disk is not known. */
  readonly sync?: () => Promise<void>;
  /** Called after each transaction that was committed, with the number of writes that shared it. */
  readonly committed: (writes: number) => void;
  /** Told of transactions whose members are all repeatable, and so kept or taken back together. */
  readonly together?: () => Together;
  /** How long another process may keep the store locked before writes are refused. */
  readonly lockTimeoutMs?: number;
  /** Writes wait no longer than this for others to join them. Default 3. */
  readonly gatherMs?: number;
  /** The same for all who write to the file from this process. */
  readonly lock?: WriteLock;
}

/** A group ends at either, so that reads and sockets get their turn. */
const largestGroup = 512;
const longestGroupMs = 8;

interface Member {
  readonly work: () => unknown;
  readonly repeatable: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** What is to be said after COMMIT. */
  outcome: unknown;
  failed: boolean;
}

export function groupCommit({
  database,
  sync,
  committed,
  together,
  lockTimeoutMs = longestLockMs,
  gatherMs = 3,
  lock = writeLock(),
}: GroupCommitOptions): GroupCommit {
  const { connection } = database;
  // Looked up in the cache of statements they would cost more than they do.
  const beginning = database.prepare("BEGIN IMMEDIATE");
  const committing = database.prepare("COMMIT");
  const rollingBack = database.prepare("ROLLBACK");
  const saving = database.prepare("SAVEPOINT member");
  const releasing = database.prepare("RELEASE member");
  const takingBack = database.prepare("ROLLBACK TO member");
  const queue: Member[] = [];
  const idle: (() => void)[] = [];
  const flushed: { resolve(): void; reject(error: unknown): void }[] = [];
  let pauses = Promise.resolve();
  let paused = 0;
  let scheduled = false;
  let closed = false;
  let lockedSince: number | undefined;
  /** Members at the head of the queue that were rolled back because one of them failed: they get savepoints. */
  let careful = 0;
  let settling: Promise<void> | undefined;
  let failure: { readonly cause: unknown } | undefined;

  function schedule(delayMs = 0): void {
    if (scheduled || paused > 0 || settling !== undefined) return;
    if (queue.length === 0) {
      for (const wake of idle.splice(0)) wake();
      return;
    }
    scheduled = true;
    if (delayMs === 0) gather(0, performance.now());
    else setTimeout(next, delayMs);
  }

  /**
   * As long as a turn of the event loop brings more writes the group waits for the next: who has just been answered often writes again at once.
   * With 64 clients groups grow from 31 writes to 64, and a create costs a fifth less.
   */
  function gather(known: number, since: number): void {
    setImmediate(() => {
      const waiting = queue.length;
      if (waiting > known && waiting < largestGroup && performance.now() - since < gatherMs) gather(waiting, since);
      else next();
    });
  }

  function next(): void {
    scheduled = false;
    if (paused === 0) flush();
    if (settling === undefined) proceed();
  }

  function proceed(): void {
    for (const { resolve } of flushed.splice(0)) resolve();
    schedule(lockedSince === undefined ? lock.pauseMs() : lock.retryMs());
  }

  function flush(): void {
    if (!begin()) return;
    const started = performance.now();
    // A savepoint copies every page that its member changes: without them a group of creates costs a fifth less.
    const quick = careful === 0 && queue.slice(0, largestGroup).every(({ repeatable }) => repeatable);
    const run = quick ? runQuickly : runMember;
    const all = quick ? together?.() : undefined;
    all?.begin();
    let count = 0;
    try {
      for (const member of queue) {
        count++;
        run(member);
        if (count === largestGroup || performance.now() - started > longestGroupMs) break;
      }
      all?.end();
      committing.run();
    } catch (error) {
      all?.drop();
      rollBack();
      if (error instanceof MemberFailed) careful = count;
      else for (const { reject } of queue.splice(0, count)) reject(unavailable(error));
      return;
    }
    careful = Math.max(0, careful - count);
    const members = queue.splice(0, count);
    const answer = () => {
      for (const { failed, outcome, resolve, reject } of members) {
        if (failed) reject(outcome);
        else resolve(outcome);
      }
      committed(count);
    };
    if (sync === undefined) answer();
    else void settled(sync(), members, answer);
  }

  function settled(synced: Promise<void>, members: readonly Member[], answer: () => void): Promise<void> {
    settling = settle(synced, members, answer);
    return settling;
  }

  async function settle(synced: Promise<void>, members: readonly Member[], answer: () => void): Promise<void> {
    let answered = answer;
    try {
      await synced;
    } catch (cause) {
      // What a later sync says of the same pages is not to be trusted any more.
      failure = { cause };
      answered = () => {
        for (const { reject } of [...members, ...queue.splice(0)]) reject(unavailable(cause));
      };
    }
    settling = undefined;
    answered();
    proceed();
  }

  /** False when another process has the write lock: tried again a little later, without blocking this thread. */
  function begin(): boolean {
    try {
      const locked = lock.begin(database, beginning);
      if (locked !== undefined) {
        lockedSince ??= performance.now();
        if (performance.now() - lockedSince < lockTimeoutMs) return false;
        sendAway(locked.busy);
      }
      lockedSince = undefined;
      return locked === undefined;
    } catch (error) {
      lockedSince = undefined;
      sendAway(error);
      return false;
    }
  }

  /** Everybody who waits has waited in vain, and would wait as long again. */
  function sendAway(error: unknown): void {
    careful = 0;
    for (const { reject } of [...queue.splice(0), ...flushed.splice(0)]) reject(translated(error));
  }

  /** As `runMember`, without a savepoint: when it fails the whole group is run again, with them. */
  function runQuickly(member: Member): void {
    try {
      member.outcome = member.work();
    } catch (error) {
      throw isBackendError(error) || !connection.isTransaction ? error : new MemberFailed();
    }
  }

  /** Throws when the whole group has to fail. */
  function runMember(member: Member): void {
    saving.run();
    try {
      member.outcome = member.work();
      releasing.run();
      member.failed = false;
    } catch (error) {
      if (isBackendError(error) || !connection.isTransaction) throw error;
      takingBack.run();
      releasing.run();
      member.failed = true;
      member.outcome = error;
    }
  }

  function rollBack(): void {
    try {
      if (connection.isTransaction) rollingBack.run();
    } catch {
      // SQLite has rolled back by itself where the error left it no choice.
    }
  }

  return {
    run<T>(work: () => T, { repeatable = false }: { readonly repeatable?: boolean } = {}) {
      if (closed) return Promise.reject(unavailable(new Error("the storage is closed")));
      if (failure !== undefined) return Promise.reject(unavailable(failure.cause));
      return new Promise<T>((resolve, reject) => {
        const member = { work, repeatable, resolve, reject, outcome: undefined, failed: false };
        queue.push(member as Member);
        schedule();
      });
    },
    pause(work) {
      const turn = pauses.then(async () => {
        // Else pauses that come one upon the other would keep writes out for ever.
        if (queue.length > 0) {
          await new Promise<void>((resolve, reject) => {
            flushed.push({ resolve, reject });
            schedule();
          });
        }
        await settling;
        if (failure !== undefined) throw unavailable(failure.cause);
        paused++;
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof LockedForTooLong)) throw error;
          sendAway(error.cause);
          throw translated(error.cause);
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
    async settle() {
      if (sync === undefined) return;
      await settled(sync(), [], () => {});
      if (failure !== undefined) throw unavailable(failure.cause);
    },
    settling: () => settling,
    async close() {
      closed = true;
      await pauses;
      if (queue.length > 0 || scheduled || settling !== undefined) {
        await new Promise<void>((resolve) => {
          idle.push(resolve);
          schedule();
        });
      }
    },
  };
}

/** Longer than a transaction of another process may hold the store, and shorter than a request may take. */
export const longestLockMs = 12_000;

/** Thrown by work that pauses the others, when another process kept the lock: they have waited for it too. */
export class LockedForTooLong extends Error {}

/** Tells the group that one of its members failed; what with is found out when it runs again. */
class MemberFailed extends Error {}
