/**
 * The log as a consumer of events reads it: entries that one request made, one behind the other, are handed over as one, in the shape of
 * the last of them. How many belong together is decided by what is there when it is read.
 */
import type { LogEntry, LogQuery, Storage } from "../storage/storage.ts";

export interface EventSource {
  log(query: LogQuery): AsyncIterable<LogEntry>;
  position(): Promise<number>;
  /** The entries that this one, which `log` gave, stands for. */
  groupOf(entry: LogEntry): EntryGroup;
}

export interface EntryGroup {
  readonly entries: readonly LogEntry[];
  /** Nothing was behind it when it was read: later it might be longer. */
  readonly isOpen: boolean;
}

/** Where a group that was begun to be delivered ends, so that it is the same group after a restart. */
export interface GroupBounds {
  readonly first: number;
  readonly last: number;
}

export interface EventSourceOptions {
  readonly storage: Pick<Storage, "log" | "position">;
  /** The group that was being delivered when reading ended. */
  readonly begun: () => Promise<GroupBounds | undefined>;
}

/** Most entries of one group, and most characters of their bodies. */
const mostEntries = 1000;
const mostCharacters = 1024 * 1024;

export function eventSource({ storage, begun }: EventSourceOptions): EventSource {
  const groups = new WeakMap<LogEntry, EntryGroup>();

  function finished(entries: readonly LogEntry[], isOpen: boolean): LogEntry {
    const last = entries.at(-1);
    if (last === undefined) throw new Error("a group has entries");
    // A value of its own: an entry may be the last of two groups, read twice.
    const entry = { ...last };
    groups.set(entry, { entries, isOpen });
    return entry;
  }

  async function* log(query: LogQuery): AsyncGenerator<LogEntry> {
    const { follow = false, signal, after: start = 0, ...rest } = query;
    const bounds = await begun();
    let after = start;
    while (signal?.aborted !== true) {
      let group: LogEntry[] = [];
      let characters = 0;
      for await (const entry of storage.log({ ...rest, after, ...(signal === undefined ? {} : { signal }) })) {
        const [first] = group;
        if (
          first !== undefined &&
          !(belongs(first, entry, bounds) && group.length < mostEntries && characters < mostCharacters)
        ) {
          after = group.at(-1)?.position ?? after;
          yield finished(group, false);
          group = [];
          characters = 0;
        }
        group.push(entry);
        characters += entry.body?.length ?? 0;
      }
      if (group.length > 0) {
        after = group.at(-1)?.position ?? after;
        yield finished(group, true);
        continue;
      }
      if (!follow) return;
      // Only to learn that there is something: it is read with what belongs to it.
      let isMore = false;
      for await (const _ of storage.log({ ...rest, after, follow, ...(signal === undefined ? {} : { signal }) })) {
        isMore = true;
        break;
      }
      // A log that ends without being told to belongs to a storage that is closing.
      if (!isMore) return;
    }
  }

  return {
    log,
    position: () => storage.position(),
    groupOf: (entry) => groups.get(entry) ?? { entries: [entry], isOpen: false },
  };
}

function belongs(first: LogEntry, entry: LogEntry, bounds: GroupBounds | undefined): boolean {
  if (first.requestId === undefined || first.requestId !== entry.requestId || first.principal !== entry.principal)
    return false;
  return bounds?.first !== first.position || entry.position <= bounds.last;
}
