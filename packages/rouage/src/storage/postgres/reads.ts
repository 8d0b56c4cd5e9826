/**
 * Which connection a read goes over: that of the caller's transaction, one that single rows share, one of its own for a list, or the one for what takes
 * long.
 */
import { QueryTooCostly } from "../storage.ts";
import type { Line, Pool } from "./connections.ts";
import { ConnectionLost, cancelled, isWorthAnotherTry, sqlState, translated } from "./failures.ts";
import type { Inside, InTransaction, Transactions } from "./transactions.ts";

export type Work<T> = (connection: Inside) => Promise<T>;

export interface ReadsParts {
  readonly transactions: Pick<Transactions, "current">;
  /** Used in turn by reads of a few rows. */
  readonly lookups: readonly Line[];
  readonly readers: Pool;
  readonly background: Pool;
  /** Longest that a list or count may take, in milliseconds; 0: as long as any statement. */
  readonly queryBudgetMs: number;
  /** @throws ServiceError `unavailable` once the storage is closed */
  readonly assertOpen: () => void;
}

export interface Reads {
  /** A few rows by index: several reads share a connection. */
  lookUp<T>(work: Work<T>): Promise<T>;
  /** What may take as long as the budget for lists. @throws QueryTooCostly when it takes longer */
  bounded<T>(work: Work<T>): Promise<T>;
  /** What may take longer, in portions. */
  paged<T>(work: Work<T>): Promise<T>;
  /** The same for who is in a transaction and does not read in it. */
  outside<T>(work: Work<T>): Promise<T>;
  /** In this transaction. */
  inside<T>(transaction: Inside, work: Work<T>): Promise<T>;
}

export function readsOf(parts: ReadsParts): Reads {
  const { transactions, lookups, readers, background, queryBudgetMs, assertOpen } = parts;
  let turn = 0;

  /** Runs a read, again where its connection turns out to be lost: it changes nothing. */
  async function reading<T>(through: (work: Work<T>) => Promise<T>, work: Work<T>): Promise<T> {
    assertOpen();
    try {
      return await through(work).catch((error: unknown) => {
        if (!isWorthAnotherTry(error)) throw error;
        assertOpen();
        return through(work);
      });
    } catch (error) {
      throw translated(error);
    }
  }

  async function inside<T>(transaction: Inside, work: Work<T>): Promise<T> {
    try {
      return await work(transaction);
    } catch (error) {
      throw translated(error);
    }
  }

  const outside = <T>(work: Work<T>): Promise<T> => reading((run) => background.use(run), work);

  /** Statements that are cancelled without a loss for the transaction: sent at once, nothing else comes in between. */
  function withBudget(transaction: InTransaction): Inside {
    if (queryBudgetMs === 0) return transaction;
    return {
      async run(statement) {
        const saved = transaction.run(`SAVEPOINT read; SET LOCAL statement_timeout = ${queryBudgetMs}`);
        const answer = transaction.quietly(statement);
        const back = transaction.run("ROLLBACK TO read; RELEASE read");
        const [outcome] = await Promise.allSettled([answer, saved, back]);
        if (outcome.status === "rejected") throw outcome.reason;
        return outcome.value;
      },
    };
  }

  return {
    lookUp(work) {
      const transaction = transactions.current();
      if (transaction !== undefined) return inside(transaction, work);
      return reading(async (run) => {
        turn = (turn + 1) % lookups.length;
        const connection = await lookups[turn]?.get();
        if (connection === undefined) throw new ConnectionLost("no connection");
        return run(connection);
      }, work);
    },

    async bounded(work) {
      try {
        const transaction = transactions.current();
        if (transaction === undefined) return await reading((run) => readers.use(run), asCostly(work));
        return await inside(withBudget(transaction), asCostly(work));
      } catch (error) {
        throw translated(error);
      }
    },

    paged(work) {
      const transaction = transactions.current();
      return transaction === undefined ? outside(work) : inside(transaction, work);
    },

    outside,
    inside,
  };
}

function asCostly<T>(work: Work<T>): Work<T> {
  return (connection) =>
    work(connection).catch((error: unknown) => {
      throw sqlState(error) === cancelled ? new QueryTooCostly() : error;
    });
}
