/** The memory storage's log: an array of entries, read in batches so that a reader never sees half a commit. */
import { notifier } from "./notifier.ts";
import type { LogEntry, LogQuery } from "./storage.ts";

export interface MemoryLog {
  /** Adds an entry and answers its position; readers see it after `notify`. */
  append(entry: Omit<LogEntry, "position">): number;
  /** Takes back what was appended behind `position`. */
  truncate(position: number): void;
  position(): number;
  notify(): void;
  /** Removes what entries carry, keeping the entries; answers how many carried something. */
  blank(covered: (entry: LogEntry) => boolean): number;
  read(query: LogQuery): AsyncIterable<LogEntry>;
  close(): void;
}

export function memoryLog(): MemoryLog {
  const entries: LogEntry[] = [];
  const news = notifier();
  let closed = false;

  return {
    append(entry) {
      const position = entries.length + 1;
      entries.push({ position, ...entry });
      return position;
    },
    truncate(position) {
      entries.length = position;
    },
    position: () => entries.length,
    notify: () => news.notify(),
    blank(covered) {
      let blanked = 0;
      for (const [index, entry] of entries.entries()) {
        if (!covered(entry)) continue;
        const { body, principal, requestId, traceparent, ...rest } = entry;
        if ([body, principal, requestId, traceparent].every((value) => value === undefined)) continue;
        entries[index] = rest;
        blanked++;
      }
      return blanked;
    },
    async *read({ after = 0, follow = false, reverse = false, signal, ...wanted }) {
      if (follow && reverse) throw new TypeError("a log cannot be followed in reverse");
      let next = reverse ? entries.length : Math.max(after, 0);
      while (!closed && !signal?.aborted) {
        const entry = reverse ? entries[next - 1] : entries[next];
        if (entry === undefined || entry.position <= after) {
          if (!follow) return;
          await news.wait(signal);
          continue;
        }
        next += reverse ? -1 : 1;
        if (selects(wanted, entry)) yield entry;
      }
    },
    close() {
      closed = true;
      news.notify();
    },
  };
}

function selects({ resources, parent, id }: LogQuery, entry: LogEntry): boolean {
  return (
    (resources === undefined || resources.includes(entry.resource)) &&
    (parent === undefined || parent === entry.parent) &&
    (id === undefined || id === entry.id)
  );
}
