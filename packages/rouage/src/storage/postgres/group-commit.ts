/**
 * Gathers the writes that come while others are written into one transaction: one round of questions, one of answers, one fsync. The
 * lock that it holds from before its first question until its COMMIT is visible makes the order of commits the order of positions,
 * and leaves nothing to deadlock with; it is the same in all processes.
 */
import { together } from "../draft-questions.ts";
import type { Change, ChangeResult, CommitContext, ListKey } from "../storage.ts";
import { answerMembers, type Member, writeQueue } from "../write-queue.ts";
import type { Connection } from "./connection.ts";
import type { Line } from "./connections.ts";
import { isBackendError, isLate, isOfTheData, isTransient, isWorthAnotherTry, translated } from "./failures.ts";
import { prepareSteps, type Store } from "./steps.ts";

export interface GroupCommit {
  commit(changes: readonly Change[], context: CommitContext): Promise<readonly ChangeResult[]>;
  touch(key: ListKey): Promise<number>;
  /** Runs `work` in a transaction of its own, as nobody else writes. */
  alone<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Refuses further writes and resolves when those already called are answered. */
  close(): Promise<void>;
}

export interface GroupCommitOptions {
  readonly line: Line;
  readonly store: Store;
  /** BEGIN, and the store's lock. */
  readonly begin: string;
  /** Called after each COMMIT with the number of writes that shared it. */
  readonly committed: (writes: number) => void;
}

/** Times that a group is tried of which certainly nothing was kept. */
const tries = 3;

export function groupCommit({ line, store, begin, committed }: GroupCommitOptions): GroupCommit {
  const queue = writeQueue(runGroup);

  async function runGroup(members: readonly Member[]): Promise<void> {
    for (let tried = 1; ; tried++) {
      let connection: Connection | undefined;
      /** Whether COMMIT was sent. */
      let sent = false;
      try {
        connection = await line.get();
        const begun = connection.run(begin);
        const preparing = prepareSteps(
          connection,
          members.map(({ wanted }) => wanted),
          store,
        );
        await together([begun, preparing]);
        const { outcomes, statements } = await preparing;
        sent = true;
        await save(connection, statements);
        answerMembers(members, outcomes, translated);
        committed(members.length);
        return;
      } catch (error) {
        if (connection?.lost === false) await connection.run("ROLLBACK").catch(() => {});
        // Of a COMMIT that was sent and not answered nobody knows what became: its callers are told so, and their expectations say
        // what is so when they try again. Everything else was certainly taken back.
        const kept = sent && !(error instanceof TakenBack);
        if (kept || !isBackendError(causeOf(error)) || queue.closed) return rejectAll(members, error);
        const cause = causeOf(error);
        const again = isTransient(cause) || (isWorthAnotherTry(cause) && connection !== undefined);
        if (again && tried < tries) continue;
        if (members.length === 1 || !isOfTheData(causeOf(error))) return rejectAll(members, error);
        // One of them is more than the server can keep: alone, each is answered for itself.
        for (const member of members) await runGroup([member]);
        return;
      }
    }
  }

  function rejectAll(members: readonly Member[], error: unknown): void {
    for (const { reject } of members) reject(translated(causeOf(error)));
    rejectWaiting(error);
  }

  /** Whoever has waited meanwhile is sent away with them. */
  function rejectWaiting(error: unknown): void {
    const cause = causeOf(error);
    if (isLate(cause)) queue.rejectWaiting(translated(cause));
  }

  async function runAlone<T>(
    work: (connection: Connection) => Promise<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): Promise<void> {
    let connection: Connection | undefined;
    try {
      connection = await line.get();
      await connection.run(begin);
      const value = await work(connection);
      await save(connection, []);
      resolve(value);
      committed(1);
    } catch (error) {
      if (connection?.lost === false) await connection.run("ROLLBACK").catch(() => {});
      reject(translated(causeOf(error)));
      rejectWaiting(error);
    }
  }

  return {
    commit: queue.commit,
    touch: queue.touch,
    alone: (work) => queue.alone((resolve, reject) => runAlone(work, resolve, reject)),
    close: queue.close,
  };
}

/** The server has answered that nothing was kept. */
class TakenBack extends Error {}

/** Sends the statements and COMMIT behind them. @throws TakenBack */
export async function save(
  { run }: Pick<Connection, "run">,
  statements: readonly Parameters<Connection["run"]>[0][],
): Promise<void> {
  const writing = statements.map((statement) => run(statement));
  const committing = run("COMMIT");
  const outcomes = await Promise.allSettled([...writing, committing]);
  const failed = outcomes.find(({ status }) => status === "rejected");
  const last = outcomes.at(-1);
  // COMMIT of a transaction in which something failed is a ROLLBACK.
  const isKept = last?.status === "fulfilled" && (await committing).command === "COMMIT";
  if (isKept && failed === undefined) return;
  if (last?.status === "rejected") throw last.reason;
  throw new TakenBack("the server took the transaction back", {
    cause: failed?.status === "rejected" ? failed.reason : undefined,
  });
}

export function causeOf(error: unknown): unknown {
  return error instanceof TakenBack ? (error.cause ?? error) : error;
}
