/** Urgence's command line as a program. */
import { supervisesEarly } from "rouage/workers";

const args = process.argv.slice(2);
const starts = args[0] === undefined || args[0] === "start" || args[0].startsWith("--workers");
if (!starts || !supervisesEarly({ args, variable: process.env.URGENCE_WORKERS })) {
  const { main } = await import("./cli/main.ts");
  process.exitCode = await main(args);
}
