/** The command line as a program. */
import { supervisesEarly } from "rouage/workers";

const args = process.argv.slice(2);
const others = ["create-user", "rebuild-quotas", "dump", "load", "import"];
if (others.includes(args[0] ?? "") || !supervisesEarly({ args, variable: process.env.KINTO_WORKERS })) {
  const { main } = await import("./cli.ts");
  process.exitCode = await main(args, process.env);
}
