/**
 * Transactions: through a connection of their own, one after the other, with the store's lock from their first statement, so that
 * what they read stays so, in every process; groups of other writes wait for them, and they for those. Those that wait for the same
 * turn share its COMMIT, each in a savepoint.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "../../telemetry/log.ts";
import { ambient, answer, type Ended, type PartBrackets, type Task } from "../ambient.ts";
import { together } from "../draft-questions.ts";
import type { Wanted } from "../draft-steps.ts";
import type { Change, ChangeResult, CommitContext, ListKey } from "../storage.ts";
import type { Connection } from "./connection.ts";
import type { Line } from "./connections.ts";
import { ConnectionLost, isBackendError, isLate, isWorthAnotherTry, translated, unavailable } from "./failures.ts";
import { causeOf, save } from "./group-commit.ts";
import { prepareSteps, type Store } from "./steps.ts";

/** A turn begins no further transaction after this long, so that other writes get theirs. */
const longestTurnMs = 8;

interface Waiting {
  /** Runs it within a savepoint; answers what is to be done after COMMIT. @throws what the backend said, when nothing of the turn is left */
  readonly begin: (connection: Connection) => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

/** Where the code of a transaction reads and writes. */
export type Inside = Pick<Connection, "run">;

export interface InTransaction extends Inside {
  /** As `run`, where a failure is that of the statement alone. */
  readonly quietly: Connection["run"];
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
  /** What the backend said when it failed: nothing of the transaction can be kept. */
  failure?: unknown;
  wrote?: boolean;
}

export function transactions({ line, store, begin, committed, log, limitMs }: TransactionsOptions): Transactions {
  const context = ambient<Own>(limitMs);
  const queue: Waiting[] = [];
  let running: Promise<void> | undefined;
  let closed = false;
  /** Whether the turn under way has something to commit. */
  let wrote = false;

  function current(): Own | undefined {
    const own = context.current();
    if (own?.failure !== undefined) throw unavailable(own.failure);
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
    try {
      connection = await begun();
      const started = performance.now();
      do {
        const next = queue.shift();
        if (next === undefined) break;
        taken.push(next);
        settle.push(await next.begin(connection));
      } while (performance.now() - started < longestTurnMs);
      await save(connection, []);
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
          const { state: own, end } = ownOf(connection);
          sent(own, "SAVEPOINT entire");
          const ended = await inContext(() => context.during(own, work));
          end();
          const { failure } = own;
          if (connection.lost) throw failure ?? new ConnectionLost("the connection to the database is lost");
          const isKept = failure === undefined && ended.outcome.status === "fulfilled";
          if (isKept) wrote ||= own.wrote === true;
          // Waited for: work that was taken back because of its time may have a statement under way.
          await connection.run(isKept ? "RELEASE entire" : "ROLLBACK TO entire; RELEASE entire");
          if (failure !== undefined && ended.outcome.status === "fulfilled") return () => reject(unavailable(failure));
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

  async function step<T>(work: (inside: Inside) => Promise<T>): Promise<T> {
    try {
      return await context.step(async (own) => {
        if (own.failure !== undefined) throw unavailable(own.failure);
        own.wrote = true;
        return work(own);
      });
    } catch (error) {
      throw translated(error);
    }
  }

  function want<T>(wanted: Wanted): Promise<T> {
    return step(async (inside) => {
      const { outcomes, statements } = await prepareSteps(inside, [wanted], store);
      const [outcome] = outcomes;
      // Nothing was written so far: there is nothing to take back.
      if (outcome?.status !== "fulfilled") throw outcome?.reason;
      await together(statements.map((statement) => inside.run(statement)));
      return outcome.value as T;
    });
  }

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

/** What was begun inside and is still under way when the transaction has its end must not run outside. */
function ownOf(connection: Connection): { readonly state: Own; end(): void } {
  let over = false;
  async function quietly(statement: Parameters<Connection["run"]>[0]) {
    if (over) throw unavailable(new Error("the transaction is over"));
    return connection.run(statement);
  }
  const state: Own = {
    quietly,
    async run(statement) {
      try {
        return await quietly(statement);
      } catch (error) {
        if (isBackendError(error)) state.failure ??= error;
        throw error;
      }
    },
  };
  return {
    state,
    end: () => {
      over = true;
    },
  };
}

/** Statements are run in the order in which they are sent: none of these has to be waited for. A failure is kept in the state. */
const part: PartBrackets<Own> = {
  begin: (own) => sent(own, "SAVEPOINT part"),
  keep: (own) => void sent(own, "RELEASE part"),
  takeBack(own) {
    if (own.failure === undefined) sent(own, "ROLLBACK TO part; RELEASE part");
  },
};

function sent(own: Own, statement: string): Own {
  own.run(statement).catch(() => {});
  return own;
}
