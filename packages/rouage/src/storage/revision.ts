/** Which revision a change gets: one rule for every adapter. */

/** Wishes above this (the last moment a JavaScript date can tell) are ignored, so that a list can always count on. */
const latest = 8_640_000_000_000_000;

export interface RevisionQuestion {
  /** Revision of the list; 0 when it was never touched. */
  readonly list: number;
  /** Revision of the live object that is replaced or deleted; undefined when creating. */
  readonly object: number | undefined;
  /** What the client wishes. */
  readonly wish: number | undefined;
  readonly now: number;
  /** Whether another entry of the list has this revision. */
  taken(revision: number): boolean;
}

/** The object's new revision and the list's. */
export function nextRevision(question: RevisionQuestion): { readonly object: number; readonly list: number } {
  const { list, object, wish, now } = question;
  const next = Math.max(now, list + 1);
  if (wish === undefined || !Number.isInteger(wish) || wish < 1 || wish > latest) return { object: next, list: next };
  if (object !== undefined && wish <= object) return { object: next, list: next };
  if (wish > list) return { object: wish, list: wish };
  if (wish === list || question.taken(wish)) return { object: next, list: next };
  return { object: wish, list };
}
