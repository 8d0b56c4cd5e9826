/** When a phone number alone is not enough to be sure of the person: it is shared, or nobody has confirmed it for a year. Pure. */

/** What the accounts service knows of one person behind a number. */
export interface Candidate {
  readonly person: string;
  /** RFC 3339, or milliseconds since the epoch; absent: never confirmed. */
  readonly phone_confirmed_at?: string | number | undefined;
  /** The number belongs to others too. */
  readonly shared?: boolean | undefined;
}

export const phoneFreshMs = 365 * 24 * 3_600_000;

/** True when the year of birth must be given as well. */
export function needsSecondFact(candidates: readonly Candidate[], now: number): boolean {
  if (candidates.length !== 1) return candidates.length > 1;
  const [candidate] = candidates;
  if (candidate === undefined || candidate.shared === true) return true;
  const confirmed = Date.parse(String(candidate.phone_confirmed_at));
  const time = typeof candidate.phone_confirmed_at === "number" ? candidate.phone_confirmed_at : confirmed;
  return !(now - time <= phoneFreshMs);
}

/** The year of birth that an emergency view tells; undefined when it tells none. */
export function birthYearOf(view: Readonly<Record<string, unknown>>): number | undefined {
  const { identity } = view;
  if (typeof identity !== "object" || identity === null || !("birth_date" in identity)) return undefined;
  const match = /^(\d{4})/.exec(String(identity.birth_date));
  return match === null ? undefined : Number(match[1]);
}

/**
 * What a given year says: right or wrong. A year that cannot be checked is wrong where one is needed, and no objection where not.
 */
export function checkBirthYear(given: number | undefined, known: number | undefined, needed: boolean): boolean {
  if (given === undefined || known === undefined) return !needed;
  return given === known;
}
