/** Work that is done again and again in small steps, off the path of requests. */
import type { BackgroundTask } from "../service-declaration.ts";

export interface PeriodicWork {
  readonly name: string;
  /** Time between two rounds; each is up to a tenth earlier or later, so that instances do not work at the same moment. */
  readonly seconds: number;
  /** Does some of what is to do; true when there may be more. */
  step(): Promise<boolean>;
}

/** A service that is often started anew must come to it too. */
const firstSeconds = 10;

/** Time between two steps of one round: requests go first. */
const pauseMs = 20;

/** A step that fails is logged, and tried again in the next round. */
export function periodicTask({ name, seconds, step }: PeriodicWork): BackgroundTask {
  return {
    name,
    once: true,
    start({ log }) {
      const stop = new AbortController();
      const running = run(stop.signal);
      return async () => {
        stop.abort();
        await running;
      };

      async function run(signal: AbortSignal): Promise<void> {
        let pause = Math.min(seconds, firstSeconds);
        while (await waited(pause * 1000 * (0.9 + 0.2 * Math.random()), signal)) {
          pause = seconds;
          try {
            while ((await step()) && (await waited(pauseMs, signal)));
          } catch (error) {
            if (!signal.aborted) log.error({ err: error, task: name }, "background work failed");
          }
        }
      }
    },
  };
}

/** False when the task is to end. Keeps no process alive. */
function waited(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const end = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", end);
      resolve(true);
    }, milliseconds);
    timer.unref();
    signal.addEventListener("abort", end, { once: true });
  });
}
