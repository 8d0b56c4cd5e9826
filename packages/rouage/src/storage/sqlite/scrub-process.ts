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

/** Attempts to find a moment in which nobody else reads an old state or writes. */
const attempts = 2_000;

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
process.send?.("ready");

async function scrub(): Promise<number> {
  const connection = new DatabaseSync(path, { timeout: 50 });
  connection.exec("PRAGMA secure_delete = ON");
  connection.exec("PRAGMA wal_autocheckpoint = 0");
  const file = openSync(path, "r+");
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (!moveLog(connection) || !lock(connection)) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      if (walSize(path) > 0) {
        // Somebody wrote between the two steps.
        connection.exec("ROLLBACK");
        continue;
      }
      // From here on no connection can write, and all there is stands in the file.
      const pages = scrubPages(file);
      fsyncSync(file);
      // A commit makes every other connection forget its copies of the pages.
      connection.exec("INSERT INTO meta VALUES ('scrubs', 1) ON CONFLICT DO UPDATE SET value = value + 1");
      connection.exec("COMMIT");
      return pages;
    }
    throw new Error("other connections kept the write-ahead log in use");
  } finally {
    connection.close();
    closeSync(file);
  }
}

/** Moves everything from the write-ahead log to the database and empties it; false when somebody is in the way. */
function moveLog(connection: DatabaseSync): boolean {
  return connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
}

function lock(connection: DatabaseSync): boolean {
  try {
    connection.exec("BEGIN IMMEDIATE");
    return true;
  } catch {
    return false;
  }
}
