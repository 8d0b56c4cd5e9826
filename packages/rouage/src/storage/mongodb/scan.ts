/** All entries of a resource in key order, page by page; inside of a transaction with its draft. */
import { compareStrings } from "../evaluate.ts";
import type { ScanQuery, StoredEntry } from "../storage.ts";
import { draftedIn, type Inside, scannedDrafts, unlike } from "./inside.ts";
import { type Objects, type Place, scanEntries } from "./queries.ts";

type Scanned = StoredEntry & { readonly parent: string };

export async function* scanned(
  objects: Objects,
  paged: <T>(work: () => Promise<T>) => Promise<T>,
  resource: string,
  query: ScanQuery,
  inside: Inside | undefined,
): AsyncIterable<Scanned> {
  const changed = inside && unlike(inside, draftedIn(inside, resource));
  const mine = inside === undefined ? [] : [...scannedDrafts(inside, resource, query)];
  for (let after: Place | undefined; ; ) {
    const behind = after;
    const { entries, isLast } = await paged(() => scanEntries(objects, query, behind, changed));
    for (const entry of entries) {
      for (let own = mine[0]; own !== undefined && compare(own, entry) < 0; own = mine[0]) {
        yield own;
        mine.shift();
      }
      yield entry;
      after = [entry.parent, entry.id];
    }
    if (isLast) break;
  }
  yield* mine;
}

function compare(a: Scanned, b: Scanned): number {
  return compareStrings(a.parent, b.parent) || compareStrings(a.id, b.id);
}
