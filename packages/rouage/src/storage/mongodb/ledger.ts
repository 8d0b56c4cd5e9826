/**
 * What this process knows of the journal: how far the store is as the journal says, and how it gets there. Whoever has been answered from a
 * step may rely on it: nobody is, before all of it is applied.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "../../telemetry/log.ts";
import { turns } from "../turns.ts";
import { apply, withParts } from "./apply.ts";
import { codeOf, duplicateKey, isWorthAnotherTry, TurnBusy, unavailable } from "./failures.ts";
import {
  type Content,
  decoded,
  encoded,
  type JournalDocument,
  namesOf,
  outcomeSlot,
  partSlot,
  slot,
} from "./journal.ts";
import type { Collections } from "./names.ts";

/** `taken`: another process was first. */
export type Appended = "made" | "taken";

export interface Ledger {
  /** Number of the newest step that is known to be applied, with all before it. */
  readonly applied: number;
  /** Of the newest entry of the log with that step. */
  readonly position: number;
  /** Finds the end of the journal, when a store is opened. */
  open(): Promise<void>;
  /** Everything that was committed when it was called is applied when it resolves. */
  catchUp(): Promise<void>;
  /** Resolves when step `n`, which was seen in the store, is applied. */
  through(n: number): Promise<void>;
  /**
   * As `catchUp`, and waits for the end of a transaction that another process holds the next turn for.
   * @param deadline of `performance.now()`
   * @throws ServiceError `unavailable` when it comes first
   */
  free(deadline: number): Promise<void>;
  /** Commits a step behind the newest that is applied, and applies it. */
  append(content: Content, last: number): Promise<Appended>;
  /** Takes the turn behind the newest step for a transaction; answers its number, or undefined where another process was first. */
  hold(): Promise<number | undefined>;
  /** Ends the turn of a transaction: commits and applies what it did, or nothing. `taken`: it was held for too long. */
  release(n: number, content: Content | undefined, last: number): Promise<Appended>;
  /** Whether a step after `since` changed one of these, as far as is known. */
  touched(since: number, names: readonly string[]): boolean;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  readonly collections: Collections;
  readonly log: Logger;
  /** Called when steps were applied, by whomever. */
  readonly advanced: () => void;
  /** How long the writer of a step is given to apply it before others do. */
  readonly helpAfterMs?: number | undefined;
  /** How long a turn lasts that nobody renews, as others see it. */
  readonly turnLimitMs?: number | undefined;
}

/** Steps whose names of lists are remembered. */
const remembered = 512;
/** Steps followed one by one; of more only the end is looked at. */
const longestWalk = 64;
/** Of what nobody has answered. */
const retries = 5;
const betweenTriesMs = 50;

