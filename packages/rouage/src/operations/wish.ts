/** Revisions that clients wish for, in `last_modified` of a body or of a deletion's query. */

/** How far ahead of the clock a wished revision may be: a list must not be pushed into a distant future by one writer. */
const farthest = 86_400_000;

/** The wish where it can be granted; undefined otherwise, as a wish binds nobody. */
export function usableWish(wished: unknown, now: number): number | undefined {
  return typeof wished === "number" && Number.isSafeInteger(wished) && wished > 0 && wished < now + farthest
    ? wished
    : undefined;
}
