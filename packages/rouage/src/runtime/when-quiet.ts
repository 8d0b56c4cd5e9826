/**
 * The moment at which a port is closed. The kernel completes connections by itself and resets those that nobody has accepted when the port closes; no system
 * call closes it for new ones only. What is left is to close it when none waits: right after a turn of the event loop that looked for some and found none.
 */

/** After this long the port is closed in any case: somebody who connects all the time is no reason not to end. */
const longestMs = 1000;

/**
 * Resolves right after a turn of the event loop that accepted nothing and was short, so that next to no time has passed since the kernel was asked. What counts
 * as short grows with the time waited: a process that has a lot to do has no better turns.
 * @param accepted how many connections there were so far
 */
export function whenQuiet(accepted: () => number): Promise<void> {
  const since = performance.now();
  return new Promise((resolve) => {
    let before = -1;
    let began = since;
    const look = (): void => {
      const now = performance.now();
      const waited = now - since;
      const isQuiet = accepted() === before && now - began <= Math.max(shortMs, waited / 20);
      before = accepted();
      began = now;
      if (isQuiet || waited >= longestMs) resolve();
      else setImmediate(look);
    };
    setImmediate(look);
  });
}

const shortMs = 0.2;
