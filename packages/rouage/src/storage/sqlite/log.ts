/** Reads the log in bounded batches; never holds a read transaction between two of them. */
import { logColumns, logEntry } from "../log-rows.ts";
import type { Notifier } from "../notifier.ts";
import type { LogEntry, LogQuery } from "../storage.ts";
import { type Database, translated } from "./database.ts";
import type { SqlValue } from "./fields.ts";
import { batch, one } from "./rows.ts";

export interface LogReaderOptions {
  /** Asked again for each batch. */
  readonly database: () => Database;
  readonly news: Notifier;
  /** While something that was read may not be on disk yet: resolves when it is. */
  readonly settling?: () => Promise<unknown> | undefined;
  readonly closed: () => boolean;
}

/** Rows looked at in one go where no index leads to those asked for. */
const window = 5_000;
export async function* readLog(
  query: LogQuery,
  { database, news, closed, settling = () => undefined }: LogReaderOptions,
): AsyncIterable<LogEntry> {
  const { after = 0, follow = false, reverse = false, signal } = query;
  if (follow && reverse) throw new TypeError("a log cannot be followed in reverse");
  const ended = () => closed() || signal?.aborted === true;
  const indexed = query.resources !== undefined && query.parent !== undefined;
  const where = logSql(query);
  // Everything up to `low` and from `high` on is done.
  let low = Math.max(Math.trunc(after), 0);
  let high = Number.MAX_SAFE_INTEGER;
  while (!ended()) {
    const last = newest(database());
    if (reverse) high = Math.min(high, last + 1);
    const top = reverse ? high - 1 : indexed ? last : Math.min(last, low + window);
    const bottom = reverse && !indexed ? Math.max(low, top - window) : low;
    if (top > bottom) {
      const { entries, cut } = read(database(), where, bottom, top);
      // A reader remembers how far it has come: what a power cut could take back would give its position to another entry.
      await settling();
      for (const entry of entries) {
        if (ended()) return;
        yield entry;
      }
      const final = entries[entries.length - 1]?.position;
      if (reverse) high = cut && final !== undefined ? final : bottom + 1;
      else low = cut && final !== undefined ? final : top;
      // Behind a restored backup lies a gap that would take a hundred thousand windows.
      if (final === undefined && reverse) high = Math.min(high, before(database(), high) + 1);
      else if (final === undefined) low = Math.max(low, behind(database(), low) - 1);
      // Let others have the thread between two batches.
      await new Promise(setImmediate);
    } else {
      if (!follow) return;
      await news.wait(signal);
    }
  }
}

/** Position of the newest entry, 0 when there is none. */
export function newest({ prepare }: Pick<Database, "prepare">): number {
  return (one(prepare("SELECT max(position) FROM log"))?.[0] as number | null) ?? 0;
}

/** Position of the next entry behind one; 0 when there is none. */
function behind({ prepare }: Pick<Database, "prepare">, position: number): number {
  return (one(prepare("SELECT min(position) FROM log WHERE position > ?"), position)?.[0] as number | null) ?? 0;
}

/** Position of the last entry before one; 0 when there is none. */
function before({ prepare }: Pick<Database, "prepare">, position: number): number {
  return (one(prepare("SELECT max(position) FROM log WHERE position < ?"), position)?.[0] as number | null) ?? 0;
}

/** At most this many entries at once. */
const largestBatch = 256;

function read({ prepare }: Database, where: ReturnType<typeof logSql>, bottom: number, top: number) {
  try {
    const { rows, cut } = batch(
      prepare(where.text),
      [bottom, top, ...where.values],
      (row) => String(row[8] ?? "").length + 200,
    );
    return { entries: rows.map(logEntry), cut: cut || rows.length === largestBatch };
  } catch (error) {
    throw translated(error);
  }
}

/** One batch; its first two values are the position behind which it begins and the last that it may have. */
export function logSql({ resources, parent, id, reverse = false }: LogQuery): {
  readonly text: string;
  readonly values: readonly SqlValue[];
} {
  let where = "";
  const values: SqlValue[] = [];
  if (resources !== undefined) {
    // Without a parent the index leads to all entries of the resource, which would be sorted anew for each batch.
    where += ` AND ${parent === undefined ? "+" : ""}resource IN (SELECT value FROM json_each(?))`;
    values.push(JSON.stringify(resources));
  }
  if (parent !== undefined) {
    where += " AND parent = ?";
    values.push(parent);
  }
  if (id !== undefined) {
    where += " AND id = ?";
    values.push(id);
  }
  const order = reverse ? " DESC" : "";
  const text = `SELECT ${logColumns} FROM log WHERE position > ? AND position <= ?${where} ORDER BY position${order} LIMIT ${largestBatch}`;
  return { text, values };
}
