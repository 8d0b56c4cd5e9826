/** Reads the log out of the journal, in bounded batches; never holds a cursor between two of them. */
import { type ReadOnOptions, readOn } from "../read-on.ts";
import type { LogEntry, LogQuery } from "../storage.ts";
import { withParts } from "./apply.ts";
import { type Inside, rowsOf } from "./inside.ts";
import { blank, isWithin, type JournalDocument, nameOfRows, positionsOfStep, slot } from "./journal.ts";
import type { Ledger } from "./ledger.ts";
import type { Collections } from "./names.ts";

export interface LogReaderOptions extends ReadOnOptions {
  readonly collections: Collections;
  readonly ledger: Ledger;
  /** Translates errors of the backend. */
  readonly read: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Steps, entries and characters of bodies that a reader holds at once, about. */
const mostSteps = 64;
const mostEntries = 500;
const mostCharacters = 1_000_000;
/** So few steps are looked up one by one. */
const fewSteps = 8;

export async function* readLog(
  query: LogQuery,
  { collections, ledger, read, ...options }: LogReaderOptions,
  inside?: Inside,
): AsyncIterable<LogEntry> {
  const { after = 0, reverse = false } = query;
  const isAsked = (entry: LogEntry) => entry.position > after && isWanted(query, entry);
  const own = inside === undefined ? [] : ownEntries(inside).filter(isAsked);
  // Steps up to `low` and from `high` on are done.
  let low = Math.max(Math.ceil(after / positionsOfStep) - 2, 0);
  let high = Number.MAX_SAFE_INTEGER;

  async function next(): Promise<readonly LogEntry[] | undefined> {
    if (inside === undefined) await read(() => ledger.catchUp());
    const top = Math.min(high - 1, inside === undefined ? ledger.applied : inside.n - 1);
    if (top <= low) return undefined;
    const { entries, end } = await read(() => readBatch(collections, query, low, top));
    if (reverse) high = end;
    else low = end;
    const asked = entries.filter(isAsked);
    return inside === undefined ? asked : asked.map((entry) => seenInside(inside, entry));
  }

  if (reverse) yield* [...own].reverse();
  yield* readOn(query, options, next);
  if (!reverse && !options.closed() && query.signal?.aborted !== true) yield* own;
}

interface Batch {
  readonly entries: readonly LogEntry[];
  /** Steps up to this one, or from this one on, are done. */
  readonly end: number;
}

/** Entries of whole steps above `low` and up to `top`, from the end that the query asks for. */
async function readBatch(collections: Collections, query: LogQuery, low: number, top: number): Promise<Batch> {
  const { reverse = false, resources, parent } = query;
  const entries: LogEntry[] = [];
  let characters = 0;
  let end = reverse ? low + 1 : top;
  let steps = 0;
  const heads = top - low <= fewSteps ? oneByOne(collections, low, top, reverse) : inOrder();

  function inOrder(): AsyncIterable<JournalDocument> {
    const of = resources?.map((resource) => nameOfRows(resource, parent));
    const filter = {
      _id: { $gt: `${slot(low)}+`, $lt: slot(top + 1) },
      // A turn is followed by its outcome, and a batch must not end between the two.
      kind: { $ne: "turn" as const },
      ...(of === undefined ? {} : { of: { $in: of } }),
    };
    return collections.journal.find(filter, { sort: { _id: reverse ? -1 : 1 }, limit: mostSteps, batchSize: 16 });
  }

  let isCut = false;
  for await (const head of heads) {
    const own: LogEntry[] = [];
    for await (const { n, first = 0, log = [] } of withParts(collections.parts, head)) {
      for (const [index, row] of log.entries()) {
        const entry = { position: n * positionsOfStep + first + index + 1, ...row };
        characters += entry.body?.length ?? 0;
        own.push(entry);
      }
    }
    for (const entry of reverse ? own.reverse() : own) entries.push(entry);
    steps++;
    if (steps === mostSteps || entries.length > mostEntries || characters > mostCharacters) {
      end = head.n;
      isCut = true;
      break;
    }
  }
  return { entries, end: isCut ? end : reverse ? low + 1 : top };
}

async function* oneByOne(
  { journal }: Collections,
  low: number,
  top: number,
  reverse: boolean,
): AsyncIterable<JournalDocument> {
  for (let index = 0; index < top - low; index++) {
    const n = reverse ? top - index : low + 1 + index;
    const found = await journal.findOne({ _id: slot(n) });
    if (found === null) continue;
    if (found.kind !== "turn") yield found;
    else {
      const outcome = await journal.findOne({ _id: `${slot(n)}+` });
      if (outcome !== null) yield outcome;
    }
  }
}

function isWanted({ resources, parent, id }: LogQuery, entry: LogEntry): boolean {
  return (
    (resources === undefined || resources.includes(entry.resource)) &&
    (parent === undefined || parent === entry.parent) &&
    (id === undefined || id === entry.id)
  );
}

function ownEntries(inside: Inside): readonly LogEntry[] {
  return rowsOf(inside).map((row, index) => ({ position: inside.n * positionsOfStep + index + 1, ...row }));
}

function seenInside({ blanked }: Inside, entry: LogEntry): LogEntry {
  const scopes = blanked.map(({ scope }) => scope);
  return isWithin(entry, scopes) ? blank(entry) : entry;
}
