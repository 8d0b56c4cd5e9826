/**
 * All writes of one process to a database, one after the other: what comes while others are written shares a group with everything that came
 * meanwhile. How a group is written is the adapter's.
 */
import { ServiceError } from "../errors.ts";
import type { Outcome, Wanted } from "./draft-steps.ts";
import type { Change, ChangeResult, CommitContext, ListKey } from "./storage.ts";

export interface WriteQueue {
  commit(changes: readonly Change[], context: CommitContext): Promise<readonly ChangeResult[]>;
  touch(key: ListKey): Promise<number>;
  /**
   * Runs `work`, which settles by either of the two and never rejects, while nothing else is written. `shared`: it writes nothing, and may run beside
   * others of its kind.
   */
  alone<T>(
    work: (resolve: (value: T) => void, reject: (error: unknown) => void) => Promise<void>,
    shared?: boolean,
  ): Promise<T>;
  /** Refuses everything that waits: it would wait as long again as what is written now has waited in vain. */
  rejectWaiting(error: unknown): void;
  readonly closed: boolean;
  /** Refuses further writes and resolves when those already called are answered. */
  close(): Promise<void>;
}

/** A write of a group. */
export interface Member {
  readonly wanted: Wanted;
  readonly size: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Alone {
  readonly run: () => Promise<void>;
  readonly shared: boolean;
  readonly reject: (error: unknown) => void;
}

/** A group ends at either, so that nobody waits for long for others' bytes. */
const largestGroup = 512;
const largestGroupSize = 4_000_000;

/** @param runGroup settles every member; never rejects */
export function writeQueue(runGroup: (members: readonly Member[]) => Promise<void>): WriteQueue {
  const queue: (Member | Alone)[] = [];
  let running: Promise<void> | undefined;
  let closed = false;

  function start(): void {
    running ??= (async () => {
      // Whoever writes in the same turn of the event loop belongs to the same group.
      await new Promise(setImmediate);
      for (let first = queue.shift(); first !== undefined; first = queue.shift()) {
        if ("run" in first) await Promise.all(withOthers(first).map(({ run }) => run()));
        else await runGroup(groupFrom(first));
      }
      running = undefined;
    })();
  }

  /** All readers that wait share the moment, wherever they stand: writers would wait for each of them otherwise. */
  function withOthers(first: Alone): readonly Alone[] {
    if (!first.shared) return [first];
    const readers = queue.filter((each): each is Alone => "run" in each && each.shared);
    queue.splice(0, queue.length, ...queue.filter((each) => !("run" in each && each.shared)));
    return [first, ...readers];
  }

  function groupFrom(first: Member): readonly Member[] {
    const members = [first];
    for (let { size } = first; members.length < largestGroup && size < largestGroupSize; ) {
      const member = queue[0];
      if (member === undefined || "run" in member) break;
      queue.shift();
      members.push(member);
      size += member.size;
    }
    return members;
  }

  function add<T>(
    entry: (resolve: (value: T) => void, reject: (error: unknown) => void) => Member | Alone,
  ): Promise<T> {
    if (closed) return Promise.reject(new ServiceError("unavailable", { cause: new Error("the storage is closed") }));
    return new Promise<T>((resolve, reject) => {
      queue.push(entry(resolve, reject));
      start();
    });
  }

  function member<T>(wanted: Wanted, size: number): Promise<T> {
    return add<T>((resolve, reject) => ({ wanted, size, resolve: resolve as Member["resolve"], reject }));
  }

  return {
    commit(changes, context) {
      const size = changes.reduce((sum, change) => sum + (change.kind === "put" ? change.body.length : 100), 0);
      return member({ kind: "commit", changes, context }, size);
    },
    touch: (touch) => member({ kind: "touch", changes: [], touch }, 100),
    alone: (work, shared = false) => add((resolve, reject) => ({ run: () => work(resolve, reject), reject, shared })),
    rejectWaiting(error) {
      for (const { reject } of queue.splice(0)) reject(error);
    },
    get closed() {
      return closed;
    },
    async close() {
      closed = true;
      await running;
    },
  };
}

/** Tells each member what has become of it. */
export function answerMembers(
  members: readonly Member[],
  outcomes: readonly Outcome[],
  translated: (error: unknown) => unknown,
): void {
  for (const [index, outcome] of outcomes.entries()) {
    const member = members[index];
    if (outcome.status === "rejected") member?.reject(translated(outcome.reason));
    else member?.resolve(outcome.value as never);
  }
}
