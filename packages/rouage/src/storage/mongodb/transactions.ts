/**
 * Transactions: each takes the next turn of the journal for itself, so that what it reads stays so, in every process, and says in the end what
 * has become of it. One that dies with its process, or holds its turn for too long, is void: the first that says so has decided it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "../../telemetry/log.ts";
import { ambient, answer, type PartBrackets, type Task } from "../ambient.ts";
import { answerable, makeSteps, type Wanted } from "../draft-steps.ts";
import type { Change, ChangeResult, CommitContext, ListKey, StoredEntry } from "../storage.ts";
import { contentOf, isEmpty } from "./content.ts";
import { TurnBusy, TurnLost, translated, unavailable } from "./failures.ts";
import { draftedEntry, type Inside, insideOf, rowsOf } from "./inside.ts";
import { lastOf, type Store, type Writer } from "./writer.ts";

export interface Transactions {
  /** The transaction that the calling code runs in. */
  current(): Inside | undefined;
  inside(): boolean;
  /** Runs `work` as a transaction, or as a part of the one that the calling code runs in. */
  run<T>(work: () => Promise<T>): Promise<T>;
  commit(changes: readonly Change[], context: CommitContext): Promise<readonly ChangeResult[]>;
  touch(key: ListKey): Promise<number>;
  /** One write of the current transaction, or of one of its own. */
  step<T>(work: (inside: Inside) => Promise<T>): Promise<T>;
  /** Runs `work` while no process writes. */
  still<T>(work: () => Promise<T>): Promise<T>;
  afterCommit(task: Task, once?: boolean): void | Promise<void>;
}

export interface TransactionsOptions {
  readonly store: Store;
  readonly writer: Writer;
  readonly log: Logger;
  readonly limitMs?: number | undefined;
}

export function transactions({ store, writer, log, limitMs }: TransactionsOptions): Transactions {
  const { collections, ledger, resourceOf, now } = store;
  const context = ambient<Inside>(limitMs);

  async function hold(): Promise<number> {
    const deadline = performance.now() + store.patienceMs;
    do {
      const n = await ledger.hold();
      if (n !== undefined) return n;
      await ledger.free(deadline);
    } while (performance.now() < deadline);
    throw unavailable(new TurnBusy("other processes were always first"));
  }

  async function keep(inside: Inside): Promise<void> {
    const { draft, loader, n, blanked } = inside;
    const scopes = blanked.map(({ scope }) => scope);
    const content = { ...(await contentOf(draft, loader, collections, scopes)), log: rowsOf(inside) };
    const outcome = isEmpty(content)
      ? await ledger.release(n, undefined, ledger.position)
      : await ledger.release(n, content, lastOf(content, n, ledger.position));
    if (outcome === "taken") throw new TurnLost("the transaction held its turn for too long");
  }

  /** Its turn is given back; where that cannot be said now, others do so when its time is over. */
  async function drop({ n }: Inside): Promise<void> {
    await ledger.release(n, undefined, ledger.position).catch(() => {});
  }

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (context.current() !== undefined) return context.part(part, work);
    const inContext = AsyncLocalStorage.snapshot();
    const ended = await writer.alone(async () => {
      const inside = insideOf(store, await hold());
      const result = await inContext(() => context.during(inside, work));
      if (result.outcome.status === "rejected") await drop(inside);
      else {
        await keep(inside).catch(async (error: unknown) => {
          if (!(error instanceof TurnLost)) await drop(inside);
          throw error;
        });
      }
      return result;
    });
    return answer(ended, log);
  }

  async function step<T>(work: (inside: Inside) => Promise<T>): Promise<T> {
    if (context.current() === undefined) return run(() => step(work));
    try {
      return await context.step(work);
    } catch (error) {
      throw translated(error);
    }
  }

  function want<T>(wanted: Wanted): Promise<T> {
    return step(async (inside) => {
      await inside.loader.load(answerable([wanted], resourceOf));
      const stored = async (key: Parameters<Store["stored"]>[0]): Promise<StoredEntry | undefined> => {
        const drafted = draftedEntry(inside, key);
        return drafted === undefined ? store.stored(key) : drafted.entry;
      };
      const [outcome] = await makeSteps(inside.draft, [wanted], { resourceOf, now, stored });
      if (outcome?.status !== "fulfilled") throw outcome?.reason;
      return outcome.value as T;
    });
  }

  return {
    current: () => context.current(),
    inside: () => context.inside(),
    run,
    commit: (changes, cause) => want({ kind: "commit", changes, context: cause }),
    touch: (touch) => want({ kind: "touch", changes: [], touch }),
    step,
    still: (work) =>
      writer.alone(async () => {
        const inside = insideOf(store, await hold());
        try {
          return await work();
        } finally {
          await drop(inside);
        }
      }),
    afterCommit: (task, once) => context.afterCommit(task, once),
  };
}

const part: PartBrackets<Inside> = {
  begin(inside) {
    inside.marks.push({ draft: inside.draft.mark(), blanked: inside.blanked.length });
    return inside;
  },
  keep: (inside) => void inside.marks.pop(),
  takeBack(inside) {
    const mark = inside.marks.pop();
    if (mark === undefined) return;
    inside.draft.back(mark.draft);
    inside.blanked.length = mark.blanked;
  },
};
