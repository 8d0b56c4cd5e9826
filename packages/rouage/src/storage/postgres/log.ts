/** Reads the log in bounded batches; never holds a transaction between two of them. */
import { logColumns, logEntry } from "../log-rows.ts";
import { type ReadOnOptions, readOn } from "../read-on.ts";
import { bindable } from "../sort-key.ts";
import type { LogEntry, LogQuery } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { binding } from "./fields.ts";
import { newest } from "./point-reads.ts";

type Run = Pick<Connection, "run">;

export interface LogReaderOptions extends ReadOnOptions {
  readonly read: <T>(work: (connection: Run) => Promise<T>) => Promise<T>;
}

/** Rows looked at in one go where no index leads to those asked for. */
const window = 5_000;
const largestBatch = 256;
/** Bytes of bodies that a reader should hold at once. */
const longestBatch = 1_000_000;

export function readLog(query: LogQuery, { read, ...options }: LogReaderOptions): AsyncIterable<LogEntry> {
  const { after = 0, reverse = false } = query;
  const isIndexed = query.resources !== undefined && query.parent !== undefined;
  // Everything up to `low` and from `high` on is done.
  let low = Math.max(Math.trunc(after), 0);
  let high = Number.MAX_SAFE_INTEGER;

  async function next(): Promise<readonly LogEntry[] | undefined> {
    const last = await read(newest);
    if (reverse) high = Math.min(high, last + 1);
    const top = reverse ? high - 1 : isIndexed ? last : Math.min(last, low + window);
    const bottom = reverse && !isIndexed ? Math.max(low, top - window) : low;
    if (top <= bottom) return undefined;
    const { entries, cut } = await read((connection) => readBatch(connection, query, bottom, top));
    const final = entries[entries.length - 1]?.position;
    if (reverse) high = cut && final !== undefined ? final : bottom + 1;
    else low = cut && final !== undefined ? final : top;
    // Behind a store that was put back lies a gap that would take two hundred thousand windows.
    if (final === undefined && !isIndexed) {
      const there = await read((connection) => nearest(connection, reverse, reverse ? high : low));
      if (reverse) high = Math.min(high, there + 1);
      else low = Math.max(low, there - 1);
    }
    return entries;
  }

  return readOn(query, options, next);
}

/** Position of the next entry behind one, or of the last before it; 0 when there is none. */
async function nearest({ run }: Run, reverse: boolean, position: number): Promise<number> {
  const text = reverse
    ? "SELECT coalesce(max(position), 0) FROM log WHERE position < $1"
    : "SELECT coalesce(min(position), 0) FROM log WHERE position > $1";
  const { rows } = await run({ text, values: [position], prepared: true });
  return Number(rows[0]?.[0]);
}

async function readBatch({ run }: Run, { resources, parent, id, reverse }: LogQuery, bottom: number, top: number) {
  const { bind, values } = binding();
  const conditions = [`position > ${bind(bottom)}`, `position <= ${bind(top)}`];
  if (resources !== undefined) conditions.push(`resource = ANY (${bind(resources)}::text[])`);
  if (parent !== undefined) conditions.push(`parent = ${bind(bindable(parent))}`);
  if (id !== undefined) conditions.push(`id = ${bind(bindable(id))}`);
  const batch = `SELECT ${logColumns} FROM log WHERE ${conditions.join(" AND ")} ORDER BY position${reverse === true ? " DESC" : ""} LIMIT ${largestBatch}`;
  const length = "coalesce(octet_length(body), 0)";
  const { rows } = await run({
    text: `SELECT ${logColumns}, found FROM (
      SELECT *, count(*) OVER () AS found,
        sum(${length}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - ${length} AS before
      FROM (${batch}) AS batch
    ) AS measured WHERE before <= ${bind(longestBatch)}`,
    values,
    prepared: true,
  });
  const found = Number(rows[0]?.[12] ?? 0);
  return { entries: rows.map(logEntry), cut: rows.length < found || found === largestBatch };
}
