/**
 * Transactions: through a connection of their own, so that others go on reading what is committed. They run one after the other,
 * taking turns with the groups of other writes; those that wait for the same turn share its COMMIT, each in a savepoint.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "../../telemetry/log.ts";
import { ambient, answer, type Ended, type PartBrackets, type Task } from "../ambient.ts";
import { type Change, type ChangeResult, CommitConflict, type CommitContext } from "../storage.ts";
import { isBackendError, translated, unavailable } from "./database.ts";
import { type GroupCommit, LockedForTooLong, longestLockMs } from "./group-commit.ts";
import type { Session } from "./session.ts";
import { type WriteLock, writeLock } from "./write-lock.ts";

export interface Transactions {
  /** Session of the transaction that the calling code runs in. @throws ServiceError where that one has failed */
  current(): Session | undefined;
  inside(): boolean;
  /** Runs `work` as a transaction, or as a part of the one that the calling code runs in. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** One step of the current transaction; when it fails it takes back only itself. */
  step<T>(work: (session: Session) => T): Promise<T>;
  /** The same for a commit, without a savepoint where it can do without. */
  commit(changes: readonly Change[], context: CommitContext, now: number): Promise<readonly ChangeResult[]>;
  afterCommit(task: Task, once?: boolean): void | Promise<void>;
  /** The session, once there was a transaction. */
  readonly session: Session | undefined;
  /** Resolves when those already called are answered; later ones are refused. */
  close(): Promise<void>;
}

export interface TransactionsOptions {
  /** Opens the connection, at the first transaction. */
  readonly open: () => Session;
  readonly group: Pick<GroupCommit, "pause" | "settle">;
  /** Called after each COMMIT of something that is not on disk yet, while `settle` of the group runs. */
  readonly settling: () => void;
  /** Called when it is on disk, ahead of the answers. */
  readonly committed: () => void;
  readonly log: Logger;
  /** Longest that one transaction may hold the store. */
  readonly limitMs?: number | undefined;
  /** How long another process may keep the store locked before transactions are refused. */
  readonly lockTimeoutMs?: number;
  /** The same for all who write to the file from this process. */
  readonly lock?: WriteLock;
}

/** A turn begins no further transaction after this long, so that other writes get theirs. */
const longestTurnMs = 8;