export function ledgerOf({
  collections,
  log,
  advanced,
  helpAfterMs = 1_000,
  turnLimitMs = 4_000,
}: LedgerOptions): Ledger {
  const { journal, parts } = collections;
  const writer = randomUUID();
  /** Names that the newest steps touched. */
  const names = new Map<number, ReadonlySet<string>>();
  let applied = 0;
  let position = 0;
  /** The own step that is being committed and applied. */
  let own: { readonly n: number; readonly settled: Promise<unknown> } | undefined;
  /** The turn that a transaction of this process holds. */
  let held: number | undefined;
  let renewal: NodeJS.Timeout | undefined;
  /** Another's turn, and since when it looks as it does. */
  let seen: { readonly attempt: string; readonly beat: number; readonly at: number } | undefined;
  const line = turns();
  let marking: Promise<void> = Promise.resolve();
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function advance(n: number, last: number, touched: readonly string[]): void {
    if (n !== applied + 1) return;
    applied = n;
    position = last;
    names.set(n, new Set(touched));
    names.delete(n - remembered);
    advanced();
  }

  async function jump(): Promise<void> {
    const [newest] = await journal.find({}, { projection: { n: 1 }, sort: { _id: -1 }, limit: 1 }).toArray();
    const before = (newest?.n ?? 1) - 1;
    if (before <= applied) return;
    const step = await stepAt(before);
    // Step n is inserted by somebody who has seen all before it applied.
    applied = before;
    position = step?.last ?? 0;
    names.clear();
    advanced();
  }

  /** The step with this number: undefined where there is none; a turn where its transaction has no outcome. */
  async function stepAt(n: number): Promise<JournalDocument | undefined> {
    const found = await journal.findOne({ _id: slot(n) });
    if (found?.kind !== "turn") return found ?? undefined;
    return (await journal.findOne({ _id: outcomeSlot(n) })) ?? found;
  }

  /** Goes on by one step; answers what is in the way, if anything is. */
  async function walk(): Promise<"end" | "turn" | undefined> {
    const n = applied + 1;
    if (own?.n === n) {
      await own.settled;
      return undefined;
    }
    const step = await stepAt(n);
    if (applied >= n || own?.n === n) return undefined;
    if (step === undefined) return "end";
    if (step.kind === "turn") return "turn";
    if (step.done !== true) await makeApplied(step);
    advance(n, step.last, step.touched ?? []);
    return undefined;
  }

  /** Waits for the writer of a step to have applied it; does it in its place where that takes too long. */
  async function makeApplied(step: JournalDocument): Promise<void> {
    const { n, _id } = step;
    const isOwn = step.writer === writer;
    const started = performance.now();
    for (let wait = 1; !isOwn && performance.now() - started < helpAfterMs; wait = Math.min(wait * 2, 32)) {
      const [now, later] = await Promise.all([
        journal.findOne({ _id }, { projection: { done: 1 } }),
        journal.findOne({ _id: slot(n + 1) }, { projection: { n: 1 } }),
      ]);
      if (now?.done === true || later !== null) return;
      await pause(wait);
    }
    if (!isOwn)
      log.warn({ step: n }, "a process that has committed does not go on: what it wrote is applied in its place");
    await apply(collections, n, decoded(await Array.fromAsync(withParts(parts, step))));
    await mark(step);
  }

  /** Says that a step is history; what was for its application alone is dropped. */
  async function mark({ _id, attempt, parts: further = 0 }: JournalDocument): Promise<void> {
    const update = { $set: { done: true }, $unset: { objects: "", lists: "", groups: "" } } as const;
    await journal.updateOne({ _id }, update, { writeConcern: { w: 1 } });
    for (let index = 0; index < further; index++) {
      await parts.updateOne({ _id: partSlot(attempt, index) }, { $unset: { objects: "" } }, { writeConcern: { w: 1 } });
    }
  }

  async function walkToEnd(): Promise<"end" | "turn"> {
    for (let steps = 1; ; steps++) {
      const stop = await line.run(walk);
      if (stop !== undefined) return stop;
      if (steps % longestWalk === 0) await jump();
    }
  }

  /** Those who ask while it runs share the next time: what was committed meanwhile is theirs to see. */
  function catchUp(): Promise<void> {
    if (running === undefined) {
      running = walkToEnd()
        .then(() => {})
        .finally(() => {
          running = undefined;
        });
      return running;
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return catchUp();
      });
    return next;
  }

  async function free(deadline: number): Promise<void> {
    for (let wait = 1; ; wait = Math.min(wait * 2, 32)) {
      if ((await walkToEnd()) === "end") return;
      const n = applied + 1;
      const turn = await stepAt(n);
      if (turn?.kind !== "turn") continue;
      if (turn.writer === writer && held !== n) {
        // Nobody learnt that it was taken, or could say that it is given back.
        await insert(nothing(outcomeSlot(n), n, position));
      } else if (seen?.attempt !== turn.attempt || seen.beat !== (turn.beat ?? 0)) {
        seen = { attempt: turn.attempt, beat: turn.beat ?? 0, at: performance.now() };
      } else if (performance.now() - seen.at > turnLimitMs) {
        log.warn({ step: n }, "a process holds its turn for too long: its transaction is void");
        await insert(nothing(outcomeSlot(n), n, position));
      }
      if (performance.now() > deadline) throw unavailable(new TurnBusy("another process holds its turn for too long"));
      await pause(wait);
    }
  }

  function nothing(_id: string, n: number, last: number): JournalDocument {
    return { _id, n, kind: "void", attempt: randomUUID(), writer, last, done: true };
  }

  /**
   * Inserts a document at a place that is taken once. Where nobody answers it is sent again: whichever of the two arrives first, the place is
   * this document's, or it was another's before.
   */
  async function insert(document: JournalDocument): Promise<Appended> {
    for (let tried = 0; ; tried++) {
      try {
        await journal.insertOne(document);
        return "made";
      } catch (error) {
        if (codeOf(error) === duplicateKey) {
          const { _id, attempt } = document;
          const there = await again(() => journal.findOne({ _id }, { projection: { attempt: 1 } }));
          return there?.attempt === attempt ? "made" : "taken";
        }
        // Who waits for it finds out later, as about a step of anybody else.
        if (!isWorthAnotherTry(error) || tried === retries) throw error;
      }
      await pause(betweenTriesMs);
    }
  }

  async function again<T>(work: () => Promise<T>): Promise<T> {
    for (let tried = 0; ; tried++) {
      try {
        return await work();
      } catch (error) {
        if (!isWorthAnotherTry(error) || tried === retries) throw error;
      }
      await pause(betweenTriesMs);
    }
  }

  async function commit(id: string, n: number, content: Content, last: number): Promise<Appended> {
    const working = append(id, n, content, last);
    own = { n, settled: working.catch(() => {}) };
    try {
      return await working;
    } finally {
      own = undefined;
    }
  }

  async function append(id: string, n: number, content: Content, last: number): Promise<Appended> {
    const { head, parts: further } = encoded(id, { n, attempt: randomUUID(), writer, last }, content);
    for (const part of further) await again(() => parts.replaceOne({ _id: part._id }, part, { upsert: true }));
    const outcome = await insert(head);
    if (outcome === "taken") {
      if (further.length > 0) parts.deleteMany({ attempt: head.attempt }).catch(() => {});
      return outcome;
    }
    // It is committed: what fails is tried again before its caller learns that nobody knows how far it is.
    await again(() => apply(collections, n, content));
    advance(n, last, namesOf(content));
    marking = marking.then(() => mark(head)).catch(() => {});
    return outcome;
  }

  return {
    get applied() {
      return applied;
    },
    get position() {
      return position;
    },
    async open() {
      await jump();
      await catchUp();
    },
    catchUp,
    async through(n) {
      for (let wait = 1; applied < n; wait = Math.min(wait * 2, 32)) {
        await catchUp();
        if (applied < n) await pause(wait);
      }
    },
    free,
    append: (content, last) => commit(slot(applied + 1), applied + 1, content, last),
    async hold() {
      const n = applied + 1;
      const turn = { _id: slot(n), n, kind: "turn", attempt: randomUUID(), writer, last: position } as const;
      if ((await insert(turn)) === "taken") return undefined;
      held = n;
      // A process that works says so; one that died does not.
      const renew = () => void journal.updateOne({ _id: turn._id }, { $inc: { beat: 1 } }).catch(() => {});
      renewal = setInterval(renew, turnLimitMs / 4).unref();
      return n;
    },
    async release(n, content, last) {
      try {
        if (content !== undefined) return await commit(outcomeSlot(n), n, content, last);
        const outcome = await insert(nothing(outcomeSlot(n), n, position));
        if (outcome === "made") advance(n, position, []);
        return outcome;
      } finally {
        held = undefined;
        clearInterval(renewal);
      }
    },
    touched(since, wanted) {
      for (let n = since + 1; n <= applied; n++) {
        const touched = names.get(n);
        if (touched === undefined || wanted.some((name) => touched.has(name))) return true;
      }
      return false;
    },
    async close() {
      await Promise.allSettled([running, next, marking]);
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
