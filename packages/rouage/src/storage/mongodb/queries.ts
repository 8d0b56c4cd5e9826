/** Lists, counts and scans: filtering, ordering and paging all happen in the server. */
import type { Collection, Filter as MongoFilter } from "mongodb";
import type { Filter, Sort, SortValue } from "../filter.ts";
import { bindable } from "../sort-key.ts";
import type { ListQuery, ScanQuery, StoredEntry } from "../storage.ts";
import { entryFields, entryOf, type ObjectDocument } from "./documents.ts";
import { all, always, any, beyond, type Condition, conditionOf, equalTo, placeOf } from "./filters.ts";

export type Objects = Collection<ObjectDocument>;

/** What a transaction has changed of what is stored. */
export interface Unlike {
  /** Documents that are not as they are stored. */
  readonly ids: readonly string[];
  /** Principals that are struck out of all the others. */
  readonly forgotten: ReadonlySet<string>;
}

/** An entry with the number of the journal's entry that wrote it. */
export interface Found {
  readonly entries: readonly StoredEntry[];
  readonly newest: number;
}

export async function listEntries(
  objects: Objects,
  parent: string,
  query: ListQuery,
  maxTimeMs: number,
  unlike?: Unlike,
): Promise<Found> {
  const { sort, limit, size = Number.POSITIVE_INFINITY, after } = query;
  if (limit <= 0) return { entries: [], newest: 0 };
  const conditions = [inList(parent, query, unlike)];
  if (after !== undefined) conditions.push(behind(sort, after));
  const cursor = objects.find(conditionFor(conditions), {
    projection: entryFields,
    limit: Math.min(limit, 2_147_483_647),
    ...(sort.length === 0 ? {} : { sort: orderOf(sort) }),
    ...(maxTimeMs === 0 ? {} : { maxTimeMS: maxTimeMs }),
  });
  const entries: StoredEntry[] = [];
  let newest = 0;
  let total = 0;
  try {
    for await (const document of cursor) {
      const entry = entryOf(document);
      if (entry === undefined) continue;
      newest = Math.max(newest, document.s);
      entries.push(entry);
      total += entry.kind === "object" ? entry.body.length : 0;
      if (total > size) break;
    }
  } finally {
    await cursor.close();
  }
  return { entries, newest };
}

export function countObjects(
  objects: Objects,
  parent: string,
  filter: Filter | undefined,
  maxTimeMs: number,
  unlike?: Unlike,
): Promise<number> {
  const condition = inList(parent, filter === undefined ? {} : { filter }, unlike);
  return objects.countDocuments(conditionFor([condition]), maxTimeMs === 0 ? {} : { maxTimeMS: maxTimeMs });
}

export type Place = readonly [parent: string, id: string];

/** Entries of one scanned page. */
const scanPage = 500;
/** Characters of bodies that one should hold. */
const scanSize = 1_000_000;

export interface ScannedPage {
  readonly entries: readonly (StoredEntry & { readonly parent: string })[];
  readonly isLast: boolean;
}

/** The next entries in key order, at most about a megabyte of them and `scanPage`. */
export async function scanEntries(
  objects: Objects,
  { filter, tombstones = false }: ScanQuery,
  after: Place | undefined,
  unlike?: Unlike,
): Promise<ScannedPage> {
  const conditions: Condition[] = [{ l: tombstones ? { $in: [true, false] } : true }, ...notAmong(unlike)];
  if (after !== undefined) {
    const [parent, id] = after;
    conditions.push({ p: { $gte: parent } }, { $or: [{ p: { $gt: parent } }, { i: { $gt: id } }] });
  }
  if (filter !== undefined) conditions.push(conditionOf(filter, unlike?.forgotten));
  const cursor = objects.find(conditionFor(conditions), {
    projection: entryFields,
    sort: { p: 1, i: 1 },
    limit: scanPage,
  });
  const entries: (StoredEntry & { readonly parent: string })[] = [];
  let total = 0;
  let cut = false;
  try {
    for await (const document of cursor) {
      const entry = entryOf(document);
      if (entry === undefined) continue;
      entries.push({ ...entry, parent: document.p ?? "" });
      total += entry.kind === "object" ? entry.body.length : 0;
      cut = total > scanSize;
      if (cut) break;
    }
  } finally {
    await cursor.close();
  }
  return { entries, isLast: !cut && entries.length < scanPage };
}

export function conditionFor(conditions: readonly Condition[]): MongoFilter<ObjectDocument> {
  return all(conditions) as MongoFilter<ObjectDocument>;
}

function inList(
  parent: string,
  { filter, tombstones = false }: { readonly filter?: Filter; readonly tombstones?: boolean },
  unlike: Unlike | undefined,
): Condition {
  return all([
    { p: bindable(parent) },
    tombstones ? always : { l: true },
    ...notAmong(unlike),
    filter === undefined ? always : conditionOf(filter, unlike?.forgotten),
  ]);
}

function notAmong(unlike: Unlike | undefined): readonly Condition[] {
  return unlike === undefined || unlike.ids.length === 0 ? [] : [{ _id: { $nin: unlike.ids } }];
}

function orderOf(sort: readonly Sort[]): Map<string, 1 | -1> {
  const order = new Map<string, 1 | -1>();
  for (const { field, direction } of sort) {
    const { name, isTurned } = placeOf(field);
    if (!order.has(name)) order.set(name, (direction === "ascending") === isTurned ? -1 : 1);
  }
  return order;
}

/** Condition for the entries behind the one with these values. */
function behind(sort: readonly Sort[], after: readonly SortValue[]): Condition {
  let condition: Condition | undefined;
  for (const [index, { field, direction }] of [...sort.entries()].reverse()) {
    const further = beyond(field, direction === "descending", after[index], false);
    condition = condition === undefined ? further : any([further, all([equalTo(field, after[index]), condition])]);
  }
  const [first] = sort;
  if (first === undefined || condition === undefined) return conditionOf({ kind: "or", filters: [] });
  if (sort.length === 1) return condition;
  // Says again, as one range that an index can be searched for, what the alternatives above imply.
  return all([beyond(first.field, first.direction === "descending", after[0], true), condition]);
}
