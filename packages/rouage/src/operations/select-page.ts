/** One page out of objects that no storage keeps: filter, order and continuation as a storage would, holding no more than a page or two. */
import { setImmediate } from "node:timers/promises";
import type { JsonObject } from "../json.ts";
import { compareEntries, type EvaluatedEntry, fieldValue, isBehind, matches } from "../storage/evaluate.ts";
import type { Filter, Sort, SortValue } from "../storage/filter.ts";

export interface PageQuery {
  readonly filter?: Filter | undefined;
  /** Ends with a field that no two objects share. */
  readonly sort: readonly Sort[];
  readonly after?: readonly SortValue[] | undefined;
  readonly limit: number;
  /** Ends the reading when nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface SelectedPage {
  readonly objects: readonly JsonObject[];
  /** Values of the sort fields where the page ends; absent on the last page. */
  readonly next?: readonly SortValue[];
  /** All that match. */
  readonly total: number;
}

export async function selectPage(
  objects: Iterable<JsonObject> | AsyncIterable<JsonObject>,
  { filter, sort, after, limit, signal }: PageQuery,
): Promise<SelectedPage> {
  let best: EvaluatedEntry[] = [];
  let total = 0;
  let read = 0;
  const trim = (): void => {
    best.sort((a, b) => compareEntries(a, b, sort));
    best = best.slice(0, limit + 1);
  };
  for await (const value of objects) {
    // Others get their turn.
    if (++read % portion === 0) {
      await setImmediate();
      signal?.throwIfAborted();
    }
    const entry = { id: textOf(value.id), revision: numberOf(value.last_modified), value };
    if (filter !== undefined && !matches(filter, entry)) continue;
    total++;
    if (after !== undefined && !isBehind(entry, sort, after)) continue;
    best.push(entry);
    if (best.length > 2 * limit + 100) trim();
  }
  trim();
  const page = best.slice(0, limit);
  const last = page.at(-1);
  return {
    objects: page.map(({ value }) => value as JsonObject),
    ...(best.length > limit && last !== undefined && { next: sort.map(({ field }) => fieldValue(last, field)) }),
    total,
  };
}

const portion = 1000;

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
