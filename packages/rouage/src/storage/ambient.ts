/**
 * Which transaction of a storage the calling code runs in, if any: known by asynchronous context, so that nobody has to hand it
 * on. Knows nothing of how a storage makes its transactions; that is what `during` brackets.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { ServiceError } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";
import { type Turns, turns } from "./turns.ts";

export type Task = () => void | Promise<void>;

/** What became of the work of a transaction, before anything is durable. */
export interface Ended<T> {
  readonly outcome: PromiseSettledResult<T>;
  /** To run when the transaction is durable. */
  readonly tasks: readonly Task[];
}

export interface Ambient<State> {
  /**
   * The state of the open transaction, or part of one, that the calling code belongs to. Code that outlives its transaction belongs to none.
   * @throws ServiceError `deadline-exceeded` where the transaction was taken back while its work still runs: what is left of it
   * must not be done outside
   */
  current(): State | undefined;
  /** True where `current` answers a state. */
  inside(): boolean;
  /**
   * Runs `work` as a transaction; resolves when it and its parts have settled, or rejected in its place when that took too long.
   */
  during<T>(state: State, work: () => Promise<T>): Promise<Ended<T>>;
  /** Runs `work` as a part of the current transaction that can be taken back by itself. Parts and steps run one after the other. */
  part<T>(brackets: PartBrackets<State>, work: () => Promise<T>): Promise<T>;
  /** Runs one write of the current transaction. */
  step<T>(work: (state: State) => T): Promise<T>;
  /** Keeps `task` for the end of the transaction, or runs it at once outside of any; `once`: however often it was asked for. */
  afterCommit(task: Task, once?: boolean): void | Promise<void>;
}

/** What a storage does around a part; not asked to end one whose transaction was taken back. */
export interface PartBrackets<State> {
  begin(outer: State): State;
  keep(part: State, outer: State): void;
  takeBack(part: State, outer: State): void;
}

/** Longest that one transaction may hold a storage. */
export const transactionLimitMs = 10_000;

export function ambient<State>(limitMs = transactionLimitMs): Ambient<State> {
  const context = new AsyncLocalStorage<Entry<State>>();
  /** Transactions whose work runs: as long as there is none, nobody has to ask for the context. */
  let running = 0;
  /** Tasks that are done once, however often they were asked for. */
  const single = new WeakSet<Task>();

  function keepTask({ tasks }: Entry<State>, task: Task): void {
    if (!single.has(task) || !tasks.includes(task)) tasks.push(task);
  }

  /** @throws ServiceError as `current` */
  function entry(): Entry<State> | undefined {
    return running === 0 ? undefined : innermost(context.getStore());
  }

  function needed(): Entry<State> {
    const found = entry();
    if (found === undefined) throw new Error("there is no open transaction here");
    return found;
  }

  return {
    current: () => entry()?.state,

    inside() {
      const found = running === 0 ? undefined : context.getStore();
      return !isExpired(found) && innermost(found) !== undefined;
    },

    during<T>(state: State, work: () => Promise<T>) {
      const own = newEntry(state, undefined);
      running++;
      return new Promise<Ended<T>>((resolve) => {
        const timer = setTimeout(() => {
          own.phase = "expired";
          resolve({ outcome: { status: "rejected", reason: expired() }, tasks: [] });
        }, limitMs);
        context
          .run(own, () => settled(own, work))
          .then((outcome) => {
            clearTimeout(timer);
            running--;
            own.phase = "ended";
            resolve({ outcome, tasks: own.tasks });
          });
      });
    },

    async part({ begin, keep, takeBack }, work) {
      const outer = needed();
      return outer.parts.run(async () => {
        if (innermost(outer) !== outer) throw expired();
        const own = newEntry(begin(outer.state), outer);
        const outcome = await context.run(own, () => settled(own, work));
        if (innermost(own) !== own) throw expired();
        own.phase = "ended";
        if (outcome.status === "rejected") {
          takeBack(own.state, outer.state);
          throw outcome.reason;
        }
        keep(own.state, outer.state);
        for (const task of own.tasks) keepTask(outer, task);
        return outcome.value;
      });
    },

    async step(work) {
      const own = needed();
      return own.parts.run(() => {
        if (innermost(own) !== own) throw expired();
        return work(own.state);
      });
    },

    afterCommit(task, once = false) {
      const found = entry();
      if (found === undefined) return task();
      if (once) single.add(task);
      keepTask(found, task);
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
  /** What it is a part of. */
  readonly outer: Entry<State> | undefined;
  phase: "open" | "expired" | "ended";
  readonly tasks: Task[];
  /** Its parts and its own writes: a part that is taken back must not take others' writes with it. */
  readonly parts: Turns;
}

function newEntry<State>(state: State, outer: Entry<State> | undefined): Entry<State> {
  return { state, outer, phase: "open", tasks: [], parts: turns() };
}

/** Outcome of the work, once its parts have ended too. */
async function settled<T>({ parts }: Entry<unknown>, work: () => Promise<T>): Promise<PromiseSettledResult<T>> {
  const [outcome] = await Promise.allSettled([(async () => work())()]);
  await parts.idle();
  return outcome;
}

/** The innermost that is open, and all around it. @throws ServiceError where the transaction was taken back */
function innermost<State>(entry: Entry<State> | undefined): Entry<State> | undefined {
  if (isExpired(entry)) throw expired();
  let found: Entry<State> | undefined;
  for (let each = entry; each !== undefined; each = each.outer) {
    if (each.phase === "ended") found = undefined;
    else found ??= each;
  }
  return found;
}

function isExpired(entry: Entry<unknown> | undefined): boolean {
  return entry !== undefined && (entry.phase === "expired" || isExpired(entry.outer));
}

function expired(): ServiceError {
  return new ServiceError("deadline-exceeded", { cause: new Error("the transaction held the storage for too long") });
}
