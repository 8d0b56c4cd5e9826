/** A transaction as its own code sees it: what is stored, which nobody changes while it holds its turn, with its draft laid over it. */
import { type Draft, type DraftEntry, type DraftMark, draftOf, nameOf, nameOfList } from "../draft.ts";
import { draftedObject } from "../draft-steps.ts";
import { compareEntries, compareStrings, isBehind, matches } from "../evaluate.ts";
import type { Filter } from "../filter.ts";
import type { Permissions } from "../permissions.ts";
import type { ListKey, ListQuery, ObjectKey, ScanQuery, StoredEntry } from "../storage.ts";
import { withinSize } from "../within-size.ts";
import { permissionsOfDraft } from "./content.ts";
import { evaluated, idOf } from "./documents.ts";
import { type BlankScope, blank, isWithin, type LogRow, positionsOfStep, rowOf } from "./journal.ts";
import { type Loader, loaderOf } from "./load.ts";
import type { Unlike } from "./queries.ts";
import type { Store } from "./writer.ts";

export interface Inside {
  /** Number of the turn that it holds. */
  readonly n: number;
  readonly draft: Draft;
  readonly loader: Loader;
  /** Entries of the log that lose what they carry: all of the store's, and the first of its own. */
  readonly blanked: { readonly scope: BlankScope; readonly own: number }[];
  /** Where its open parts began. */
  readonly marks: { readonly draft: DraftMark; readonly blanked: number }[];
}

export function insideOf({ collections, resourceOf }: Store, n: number): Inside {
  const loader = loaderOf(collections, resourceOf, n * positionsOfStep);
  return { n, loader, draft: draftOf(loader.loaded, resourceOf), blanked: [], marks: [] };
}

/** Its own entries of the log. */
export function rowsOf({ draft, blanked }: Inside): readonly LogRow[] {
  return draft.log.map((entry, index) => {
    const row = rowOf(entry);
    const scopes = blanked.filter(({ own }) => index < own).map(({ scope }) => scope);
    return isWithin(row, scopes) ? blank(row) : row;
  });
}

export function draftedEntry(
  { draft }: Inside,
  key: ObjectKey,
): { readonly entry: StoredEntry | undefined } | undefined {
  const found = draft.entries.get(nameOf(key));
  return found && { entry: draftedObject(found) };
}

/** Drafted entries of a list, or of a whole resource. */
export function draftedIn({ draft }: Inside, resource: string, parent?: string): readonly DraftEntry[] {
  return [...draft.entries.values()].filter(
    ({ key }) => key.resource === resource && (parent === undefined || key.parent === parent),
  );
}

export function unlike({ draft }: Inside, drafted: readonly DraftEntry[]): Unlike {
  return { ids: drafted.map(({ key }) => idOf(key)), forgotten: draft.forgotten };
}

/** The page that the stored entries, of which none is drafted, and those of the draft make together. */
export function mergedPage(
  inside: Inside,
  { resource, parent }: ListKey,
  query: ListQuery,
  stored: readonly StoredEntry[],
): readonly StoredEntry[] {
  const { sort, after, limit, size, tombstones } = query;
  const mine = wanted(inside, draftedIn(inside, resource, parent), query.filter, tombstones === true)
    .map(({ entry, seen }) => ({ entry, seen }))
    .filter(({ seen }) => after === undefined || isBehind(seen, sort, after));
  const theirs = stored.map((entry) => ({ entry, seen: seenOf(entry) }));
  const page = [...theirs, ...mine]
    .sort((a, b) => compareEntries(a.seen, b.seen, sort))
    .slice(0, Math.max(limit, 0))
    .map(({ entry }) => entry);
  return size === undefined ? page : withinSize(page, size);
}

export function countDrafted(inside: Inside, drafted: readonly DraftEntry[], filter: Filter | undefined): number {
  return wanted(inside, drafted, filter, false).length;
}

/** Drafted entries that a scan answers, in key order. */
export function scannedDrafts(
  inside: Inside,
  resource: string,
  { filter, tombstones = false }: ScanQuery,
): readonly (StoredEntry & { readonly parent: string })[] {
  return wanted(inside, draftedIn(inside, resource), filter, tombstones)
    .map(({ entry, parent }) => ({ ...entry, parent }))
    .sort((a, b) => compareStrings(a.parent, b.parent) || compareStrings(a.id, b.id));
}

export function draftedPermissions({ draft, loader }: Inside, key: ObjectKey): Permissions | undefined {
  const found = draft.entries.get(nameOf(key));
  return found && permissionsOfDraft(found, draft, loader);
}

export function draftedList({ draft }: Inside, key: ListKey) {
  return draft.lists.get(nameOfList(key));
}

function wanted(
  { draft, loader }: Inside,
  drafted: readonly DraftEntry[],
  filter: Filter | undefined,
  tombstones: boolean,
): readonly { readonly entry: StoredEntry; readonly seen: ReturnType<typeof evaluated>; readonly parent: string }[] {
  return drafted.flatMap((each) => {
    const entry = draftedObject(each);
    if (entry === undefined || (entry.kind === "tombstone" && !tombstones)) return [];
    const permissions = permissionsOfDraft(each, draft, loader);
    const seen = evaluated(entry.id, entry.revision, each.live ? each.body : undefined, each.owner, permissions);
    return filter === undefined || matches(filter, seen) ? [{ entry, seen, parent: each.key.parent }] : [];
  });
}

function seenOf(entry: StoredEntry): ReturnType<typeof evaluated> {
  return evaluated(entry.id, entry.revision, entry.kind === "object" ? entry.body : undefined);
}