interface Waiting {
  /** Runs it within a savepoint; answers what is to be done after COMMIT. */
  readonly begin: () => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

interface Own {
  readonly session: Session;
  /** What the backend said when it failed: nothing of the transaction can be kept. */
  failure?: unknown;
  wrote?: boolean;
}

export function transactions({
  open,
  group: { pause, settle },
  settling,
  committed,
  log,
  limitMs,
  lockTimeoutMs = longestLockMs,
  lock = writeLock(),
}: TransactionsOptions): Transactions {
  const context = ambient<Own>(limitMs);
  const queue: Waiting[] = [];
  let session: Session | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  /** Whether the turn under way has something to commit. */
  let wrote = false;

  function current(): Own | undefined {
    const own = context.current();
    if (own !== undefined) assertSound(own);
    return own;
  }

  async function turnsUntilEmpty(): Promise<void> {
    try {
      while (queue.length > 0) for (const settle of await pause(turn)) settle();
    } catch (error) {
      // Not even a turn could be had.
      for (const { reject } of queue.splice(0)) reject(error);
    }
    running = undefined;
  }

  /** Answers what is to be done when the turn is over. */
  async function turn(): Promise<readonly (() => void)[]> {
    const begun: Waiting[] = [];
    const answers: (() => void)[] = [];
    wrote = false;
    try {
      session ??= open();
      await begin(session);
      // Nobody else writes until COMMIT.
      session.cache?.clear();
      const started = performance.now();
      do {
        const next = queue.shift();
        if (next === undefined) break;
        begun.push(next);
        answers.push(await next.begin());
      } while (performance.now() - started < longestTurnMs);
      session.database.prepare("COMMIT").run();
      if (wrote) {
        const settled = settle();
        settling();
        await settled;
      }
    } catch (error) {
      if (session !== undefined) rollBack(session);
      if (error instanceof LockedForTooLong) throw error;
      const failed = begun.length > 0 ? begun : queue.splice(0);
      return failed.map(
        ({ reject }) =>
          () =>
            reject(unavailable(error)),
      );
    }
    if (wrote) committed();
    return answers;
  }

  /** Waits for another process's lock without blocking this thread. */
  async function begin({ database }: Session): Promise<void> {
    const since = performance.now();
    const pauseMs = lock.pauseMs();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    for (;;) {
      const locked = lock.begin(database, database.prepare("BEGIN IMMEDIATE"));
      if (locked === undefined) return;
      if (performance.now() - since > lockTimeoutMs) throw new LockedForTooLong("locked", { cause: locked.busy });
      await new Promise((resolve) => setTimeout(resolve, lock.retryMs()));
    }
  }

  function enqueue<T>(work: () => Promise<T>): Promise<Ended<T>> {
    // Whoever begins a turn runs the work of all: each in the asynchronous context of its own caller.
    const inContext = AsyncLocalStorage.snapshot();
    return new Promise((resolve, reject) => {
      queue.push({
        reject,
        async begin() {
          if (session === undefined) throw new Error("no transaction without a connection");
          const { connection, prepare } = session.database;
          const { together } = session.changes;
          prepare("SAVEPOINT entire").run();
          together.begin();
          const own: Own = { session };
          const ended = await inContext(() => context.during(own, work));
          const { failure } = own;
          if (!connection.isTransaction) throw failure ?? new Error("the backend took the transaction back");
          if (failure !== undefined || ended.outcome.status === "rejected") {
            together.drop();
            prepare("ROLLBACK TO entire").run();
            session.cache?.clear();
          } else {
            together.end();
            wrote ||= own.wrote === true;
          }
          prepare("RELEASE entire").run();
          if (failure !== undefined && ended.outcome.status === "fulfilled") return () => reject(unavailable(failure));
          return () => resolve(ended);
        },
      });
      running ??= turnsUntilEmpty();
    });
  }

  return {
    current: () => current()?.session,
    inside: () => context.inside(),
    async run(work) {
      if (current() !== undefined) return context.part(part, work);
      if (closed) throw unavailable(new Error("the storage is closed"));
      return answer(await enqueue(work), log);
    },
    step: (work) => context.step((own) => bracketed(own, work)),
    commit: (changes, commitContext, now) =>
      context.step((own) => {
        const write = ({ changes: writer }: Session, checked: boolean) =>
          writer.write(changes, commitContext, now, checked);
        assertSound(own);
        return own.session.changes.check(changes)
          ? unbracketed(own, (session) => write(session, true))
          : bracketed(own, (session) => write(session, false));
      }),
    afterCommit: (task, once) => context.afterCommit(task, once),
    get session() {
      return session;
    },
    async close() {
      closed = true;
      await running;
    },
  };
}

/** One step in a savepoint of its own. */
function bracketed<T>(own: Own, work: (session: Session) => T): T {
  const { database, changes, cache } = own.session;
  const { connection, prepare } = database;
  // Where the backend took the transaction back, a savepoint would begin, and end, one of its own.
  assertSound(own);
  own.wrote = true;
  changes.together.forget();
  prepare("SAVEPOINT step").run();
  changes.together.save();
  try {
    const value = work(own.session);
    changes.together.forget();
    changes.together.keep();
    prepare("RELEASE step").run();
    // Not all of its writes need be commits.
    cache?.clear();
    return value;
  } catch (error) {
    if (isBackendError(error) || !connection.isTransaction) throw failed(own, error);
    prepare("ROLLBACK TO step").run();
    prepare("RELEASE step").run();
    changes.together.takeBack();
    throw error;
  }
}

/** One that has changed nothing where it meets a conflict: a savepoint copies every page that is changed in it. */
function unbracketed<T>(own: Own, work: (session: Session) => T): T {
  const { together } = own.session.changes;
  own.wrote = true;
  together.save();
  try {
    const value = work(own.session);
    together.keep();
    return value;
  } catch (error) {
    together.takeBack();
    // Whatever else it is, what has been done already cannot be taken back alone.
    if (!(error instanceof CommitConflict)) throw failed(own, error);
    throw error;
  }
}

function failed(own: Own, error: unknown): unknown {
  own.failure = error;
  return translated(error);
}

/** Savepoints of one name nest: each of these means the innermost, and parts end before what they are parts of. */
const part: PartBrackets<Own> = {
  begin(own) {
    assertSound(own);
    own.session.database.prepare("SAVEPOINT part").run();
    own.session.changes.together.save();
    return own;
  },
  keep(own) {
    assertSound(own);
    own.session.changes.together.keep();
    own.session.database.prepare("RELEASE part").run();
  },
  takeBack({ failure, session: { database, changes, cache } }) {
    if (failure !== undefined) return;
    database.prepare("ROLLBACK TO part").run();
    database.prepare("RELEASE part").run();
    changes.together.takeBack();
    cache?.clear();
  },
};

function assertSound({ failure }: Own): void {
  if (failure !== undefined) throw unavailable(failure);
}

function rollBack({ database: { connection, prepare } }: Session): void {
  try {
    if (connection.isTransaction) prepare("ROLLBACK").run();
  } catch {
    // SQLite has rolled back by itself where the error left it no choice.
  }
}
