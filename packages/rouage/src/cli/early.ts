/**
 * `rouage start --workers N` is known to want a supervisor before anything is loaded that only workers need: the first of them starts as soon as one process
 * alone would. Where the number comes from a file or the environment, the service has to be loaded first (`start.ts`).
 */
import { supervise } from "../runtime/workers/supervise.ts";

/** True where this process looks after workers from now on. What is wrong with the arguments is for the command to say. */
export function supervisesEarly(args: readonly string[]): boolean {
  if (args[0] !== "start" || args.includes("--help") || args.includes("-h")) return false;
  const flags = args.flatMap((arg, index) => {
    if (arg === "--workers") return [args[index + 1]];
    return arg.startsWith("--workers=") ? [arg.slice("--workers=".length)] : [];
  });
  const [workers] = flags;
  if (flags.length !== 1 || workers === undefined || !/^\d{1,3}$/.test(workers) || Number(workers) > 256) return false;
  return supervise({ workers: Number(workers) });
}
