/**
 * Hears of every entry of a log from now on, in this process: for what is remembered here and changes elsewhere. Keeps no position; what must not be
 * missed over restarts is a consumer's.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";
import type { LogEntry } from "../storage/storage.ts";

export interface FollowOptions {
  readonly name: string;
  /** Only entries of these resources. Default: all. */
  readonly resources?: readonly string[];
  /** Called for one entry at a time, in every instance, also for what this one wrote. What it throws is logged. */
  readonly heard: (entry: LogEntry, context: ServiceContext) => void | Promise<void>;
  /** Pause before a log that failed is read again. Default one second. */
  readonly retryMs?: number;
}

/** A task that reads the service's own log; one that fails is read again from where it ended, so that nothing is missed while the service runs. */
export function follow({ name, resources, heard, retryMs = 1000 }: FollowOptions): BackgroundTask {
  return {
    name,
    async start(context) {
      const { storage, log } = context;
      const stopping = new AbortController();
      const { signal } = stopping;
      const only = resources === undefined ? {} : { resources };
      let after = await storage.position();

      async function read(): Promise<void> {
        while (!signal.aborted) {
          try {
            for await (const entry of storage.log({ ...only, after, follow: true, signal })) {
              after = entry.position;
              await told(entry);
            }
          } catch (error) {
            if (!signal.aborted) log.warn({ err: error, task: name }, "the log cannot be followed, and is tried again");
          }
          await delay(retryMs, undefined, { signal }).catch(() => undefined);
        }
      }

      async function told(entry: LogEntry): Promise<void> {
        try {
          await heard(entry, context);
        } catch (error) {
          log.error(
            { err: error, task: name, position: entry.position },
            "an entry of the log was not taken notice of",
          );
        }
      }

      const reading = read();
      return async () => {
        stopping.abort();
        await reading;
      };
    },
  };
}
