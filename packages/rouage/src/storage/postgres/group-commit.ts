/**
 * Gathers the writes that come while others are written into one transaction: one round of questions, one of answers, one fsync. The
 * lock that it holds from before its first question until its COMMIT is visible makes the order of commits the order of positions,
 * and leaves nothing to deadlock with; it is the same in all processes.
 */
import { together } from "../draft-questions.ts";
import type { Wanted } from "../draft-steps.ts";
import type { Change, ChangeResult, CommitContext, ListKey } from "../storage.ts";
import type { Connection } from "./connection.ts";
import type { Line } from "./connections.ts";
import {
  isBackendError,
  isLate,
  isOfTheData,
  isTransient,
  isWorthAnotherTry,
  translated,
  unavailable,
} from "./failures.ts";
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

interface Member {
  readonly wanted: Wanted;
  readonly size: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Alone {
  readonly run: (connection: Connection) => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

/** A group ends at either, so that nobody waits for long for others' bytes. */
const largestGroup = 512;
const largestGroupSize = 4_000_000;
/** Times that a group is tried of which certainly nothing was kept. */
const tries = 3;

export function groupCommit({ line, store, begin, committed }: GroupCommitOptions): GroupCommit {
  const queue: (Member | Alone)[] = [];
  let running: Promise<void> | undefined;
  let closed = false;

  function start(): void {
    running ??= (async () => {
      // Whoever writes in the same turn of the event loop belongs to the same group.
      await new Promise(setImmediate);
      while (queue.length > 0) await next();
      running = undefined;
    })();
  }

  async function next(): Promise<void> {
    const first = queue[0];
    if (first !== undefined && "run" in first) {
      queue.shift();
      return runAlone(first);
    }
    const members: Member[] = [];
    for (let size = 0; members.length < largestGroup && size < largestGroupSize; ) {
      const member = queue[0];
      if (member === undefined || "run" in member) break;
      queue.shift();
      members.push(member);
      size += member.size;
    }
    return runGroup(members);
  }

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
        for (const [index, outcome] of outcomes.entries()) {
          const member = members[index];
          if (outcome.status === "rejected") member?.reject(translated(outcome.reason));
          else member?.resolve(outcome.value as never);
        }
        committed(members.length);
        return;
      } catch (error) {
        if (connection?.lost === false) await connection.run("ROLLBACK").catch(() => {});
        // Of a COMMIT that was sent and not answered nobody knows what became: its callers are told so, and their expectations say
        // what is so when they try again. Everything else was certainly taken back.
        const kept = sent && !(error instanceof TakenBack);
        if (kept || !isBackendError(causeOf(error)) || closed) return rejectAll(members, error);
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
    if (!isLate(cause)) return;
    for (const { reject } of queue.splice(0)) reject(translated(cause));
  }

  async function runAlone({ run, reject }: Alone): Promise<void> {
    let connection: Connection | undefined;
    try {
      connection = await line.get();
      await connection.run(begin);
      const answer = await run(connection);
      await save(connection, []);
      answer();
      committed(1);
    } catch (error) {
      if (connection?.lost === false) await connection.run("ROLLBACK").catch(() => {});
      reject(translated(causeOf(error)));
      rejectWaiting(error);
    }
  }

  function add<T>(wanted: Wanted, size: number): Promise<T> {
    if (closed) return Promise.reject(unavailable(new Error("the storage is closed")));
    return new Promise<T>((resolve, reject) => {
      queue.push({ wanted, size, resolve: resolve as Member["resolve"], reject });
      start();
    });
  }

  return {
    commit(changes, context) {
      const size = changes.reduce((sum, change) => sum + (change.kind === "put" ? change.body.length : 100), 0);
      return add({ kind: "commit", changes, context }, size);
    },
    touch: (touch) => add({ kind: "touch", changes: [], touch }, 100),
    alone(work) {
      if (closed) return Promise.reject(unavailable(new Error("the storage is closed")));
      return new Promise((resolve, reject) => {
        const run = async (connection: Connection) => {
          const value = await work(connection);
          return () => resolve(value);
        };
        queue.push({ run, reject });
        start();
      });
    },
    async close() {
      closed = true;
      await running;
    },
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
