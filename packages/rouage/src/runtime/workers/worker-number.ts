/** For what each worker of a program keeps for itself, or one of them does. */
import { thisWorker } from "./member.ts";

/** From 1; undefined in a process that works alone. */
export function workerNumber(): number | undefined {
  return thisWorker()?.number;
}
