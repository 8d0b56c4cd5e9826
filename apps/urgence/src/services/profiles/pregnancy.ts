/** A recorded pregnancy ends by itself, so that no rescuer treats somebody as pregnant for years. */
import { endOf } from "./dates.ts";
import type { Item } from "./schema.ts";

const day = 86_400_000;

/** Births later than four weeks after the expected date do not happen; post-term care ends at two. */
const afterDueDate = 28 * day;
/** Without an expected date: 42 weeks after it was last confirmed. */
const longest = 294 * day;

/** The moment after which the pregnancy is over whatever happened, in milliseconds since the epoch. */
export function pregnancyEnd(item: Pick<Item<"pregnancy">, "due_date" | "confirmed_at">): number {
  if (item.due_date !== undefined) return endOf(item.due_date) + afterDueDate;
  const confirmed = Date.parse(item.confirmed_at);
  return Number.isNaN(confirmed) ? Number.NEGATIVE_INFINITY : confirmed + longest;
}
