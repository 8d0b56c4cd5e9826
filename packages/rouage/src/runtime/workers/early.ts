/**
 * A program whose arguments or environment say how many workers there are is known to want a supervisor before anything is loaded that only workers need: the
 * first of them then starts as soon as one process alone would. Where the number is elsewhere, `supervise` is called once it is known.
 */
import { supervise } from "./supervise.ts";

export interface EarlyOptions {
  /** What behind the program's name may hold `--workers N`. */
  readonly args: readonly string[];
  /** The value of the environment that counts where no argument says it. */
  readonly variable?: string | undefined;
}

/** True where this process looks after workers from now on. What is wrong with the arguments is for the program to say. */
export function supervisesEarly({ args, variable }: EarlyOptions): boolean {
  if (args.includes("--help") || args.includes("-h")) return false;
  const flags = args.flatMap((arg, index) => {
    if (arg === "--workers") return [args[index + 1] ?? ""];
    return arg.startsWith("--workers=") ? [arg.slice("--workers=".length)] : [];
  });
  const workers = flags.length === 0 ? variable : flags[0];
  if (flags.length > 1 || workers === undefined || !/^\d{1,3}$/.test(workers) || Number(workers) > 256) return false;
  return supervise({ workers: Number(workers) });
}
