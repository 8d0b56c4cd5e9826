/** The order of a list, completed: with the tie-break that keeps pages from overlapping or leaving gaps. */
import type { Sort } from "../storage/filter.ts";

/** Ends with a field that no two entries of a list share: `tieBreak`, where a list says which. */
export function completeSort(sort: readonly Sort[], tieBreak?: Sort): readonly Sort[] {
  const isTotal = sort.some(({ field }) =>
    tieBreak === undefined ? field === "last_modified" || field === "id" : field === tieBreak.field,
  );
  return isTotal ? sort : [...sort, tieBreak ?? { field: "last_modified", direction: "descending" }];
}
