/**
 * A child process that overwrites what SQLite leaves behind of deleted rows. secure_delete clears a row where it is deleted
 * and pages that are freed, but when pages are split or merged, rows move and their old bytes stay in the unused middle of the
 * page they left. Nothing reads those bytes; this process writes zeros over them.
 *
 * A process of its own, because closing a file drops every lock that the process holds on it (POSIX), SQLite's included.
 * Talks with its parent: sends "ready", does its work at each "scrub", answers with a count or an error.
 */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { walSize } from "./checkpoint.ts";
import { scrubPages } from "./scrub-pages.ts";

export type ScrubAnswer = "ready" | { readonly pages: number } | { readonly error: string };

const path = process.argv[2] ?? "";

/** How long it looks for a first chance while others write, and how long for the moment itself while they wait. */
const patienceMs = { before: 2_000, during: 2_000 };

const connection = new DatabaseSync(path, { timeout: 50 });
connection.exec("PRAGMA secure_delete = ON");
connection.exec("PRAGMA wal_autocheckpoint = 0");

process.on("disconnect", () => process.exit());
process.on("message", async () => {
  let answer: ScrubAnswer;
  try {
    answer = { pages: await scrub() };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.send?.(answer, undefined, undefined, () => process.disconnect?.());
});
// Most of the work is done before anybody has to wait; a reader of an old state may be gone by then, too.
await soon(patienceMs.before, () => moveLog() || undefined);
process.send?.("ready");

async function scrub(): Promise<number> {
  const file = openSync(path, "r+");
  try {
    const pages = await soon(patienceMs.during, () => {
      if (!moveLog() || !lock()) return undefined;
      if (walSize(path) > 0) {
        // Somebody wrote between the two steps.
        connection.exec("ROLLBACK");
        return undefined;
      }
      // From here on no connection can write, and all there is stands in the file.
      const changed = scrubPages(file);
      fsyncSync(file);
      // A commit makes every other connection forget its copies of the pages.
      connection.exec("INSERT INTO meta VALUES ('scrubs', 1) ON CONFLICT DO UPDATE SET value = value + 1");
      connection.exec("COMMIT");
      return changed;
    });
    if (pages === undefined) throw new Error("another connection kept the write-ahead log in use");
    return pages;
  } finally {
    connection.close();
    closeSync(file);
  }
}

/** The first result of `attempt`, undefined when there was none in time. */
async function soon<T>(ms: number, attempt: () => T | undefined): Promise<T | undefined> {
  const deadline = performance.now() + ms;
  for (;;) {
    const result = attempt();
    if (result !== undefined || performance.now() > deadline) return result;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Moves everything from the write-ahead log to the database and empties it; false when somebody is in the way. */
function moveLog(): boolean {
  return connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
}

function lock(): boolean {
  try {
    connection.exec("BEGIN IMMEDIATE");
    return true;
  } catch {
    return false;
  }
}
