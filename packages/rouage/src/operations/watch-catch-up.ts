/**
 * What changed in a list since a revision, from the list itself, page by page in the order of revisions. After each page the log is
 * read up to that moment, which tells what the page missed.
 */
import type { SortValue } from "../storage/filter.ts";
import type { LogEntry, Storage, StoredEntry } from "../storage/storage.ts";
import { affordable } from "./affordable.ts";
import type { WatchedChange } from "./operations.ts";
import { tell, type Watching } from "./watching.ts";

/** Few enough to be held by many callers at once. */
const pageSize = 200;
const largestPage = 1024 * 1024;
const sort = [{ field: "last_modified", direction: "ascending" }] as const;

export async function* catchUp(
  storage: Storage,
  watching: Watching,
  renew: () => Promise<void>,
): AsyncGenerator<WatchedChange> {
  const { list, signal } = watching;
  let after: readonly SortValue[] = [watching.revision];
  let isLast = false;
  while (!isLast && !signal.aborted) {
    await renew();
    const page = await affordable(() =>
      storage.list(list, {
        ...(watching.view.stored === undefined ? {} : { filter: watching.view.stored }),
        sort,
        limit: pageSize,
        size: largestPage,
        after,
        tombstones: true,
      }),
    );
    const last = page.at(-1);
    isLast = last === undefined;
    const until = await storage.position();
    for (const entry of page) {
      const json = await watching.view.ofStored(entry);
      if (json === undefined) continue;
      watching.revision = Math.max(watching.revision, entry.revision);
      const kind = entry.kind === "tombstone" ? "delete" : "update";
      yield { kind, id: entry.id, revision: watching.revision, json };
    }
    if (last !== undefined) {
      watching.revision = Math.max(watching.revision, last.revision);
      after = [last.revision];
    }
    const covered = await coveredBy(page, logged(storage, watching, until));
    for await (const entry of logged(storage, watching, until)) {
      const told = covered.get(entry.id);
      if (told !== undefined) {
        // What is behind it came after the page, even with a revision of the past.
        if (told === entry.revision) covered.delete(entry.id);
        continue;
      }
      // Beyond the page's end: a later page has it, or what became of it.
      if (!isLast && entry.revision > (last?.revision ?? 0)) continue;
      await renew();
      const change = await tell(watching, entry);
      if (change !== undefined) yield change;
    }
    watching.position = until;
  }
}

/** Objects of the page whose state there was logged among these entries, with its revision: the page tells all entries up to it. */
async function coveredBy(page: readonly StoredEntry[], entries: AsyncIterable<LogEntry>): Promise<Map<string, number>> {
  const revisions = new Map(page.map((entry) => [entry.id, entry.revision]));
  const covered = new Map<string, number>();
  for await (const { id, revision } of entries) if (revisions.get(id) === revision) covered.set(id, revision);
  return covered;
}

/** What the log has of the list behind the watcher's position, up to another one. */
async function* logged(storage: Storage, { list, position }: Watching, until: number): AsyncGenerator<LogEntry> {
  if (until <= position) return;
  for await (const entry of storage.log({ after: position, resources: [list.resource], parent: list.parent })) {
    if (entry.position > until) return;
    if (entry.action !== "event") yield entry;
  }
}
