/**
 * Transactions: through a connection of their own, one after the other, with the store's lock from their first statement, so that
 * what they read stays so, in every process; groups of other writes wait for them, and they for those. Those that wait for the same
 * turn share its COMMIT, each in a savepoint.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "../../telemetry/log.ts";
import { ambient, answer, type Ended, type PartBrackets, type Task } from "../ambient.ts";
import type { Wanted } from "../draft-steps.ts";
import type { Change, ChangeResult, CommitContext, ListKey } from "../storage.ts";
import type { Answer, Connection, Statement } from "./connection.ts";
import type { Line } from "./connections.ts";
import {
  ConnectionLost,
  isBackendError,
  isLate,
  isOfTheData,
  isWorthAnotherTry,
  translated,
  unavailable,
} from "./failures.ts";
import { causeOf, save } from "./group-commit.ts";
import { notification } from "./save.ts";
import type { Store } from "./steps.ts";
import { type WorkingDraft, workingDraft } from "./working-draft.ts";

/** A turn begins no further transaction after this long, so that other writes get theirs. */
const longestTurnMs = 8;

interface Waiting {
  /** Runs it within a savepoint; answers what is to be done after COMMIT. @throws what the backend said, when nothing of the turn is left */
  readonly begin: (connection: Connection) => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

/** Where the code of a transaction reads and writes. */
export type Inside = Pick<Connection, "run">;

/** What it runs comes behind everything that was written before it. */
export interface InTransaction extends Inside {
  /** As `run`, where a failure is that of the statement alone. */
  readonly quietly: Connection["run"];
  /** What was written, and need not be sent for reads by key. */
  readonly draft: WorkingDraft;
}

export interface Transactions {
  /** Where the calling code reads, if it runs in a transaction. @throws ServiceError where that one has failed */
  current(): InTransaction | undefined;
  inside(): boolean;
  /** Runs `work` as a transaction, or as a part of the one that the calling code runs in. */
  run<T>(work: () => Promise<T>): Promise<T>;
  commit(changes: readonly Change[], context: CommitContext): Promise<readonly ChangeResult[]>;
  touch(key: ListKey): Promise<number>;
  /** One step of the current transaction. */
  step<T>(work: (inside: Inside) => Promise<T>): Promise<T>;
  afterCommit(task: Task, once?: boolean): void | Promise<void>;
  /** Resolves when those already called are answered; later ones are refused. */
  close(): Promise<void>;
}

export interface TransactionsOptions {
  readonly line: Line;
  readonly store: Store;
  /** BEGIN, and the store's lock. */
  readonly begin: string;
  readonly committed: () => void;
  readonly log: Logger;
  readonly limitMs?: number | undefined;
}

interface Own extends InTransaction {
  /** Sends a statement whose answer nobody waits for. */
  readonly pass: (statement: Statement | string) => void;
  /** Resolves when what has become of the last of those is known. */
  passed(): Promise<void>;
  /** What the backend said when it failed: nothing of the transaction can be kept. */
  failure?: unknown;
  wrote?: boolean;
}

export function transactions({ line, store, begin, committed, log, limitMs }: TransactionsOptions): Transactions {
  const context = ambient<Own>(limitMs);
  const queue: Waiting[] = [];
  let running: Promise<void> | undefined;
  let closed = false;
  /** Whether the turn under way has something to commit, and whether followers of the log are to hear of it. */
  let wrote = false;
  let isLogged = false;

  function current(): Own | undefined {
    const own = context.current();
    if (own?.failure !== undefined) throw failed(own.failure);
    return own;
  }

  async function turnsUntilEmpty(): Promise<void> {
    while (queue.length > 0) for (const settle of await turn()) settle();
    running = undefined;
  }

  /** Answers what is to be done when the turn is over. */
  async function turn(): Promise<readonly (() => void)[]> {
    const taken: Waiting[] = [];
    const settle: (() => void)[] = [];
    let connection: Connection | undefined;
    wrote = false;
    isLogged = false;
    try {
      connection = await begun();
      const started = performance.now();
      do {
        const next = queue.shift();
        if (next === undefined) break;
        taken.push(next);
        settle.push(await next.begin(connection));
      } while (performance.now() - started < longestTurnMs);
      await save(connection, isLogged ? [notification(store.channel)] : []);
    } catch (error) {
      // Waited for, so that the next one begins afresh.
      if (connection?.lost === false) await connection.run("ROLLBACK").catch(() => {});
      const failed = taken.length > 0 && !isLate(causeOf(error)) ? taken : [...taken, ...queue.splice(0)];
      return failed.map(
        ({ reject }) =>
          () =>
            reject(unavailable(causeOf(error))),
      );
    }
    if (wrote) committed();
    return settle;
  }

  function enqueue<T>(work: () => Promise<T>): Promise<Ended<T>> {
    // Whoever begins a turn runs the work of all: each in the asynchronous context of its own caller.
    const inContext = AsyncLocalStorage.snapshot();
    return new Promise((resolve, reject) => {
      queue.push({
        reject,
        async begin(connection) {
          const { state: own, end } = ownOf(connection, store);
          own.pass("SAVEPOINT entire");
          const ended = await inContext(() => context.during(own, work));
          const isFulfilled = ended.outcome.status === "fulfilled";
          if (isFulfilled && own.failure === undefined) own.draft.send();
          end();
          // Waited for: what was sent last may fail, and work that was taken back because of its time may have a statement under way.
          const isKept = isFulfilled && own.failure === undefined && (await released(connection, own));
          if (!isKept && !connection.lost) await connection.run("ROLLBACK TO entire; RELEASE entire");
          const { failure } = own;
          if (connection.lost) throw failure ?? new ConnectionLost("the connection to the database is lost");
          if (isKept) {
            wrote ||= own.wrote === true;
            isLogged ||= own.draft.isLogged;
          }
          if (failure !== undefined && isFulfilled) return () => reject(failed(failure));
          return () => resolve(ended);
        },
      });
      running ??= turnsUntilEmpty();
    });
  }

  /** A connection may have been lost while nobody used it: that is no failure of who comes next. */
  async function begun(): Promise<Connection> {
    const first = await line.get();
    try {
      await first.run(begin);
      return first;
    } catch (error) {
      if (!first.lost) await first.run("ROLLBACK").catch(() => {});
      if (!isWorthAnotherTry(error)) throw error;
    }
    const second = await line.get();
    await second.run(begin);
    return second;
  }

  async function stepOf<T>(work: (own: Own) => Promise<T>): Promise<T> {
    try {
      return await context.step(async (own) => {
        if (own.failure !== undefined) throw failed(own.failure);
        own.wrote = true;
        return work(own);
      });
    } catch (error) {
      throw translated(error);
    }
  }

  function step<T>(work: (inside: Inside) => Promise<T>): Promise<T> {
    return stepOf(async (own) => {
      own.draft.send(true);
      try {
        return await work(own);
      } finally {
        own.draft.forget();
      }
    });
  }

  const want = <T>(wanted: Wanted): Promise<T> => stepOf(({ draft }) => draft.make<T>(wanted));

  return {
    current,
    inside: () => context.inside(),
    async run(work) {
      if (current() !== undefined) return context.part(part, work);
      if (closed) throw unavailable(new Error("the storage is closed"));
      return answer(await enqueue(work), log);
    },
    commit: (changes, cause) => want({ kind: "commit", changes, context: cause }),
    touch: (touch) => want({ kind: "touch", changes: [], touch }),
    step,
    afterCommit: (task, once) => context.afterCommit(task, once),
    async close() {
      closed = true;
      await running;
    },
  };
}

/** Answers whether everything was done that it was sent. */
async function released(connection: Connection, own: Own): Promise<boolean> {
  try {
    await connection.run("RELEASE entire");
  } catch (error) {
    // It is refused because of what has failed before, whose own answer may come in the same packet and be handled later.
    await own.passed();
    own.failure ??= error;
  }
  return own.failure === undefined;
}

/** What the caller of a transaction is told of which nothing can be kept. */
function failed(failure: unknown): unknown {
  return isOfTheData(failure) ? translated(failure) : unavailable(failure);
}

/** What was begun inside and is still under way when the transaction has its end must not run outside. */
function ownOf(connection: Connection, store: Store): { readonly state: Own; end(): void } {
  let over = false;
  async function send(statement: Statement | string): Promise<Answer> {
    if (over) throw unavailable(new Error("the transaction is over"));
    return connection.run(statement);
  }
  async function attempt(statement: Statement | string): Promise<Answer> {
    try {
      return await send(statement);
    } catch (error) {
      if (isBackendError(error)) state.failure ??= error;
      throw error;
    }
  }
  let last: Promise<unknown> = Promise.resolve();
  const pass = (statement: Statement | string): void => {
    last = attempt(statement).catch(() => {});
  };
  const draft = workingDraft({ store, connection: { run: attempt }, pass });
  const state: Own = {
    draft,
    pass,
    passed: async () => void (await last),
    quietly(statement) {
      draft.send();
      return send(statement);
    },
    run(statement) {
      draft.send();
      return attempt(statement);
    },
  };
  return {
    state,
    end: () => {
      over = true;
    },
  };
}

/** Statements are run in the order in which they are sent: none of these has to be waited for. */
const part: PartBrackets<Own> = {
  begin(own) {
    own.draft.beginPart();
    return own;
  },
  keep: ({ draft }) => draft.keepPart(),
  takeBack({ draft, failure }) {
    if (failure === undefined) draft.takePartBack();
  },
};
