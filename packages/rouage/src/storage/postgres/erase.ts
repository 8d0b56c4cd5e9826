/**
 * Erases objects, tombstones and what the log keeps of them, then has the tables written anew without what is left of removed rows.
 * What PostgreSQL keeps beside its tables (the write-ahead log, backups, freed blocks of the disk) is not ours to reach.
 */
import { bindable } from "../sort-key.ts";
import type { EraseCount, EraseScope } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { unavailable } from "./failures.ts";
import { type Bind, binding } from "./fields.ts";
import { identifier } from "./quote.ts";
import { tableOf } from "./resources.ts";

type Run = Pick<Connection, "run">;

export interface Eraser {
  /** Removes the rows, in portions that `step` runs while nobody else writes. */
  remove(
    scopes: readonly EraseScope[],
    step: <T>(work: (connection: Run) => Promise<T>) => Promise<T>,
  ): Promise<EraseCount>;
  /** Writes the tables anew, once the removal is durable. */
  scrub(): Promise<void>;
}

/** Rows removed in one transaction, so that other writes get their turn. */
const portion = 1_000;

/** How long other sessions may keep what was removed readable before the erasure gives up. */
const patienceMs = 3_000;

export function eraser({
  open,
  now,
}: {
  readonly open: (remark: (detail: string) => void) => Promise<Connection>;
  readonly now: () => number;
}): Eraser {
  let waiting: Promise<void> | undefined;
  let scrubbing: Promise<void> = Promise.resolve();

  /**
   * All tables of the store: any of them may hold what was deleted or replaced before. FULL writes new files and removes the old ones, others wait for
   * each table while that is done. ANALYZE, because the planner keeps samples of values.
   */
  async function scrubNow(): Promise<void> {
    let left = 0;
    const connection = await open((detail) => {
      // Words of the server's language follow the number.
      left += Number(/^(\d+) /.exec(detail)?.[1] ?? 0);
    });
    try {
      const { rows } = await connection.run(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY relname",
      );
      let tables = rows.map(([name]) => identifier(String(name)));
      const end = performance.now() + patienceMs;
      for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 500)) {
        const unfinished: string[] = [];
        for (const table of tables) {
          left = 0;
          await connection.run({ text: `VACUUM (FULL, ANALYZE, VERBOSE) ${table}`, timeoutMs: 0 });
          if (left > 0) unfinished.push(table);
        }
        if (unfinished.length === 0) return;
        if (performance.now() > end)
          throw unavailable(new Error("another session reads the database as it was before the erasure"));
        tables = unfinished;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    } finally {
      await connection.end();
    }
  }

  return {
    async remove(scopes, step) {
      let objects = 0;
      let tombstones = 0;
      let logEntries = 0;
      for (const scope of scopes) {
        const table = await step((connection) => tableFor(connection, scope.resource));
        if (table !== undefined) {
          await repeat(async () => {
            const done = await step((connection) => removeEntries(connection, table, scope, now()));
            objects += done.objects;
            tombstones += done.tombstones;
            return done.objects + done.tombstones;
          });
        }
        await repeat(() => step((connection) => removePermissions(connection, scope)));
        logEntries += await repeat(() => step((connection) => blankLog(connection, scope)));
      }
      return { objects, tombstones, logEntries };
    },
    /** Erasures that finish while the tables are written anew share the next time. */
    scrub() {
      waiting ??= scrubbing
        .catch(() => {})
        .then(() => {
          waiting = undefined;
          scrubbing = scrubNow();
          return scrubbing;
        });
      return waiting;
    },
  };
}

async function repeat(step: () => Promise<number>): Promise<number> {
  for (let total = 0; ; ) {
    const done = await step();
    total += done;
    if (done < portion) return total;
  }
}

/** Of every resource that the store knows, defined in this process or not. */
async function tableFor({ run }: Run, resource: string): Promise<string | undefined> {
  const { rows } = await run({ text: "SELECT number FROM resources WHERE name = $1", values: [resource] });
  return rows[0] === undefined ? undefined : tableOf(Number(rows[0][0]));
}

async function removeEntries({ run }: Run, table: string, scope: EraseScope, now: number) {
  const { bind, values } = binding();
  const { rows } = await run({
    text: `WITH gone AS (
        DELETE FROM ${table} WHERE (parent, id) IN (SELECT parent, id FROM ${table} WHERE ${within(scope, bind, false)} LIMIT ${portion})
        RETURNING parent, body IS NOT NULL AS live
      )
      SELECT parent, count(*) FILTER (WHERE live), count(*) FILTER (WHERE NOT live) FROM gone GROUP BY parent`,
    values,
  });
  // Lists that lost something are not what readers have cached.
  await run({
    text: `INSERT INTO lists (resource, parent, revision) SELECT $1, parent, $3 FROM unnest($2::text[]) AS u (parent)
      ON CONFLICT (resource, parent) DO UPDATE SET revision = greatest(excluded.revision, lists.revision + 1)`,
    values: [scope.resource, rows.map(([parent]) => parent as string), now],
  });
  const sum = (column: number) => rows.reduce((total, row) => total + Number(row[column]), 0);
  return { objects: sum(1), tombstones: sum(2) };
}

async function removePermissions({ run }: Run, scope: EraseScope): Promise<number> {
  const { bind, values } = binding();
  const some = `SELECT ctid FROM aces WHERE ${within(scope, bind, true)} LIMIT ${portion}`;
  return (await run({ text: `DELETE FROM aces WHERE ctid = ANY (ARRAY(${some}))`, values })).count;
}

async function blankLog({ run }: Run, scope: EraseScope): Promise<number> {
  const { bind, values } = binding();
  const some = `SELECT position FROM log WHERE ${within(scope, bind, true)} AND ${carries} LIMIT ${portion}`;
  return (await run({ text: `UPDATE log SET ${blanked} WHERE position IN (${some})`, values })).count;
}

export const carries =
  "(body IS NOT NULL OR principal IS NOT NULL OR request_id IS NOT NULL OR traceparent IS NOT NULL)";
export const blanked = "body = NULL, principal = NULL, request_id = NULL, traceparent = NULL";

function within({ resource, parent, id }: EraseScope, bind: Bind, named: boolean): string {
  const conditions = [
    ...(named ? [`resource = ${bind(resource)}`] : []),
    ...(parent === undefined ? [] : [`parent = ${bind(bindable(parent))}`]),
    ...(id === undefined ? [] : [`id = ${bind(bindable(id))}`]),
  ];
  return conditions.join(" AND ") || "true";
}
