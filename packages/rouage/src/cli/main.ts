#!/usr/bin/env node
/** The command `rouage`. */
import { supervisesEarly } from "../runtime/workers/early.ts";

const args = process.argv.slice(2);
if (args[0] !== "start" || !supervisesEarly({ args })) {
  const { dispatch } = await import("./dispatch.ts");
  process.exitCode = await dispatch(args, process.env);
}
