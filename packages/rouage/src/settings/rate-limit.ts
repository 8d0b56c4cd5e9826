/** Rate limits as they are written: `100/60`, so many requests in so many seconds. */

export interface RateLimit {
  /** Requests. */
  readonly quota: number;
  readonly windowSeconds: number;
}

/** As a regular expression, for the schema of settings. */
export const rateLimitPattern = "^[1-9]\\d{0,8}/[1-9]\\d{0,6}$";

/** @throws Error naming what was expected */
export function parseRateLimit(text: string): RateLimit {
  if (!new RegExp(rateLimitPattern).test(text))
    throw new Error(`not a rate limit: ${JSON.stringify(text)}; expected "REQUESTS/SECONDS" such as "100/60"`);
  const [quota, windowSeconds] = text.split("/").map(Number);
  return { quota: quota ?? 0, windowSeconds: windowSeconds ?? 0 };
}
