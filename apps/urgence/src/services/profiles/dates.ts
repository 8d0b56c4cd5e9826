/** Partial ISO dates (`2011`, `2011-05`, `2011-05-17`) and ages. Pure; time is always passed in. */

/** Whether a partial date names a day, month or year that exists. */
export function isPartialDate(value: string): boolean {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(value);
  if (match === null) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2] ?? "1"), Number(match[3] ?? "1")];
  if (month < 1 || month > 12 || day < 1) return false;
  return day <= daysInMonth(year, month);
}

/** The partial date at the head of an ISO date or date-time, as precise as it was given; undefined when there is none. */
export function partialDateOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const head = /^\d{4}(-\d{2}(-\d{2})?)?(?=$|T)/.exec(value)?.[0];
  return head !== undefined && isPartialDate(head) ? head : undefined;
}

/** The last moment that a partial date may mean, in milliseconds since the epoch (UTC). */
export function endOf(date: string): number {
  const [year = 0, month, day] = date.split("-").map(Number);
  if (month === undefined) return utc(year + 1, 1, 1) - 1;
  if (day === undefined) return month === 12 ? utc(year + 1, 1, 1) - 1 : utc(year, month + 1, 1) - 1;
  return utc(year, month, day) + 86_399_999;
}

/** The first moment that a partial date may mean. */
export function startOf(date: string): number {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  return utc(year, month, day);
}

/** Whole months from an instant to `now`; 0 when the instant is in the future or is none. */
export function monthsSince(instant: string, now: number): number {
  const start = new Date(instant);
  if (Number.isNaN(start.getTime()) || start.getTime() >= now) return 0;
  const end = new Date(now);
  const months = (end.getUTCFullYear() - start.getUTCFullYear()) * 12 + end.getUTCMonth() - start.getUTCMonth();
  const before =
    end.getUTCDate() < start.getUTCDate() ||
    (end.getUTCDate() === start.getUTCDate() && timeOfDay(end) < timeOfDay(start));
  return before ? months - 1 : months;
}

/** Age in years; `exact` is false when the birth date is partial (then the lower of the two possible ages). */
export function ageOn(birthDate: string | undefined, now: number): { years: number; exact: boolean } | undefined {
  if (birthDate === undefined || !isPartialDate(birthDate)) return undefined;
  const today = new Date(now);
  const born = new Date(endOf(birthDate));
  if (startOf(birthDate) > now) return undefined;
  let years = today.getUTCFullYear() - born.getUTCFullYear();
  const birthdayAhead =
    today.getUTCMonth() < born.getUTCMonth() ||
    (today.getUTCMonth() === born.getUTCMonth() && today.getUTCDate() < born.getUTCDate());
  if (birthdayAhead) years -= 1;
  return { years: Math.max(0, years), exact: birthDate.length === 10 };
}

function daysInMonth(year: number, month: number): number {
  return new Date(utc(year, month + 1, 1) - 1).getUTCDate();
}

/** `Date.UTC` reads years below 100 as 19xx; this does not. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(month > 12 ? year + 1 : year, (month - 1) % 12, day);
  return date.getTime();
}

const timeOfDay = (date: Date) => date.getTime() % 86_400_000;
