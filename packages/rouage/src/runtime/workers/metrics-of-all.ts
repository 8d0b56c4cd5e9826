/** What all workers measured as one exposition, with the number of the worker on each series. */
import { labelExposition } from "../../telemetry/label-exposition.ts";
import { mergeExpositions } from "../../telemetry/registry.ts";

export interface AskedWorker {
  readonly number: number;
  /** Rejects where it is gone. */
  expose(): Promise<unknown>;
}

/** A worker that does not answer in time is left out: the others are not to be missed because of it. */
const longestMs = 1000;

/** @param own what the supervisor measured */
export async function metricsOfAll(workers: readonly AskedWorker[], own: string): Promise<string> {
  const texts = await Promise.all(
    workers.map(async ({ number, expose }) => {
      const late = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => late.resolve(undefined), longestMs);
      const text = await Promise.race([expose(), late.promise]).catch(() => undefined);
      clearTimeout(timer);
      return typeof text === "string" ? labelExposition(text, "worker", String(number)) : "";
    }),
  );
  return mergeExpositions([...texts, own]);
}
