/** The order of a list, completed: with the tie-break that keeps pages from overlapping or leaving gaps. */
import type { Sort } from "../storage/filter.ts";

/** Ends with a field that no two entries of a list share. */
export function completeSort(sort: readonly Sort[]): readonly Sort[] {
  const isTotal = sort.some(({ field }) => field === "last_modified" || field === "id");
  return isTotal ? sort : [...sort, { field: "last_modified", direction: "descending" }];
}
