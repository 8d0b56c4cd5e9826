/** The memory storage's log: an array of entries, copied by a transaction before it writes there. */
import type { Notifier } from "./notifier.ts";
import type { LogEntry, LogQuery } from "./storage.ts";

export interface MemoryLog {
  entries: LogEntry[];
  /** False: the entries are another's, to be copied before they are changed. */
  own: boolean;
}

/** Adds an entry and answers its position. */
export function append(log: MemoryLog, entry: Omit<LogEntry, "position">): number {
  const entries = writable(log);
  const position = entries.length + 1;
  entries.push({ position, ...entry });
  return position;
}

/** Takes back what was appended behind `position`. */
export function truncate(log: MemoryLog, position: number): void {
  if (log.own) log.entries.length = position;
}

/** Removes what entries carry, keeping the entries; answers how many carried something. */
export function blank(log: MemoryLog, covered: (entry: LogEntry) => boolean): number {
  const entries = writable(log);
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
  readonly entries: () => readonly LogEntry[];
  readonly news: Notifier;
  readonly closed: () => boolean;
}

export async function* readLog(
  { after = 0, follow = false, reverse = false, signal, ...wanted }: LogQuery,
  { entries, news, closed }: ReadLogOptions,
): AsyncIterable<LogEntry> {
  if (follow && reverse) throw new TypeError("a log cannot be followed in reverse");
  let next = reverse ? entries().length : Math.max(after, 0);
  while (!closed() && !signal?.aborted) {
    const entry = reverse ? entries()[next - 1] : entries()[next];
    if (entry === undefined || entry.position <= after) {
      if (!follow) return;
      await news.wait(signal);
      continue;
    }
    next += reverse ? -1 : 1;
    if (selects(wanted, entry)) yield entry;
  }
}

function writable(log: MemoryLog): LogEntry[] {
  if (!log.own) {
    log.entries = log.entries.slice();
    log.own = true;
  }
  return log.entries;
}

function selects({ resources, parent, id }: LogQuery, entry: LogEntry): boolean {
  return (
    (resources === undefined || resources.includes(entry.resource)) &&
    (parent === undefined || parent === entry.parent) &&
    (id === undefined || id === entry.id)
  );
}
