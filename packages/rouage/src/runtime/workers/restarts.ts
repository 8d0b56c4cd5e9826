/** When a worker that died is started again, and when it is given up. Knows no process. */

export interface Restarts {
  /** What to do after a death: wait so long and start again, or give up. @param livedMs how long it had served, 0 when it never did */
  died(livedMs: number): { readonly kind: "again"; readonly afterMs: number } | { readonly kind: "give-up" };
}

/** Who has served this long was well: its death is the first one again. */
export const wellAfterMs = 60_000;
/** Deaths in a row of one worker, each before it was well, after which something is wrong that starting again does not repair. */
export const mostDeaths = 5;

const longestPauseMs = 30_000;

/** Of one worker. The first time it is started again at once: others serve, but fewer. */
export function restarts(): Restarts {
  let deaths = 0;
  return {
    died(livedMs) {
      deaths = livedMs >= wellAfterMs ? 1 : deaths + 1;
      if (deaths > mostDeaths) return { kind: "give-up" };
      const afterMs = deaths === 1 ? 0 : Math.min(longestPauseMs, 250 * 2 ** (deaths - 1));
      return { kind: "again", afterMs };
    },
  };
}
