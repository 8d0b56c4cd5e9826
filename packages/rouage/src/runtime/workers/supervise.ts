/** Decides whether a program serves itself or looks after several processes that do, and begins to. */
import { availableParallelism } from "node:os";
import { thisWorker } from "./member.ts";
import { superviseWorkers } from "./supervisor.ts";

export interface SuperviseOptions {
  /** Processes that are to serve; 0: one for each core. */
  readonly workers: number;
}

/**
 * True in a process that looks after workers: it has nothing to serve, and ends by itself. False where the program is to go on and serve: in each of the
 * workers, which run the same program with the same arguments, and where one process is enough.
 * @example if (!supervise({ workers: 2 })) await run(await kittens.start());
 */
export function supervise({ workers: wanted }: SuperviseOptions): boolean {
  const workers = wanted === 0 ? availableParallelism() : wanted;
  if (workers <= 1 || thisWorker() !== undefined) return false;
  superviseWorkers(workers);
  return true;
}
