/** How far back a list can be followed: who asks for changes since a time whose deletions are forgotten is told to start afresh. */
import { ServiceError } from "../errors.ts";
import type { Filter } from "../storage/filter.ts";
import type { ListKey, Storage } from "../storage/storage.ts";

/** @throws ServiceError `history-purged` when deletions behind `since` are forgotten; who has seen nothing (0) misses none */
export async function assertKept(storage: Storage, list: ListKey, since: number): Promise<void> {
  if (since <= 0) return;
  const before = await storage.purgedBefore(list);
  if (since + 1 < before) throw new ServiceError("history-purged", { details: { purged_before: before } });
}

/** The revision that the filter asks for changes since; undefined where it asks for none. */
export function sinceOf(filter: Filter | undefined): number | undefined {
  if (filter?.kind === "and") {
    const bounds = filter.filters.flatMap((each) => sinceOf(each) ?? []);
    return bounds.length === 0 ? undefined : Math.max(...bounds);
  }
  if (filter?.kind !== "compare" || filter.field !== "last_modified" || typeof filter.value !== "number")
    return undefined;
  if (filter.operator === "gt") return filter.value;
  return filter.operator === "ge" ? filter.value - 1 : undefined;
}
