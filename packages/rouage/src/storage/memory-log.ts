/** The memory storage's log: an array of entries. A transaction's lies over the one that it was forked from. */
import type { Notifier } from "./notifier.ts";
import type { LogEntry, LogQuery } from "./storage.ts";

export interface MemoryLog {
  /** Those behind the ones below. */
  entries: LogEntry[];
  /** Not to be changed. Undefined: all entries are this log's own. */
  below: MemoryLog | undefined;
}

export function forkLog(below: MemoryLog): MemoryLog {
  return { entries: [], below };
}

/** Puts what a fork has come to into what it was forked from. */
export function absorbLog(log: MemoryLog, part: MemoryLog): void {
  if (part.below === undefined) {
    log.entries = part.entries;
    log.below = undefined;
  } else for (const entry of part.entries) log.entries.push(entry);
}

export function lengthOf({ entries, below }: MemoryLog): number {
  return entries.length + (below === undefined ? 0 : lengthOf(below));
}

/** Adds an entry and answers its position. */
export function append(log: MemoryLog, entry: Omit<LogEntry, "position">): number {
  const position = lengthOf(log) + 1;
  log.entries.push({ position, ...entry });
  return position;
}

/** Takes back what was appended behind `position`. */
export function truncate(log: MemoryLog, position: number): void {
  log.entries.length = Math.max(0, position - (log.below === undefined ? 0 : lengthOf(log.below)));
}

/** Removes what entries carry, keeping the entries; answers how many carried something. */
export function blank(log: MemoryLog, covered: (entry: LogEntry) => boolean): number {
  const entries = allOf(log);
  log.entries = entries;
  log.below = undefined;
  let blanked = 0;
  for (const [index, entry] of entries.entries()) {
    if (!covered(entry)) continue;
    const { body, principal, requestId, traceparent, ...rest } = entry;
    if ([body, principal, requestId, traceparent].every((value) => value === undefined)) continue;
    entries[index] = rest;
    blanked++;
  }
  return blanked;
}

export interface ReadLogOptions {
  /** Asked again before each entry: a transaction that ends puts others in their place. */
  readonly log: () => MemoryLog;
  readonly news: Notifier;
  readonly closed: () => boolean;
}

export async function* readLog(
  { after = 0, follow = false, reverse = false, signal, ...wanted }: LogQuery,
  { log, news, closed }: ReadLogOptions,
): AsyncIterable<LogEntry> {
  if (follow && reverse) throw new TypeError("a log cannot be followed in reverse");
  let next = reverse ? lengthOf(log()) : Math.max(after, 0);
  while (!closed() && !signal?.aborted) {
    const entry = entryAt(log(), reverse ? next - 1 : next);
    if (entry === undefined || entry.position <= after) {
      if (!follow) return;
      await news.wait(signal);
      continue;
    }
    next += reverse ? -1 : 1;
    if (selects(wanted, entry)) yield entry;
  }
}

function entryAt({ entries, below }: MemoryLog, index: number): LogEntry | undefined {
  const start = below === undefined ? 0 : lengthOf(below);
  return below !== undefined && index < start ? entryAt(below, index) : entries[index - start];
}

function allOf({ entries, below }: MemoryLog): LogEntry[] {
  return below === undefined ? entries : [...allOf(below), ...entries];
}

function selects({ resources, parent, id }: LogQuery, entry: LogEntry): boolean {
  return (
    (resources === undefined || resources.includes(entry.resource)) &&
    (parent === undefined || parent === entry.parent) &&
    (id === undefined || id === entry.id)
  );
}
