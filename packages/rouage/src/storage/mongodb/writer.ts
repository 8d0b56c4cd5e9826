/**
 * All writes of this process, one after the other. What comes while others are written shares a step of the journal: one round of questions,
 * one insertion, one application. Where another process was first, it is worked out anew from what that one has left.
 */
import { type Draft, draftOf } from "../draft.ts";
import { answerable, makeSteps, type Outcome, type Wanted } from "../draft-steps.ts";
import type { Change, ChangeResult, CommitContext, ListKey, ObjectKey, StoredEntry } from "../storage.ts";
import { answerMembers, writeQueue } from "../write-queue.ts";
import { contentOf, isEmpty } from "./content.ts";
import { isBackendError, isInVain, TurnBusy, translated, unavailable } from "./failures.ts";
import { type Content, positionsOfStep } from "./journal.ts";
import type { Ledger } from "./ledger.ts";
import { loaderOf } from "./load.ts";
import type { Collections } from "./names.ts";
import type { MongoResource } from "./resources.ts";

export interface Store {
  readonly collections: Collections;
  readonly ledger: Ledger;
  resourceOf(name: string): MongoResource;
  now(): number;
  /** Longest that a write waits for those of other processes. */
  readonly patienceMs: number;
  /** What is stored at a key, as it is applied. */
  stored(key: ObjectKey): Promise<StoredEntry | undefined>;
}

export interface Writer {
  commit(changes: readonly Change[], context: CommitContext): Promise<readonly ChangeResult[]>;
  touch(key: ListKey): Promise<number>;
  /** Runs `work` while nothing else of this process is written. `shared`: it writes nothing, and may run beside others of its kind. */
  alone<T>(work: () => Promise<T>, shared?: boolean): Promise<T>;
  /** Resolves when those already called are answered; later ones are refused. */
  close(): Promise<void>;
}

export function writerOf(store: Store, committed: (writes: number) => void): Writer {
  const queue = writeQueue(async (members) => {
    try {
      const wanted = members.map((member) => member.wanted);
      const outcomes = await makeStep(store, async (draft) => makeSteps(draft, wanted, store), wanted);
      answerMembers(members, outcomes, translated);
      committed(members.length);
    } catch (error) {
      for (const { reject } of members) reject(translated(error));
      giveUp(error);
    }
  });

  /** Those who wait behind somebody who has waited in vain would wait for as long again. */
  function giveUp(error: unknown): void {
    if (isInVain(error)) queue.rejectWaiting(translated(error));
  }

  return {
    commit: queue.commit,
    touch: queue.touch,
    alone: (work, shared) =>
      queue.alone(
        (resolve, reject) =>
          work().then(resolve, (error: unknown) => {
            reject(isBackendError(error) ? translated(error) : error);
            giveUp(error);
          }),
        shared,
      ),
    close: queue.close,
  };
}

/**
 * Works a step out and commits it; again, from what is stored then, where another process was first. What it answers held when it was
 * committed.
 */
async function makeStep(
  store: Store,
  work: (draft: Draft) => Promise<readonly Outcome[]>,
  wanted: readonly Wanted[],
): Promise<readonly Outcome[]> {
  const { ledger } = store;
  const deadline = performance.now() + store.patienceMs;
  const since = ledger.applied;
  const { outcomes, content } = await workOut(store, since + 1, work, wanted);
  if (ledger.applied === since) {
    if (!isEmpty(content)) {
      if ((await ledger.append(content, lastOf(content, since + 1, ledger.position))) === "made") return outcomes;
    } else {
      // Nothing was refused because of something that is no more, or not yet.
      await ledger.free(deadline);
      if (ledger.applied === since) return outcomes;
    }
  }
  // Who was late takes the next turn before it works anything out: those who do that first are later still.
  do {
    await ledger.free(deadline);
    const n = await ledger.hold();
    if (n === undefined) continue;
    try {
      const made = await workOut(store, n, work, wanted);
      const kept = isEmpty(made.content) ? undefined : made.content;
      const last = lastOf(made.content, n, ledger.position);
      if ((await ledger.release(n, kept, last)) === "made") return made.outcomes;
    } catch (error) {
      await ledger.release(n, undefined, ledger.position).catch(() => {});
      throw error;
    }
  } while (performance.now() < deadline);
  throw unavailable(new TurnBusy("other processes were always first"));
}

async function workOut(
  { collections, resourceOf }: Store,
  n: number,
  work: (draft: Draft) => Promise<readonly Outcome[]>,
  wanted: readonly Wanted[],
) {
  const loader = loaderOf(collections, resourceOf, n * positionsOfStep);
  await loader.load(answerable(wanted, resourceOf));
  const draft = draftOf(loader.loaded, resourceOf);
  const outcomes = await work(draft);
  return { outcomes, content: await contentOf(draft, loader, collections) };
}

/** Position of the newest entry of the log behind a step. */
export function lastOf({ log }: Content, n: number, before: number): number {
  if (log.length >= positionsOfStep)
    throw unavailable(new Error("more entries of the log than one transaction may have"));
  return log.length === 0 ? before : n * positionsOfStep + log.length;
}
