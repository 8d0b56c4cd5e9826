/** What every cache checks in the same way. */

/** @throws RangeError unless it is a time of more than nothing */
export function checkTtl(ttlSeconds: number): number {
  if (Number.isFinite(ttlSeconds) && ttlSeconds > 0) return ttlSeconds;
  throw new RangeError(`a value is kept for more than 0 seconds, not ${ttlSeconds}`);
}

/** The sum, for `increment`. @throws TypeError where the value or what is added is no whole number */
export function incremented(key: string, value: string | undefined, by: number): number {
  const sum = Number(value ?? "0") + by;
  if (Number.isSafeInteger(sum) && (value === undefined || /^-?\d+$/.test(value))) return sum;
  throw notANumber(key);
}

export function notANumber(key: string): TypeError {
  return new TypeError(`${JSON.stringify(key)} is no whole number that could be added to`);
}
