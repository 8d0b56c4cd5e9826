/**
 * Which transaction of a storage the calling code runs in, if any: known by asynchronous context, so that nobody has to hand it
 * on. Knows nothing of how a storage makes its transactions; that is what `during` brackets.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { ServiceError } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";

export type Task = () => void | Promise<void>;

/** What became of the work of a transaction, before anything is durable. */
export interface Ended<T> {
  readonly outcome: PromiseSettledResult<T>;
  /** To run when the transaction is durable. */
  readonly tasks: readonly Task[];
}

export interface Ambient<State> {
  /**
   * The state of the open transaction that the calling code belongs to. Code that outlives its transaction belongs to none.
   * @throws ServiceError `deadline-exceeded` where the transaction was taken back while its work still runs: what is left of it
   * must not be done outside
   */
  current(): State | undefined;
  /** True where `current` answers a state. */
  inside(): boolean;
  /** Runs `work` as a transaction; resolves when it has settled, or rejected in its place when it took too long. */
  during<T>(state: State, work: () => Promise<T>): Promise<Ended<T>>;
  /** Keeps `task` for the end of the transaction, or runs it at once outside of any. */
  afterCommit(task: Task): void | Promise<void>;
}

/** Longest that one transaction may hold a storage. */
export const transactionLimitMs = 10_000;

export function ambient<State>(limitMs = transactionLimitMs): Ambient<State> {
  const context = new AsyncLocalStorage<Entry<State>>();
  /** Transactions whose work runs: as long as there is none, nobody has to ask for the context. */
  let running = 0;

  function entry(): Entry<State> | undefined {
    return running === 0 ? undefined : context.getStore();
  }

  return {
    current() {
      const found = entry();
      if (found === undefined || found.phase === "ended") return undefined;
      if (found.phase === "expired") throw expired();
      return found.state;
    },

    inside: () => entry()?.phase === "open",

    during<T>(state: State, work: () => Promise<T>) {
      const own: Entry<State> = { state, phase: "open", tasks: [] };
      running++;
      return new Promise<Ended<T>>((resolve) => {
        const timer = setTimeout(() => {
          own.phase = "expired";
          resolve({ outcome: { status: "rejected", reason: expired() }, tasks: [] });
        }, limitMs);
        const settled = (outcome: PromiseSettledResult<T>) => {
          clearTimeout(timer);
          running--;
          own.phase = "ended";
          resolve({ outcome, tasks: own.tasks });
        };
        context
          .run(own, async () => work())
          .then(
            (value) => settled({ status: "fulfilled", value }),
            (reason: unknown) => settled({ status: "rejected", reason }),
          );
      });
    },

    afterCommit(task) {
      const found = entry();
      if (found?.phase !== "open") return task();
      found.tasks.push(task);
    },
  };
}

/**
 * What the caller of a transaction that is durable (or taken back) gets. Runs its tasks first; an error in them makes no failure
 * of what has happened.
 */
export async function answer<T>({ outcome, tasks }: Ended<T>, log: Logger): Promise<T> {
  if (outcome.status === "rejected") throw outcome.reason;
  for (const task of tasks) {
    try {
      await task();
    } catch (error) {
      log.error({ err: error }, "a task after a transaction failed");
    }
  }
  return outcome.value;
}

interface Entry<State> {
  readonly state: State;
  phase: "open" | "expired" | "ended";
  readonly tasks: Task[];
}

function expired(): ServiceError {
  return new ServiceError("deadline-exceeded", { cause: new Error("the transaction held the storage for too long") });
}
