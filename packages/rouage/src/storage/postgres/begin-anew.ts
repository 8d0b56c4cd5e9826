/** What a store needs that was put back to an earlier time: revisions and positions beyond all that clients may have seen, and the end of their trust in what they have. */
import { aheadMs, positionsSkipped } from "../backup/put-back.ts";
import type { PutBackTimes } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { newest } from "./point-reads.ts";

/** To be called inside of a transaction. @returns how many lists were raised */
export async function beginEpoch({ run }: Pick<Connection, "run">, { now, since }: PutBackTimes): Promise<number> {
  // A list that was ahead of the time then may have gone on as far ahead.
  const elapsed = Math.max(0, now - since);
  const raised = "greatest($1::bigint, revision + $2::bigint) + $3::bigint";
  const { count } = await run({
    text: `UPDATE lists SET revision = ${raised}, purged = ${raised} WHERE revision > 0`,
    values: [now, elapsed, aheadMs],
  });
  await run({
    // Who starts afresh at this moment has seen now, and stays.
    text: "INSERT INTO rouage_meta VALUES ('created', $1), ('restored', $1::bigint + 1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    values: [now],
  });
  await run({
    text: "INSERT INTO log (position, time, resource, parent, id, action, revision, type, body) VALUES ($1, $2, '', '', '', 'event', 0, 'store.restored', $3)",
    values: [
      (await newest({ run })) + positionsSkipped,
      now,
      JSON.stringify({ backup: new Date(since).toISOString() }),
    ],
  });
  return count;
}
