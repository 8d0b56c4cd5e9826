/** `rouage start` and `rouage dev`. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { run } from "../runtime/run.ts";
import { supervise } from "../runtime/workers/supervise.ts";
import { readServiceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { developmentAuthentication } from "./development-authentication.ts";
import { loadService, settingSources } from "./load.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  host: { type: "string" },
  port: { type: "string" },
  workers: { type: "string" },
} as const;

export const start: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const definition = await loadService(onlyFile(positionals));
  const isDevelopment = environment[developmentMark] === "1";
  const declaresNone = definition.declaration.authentication === undefined;
  const sources = settingSources(definition, values, environment);
  if (!isDevelopment && supervise(readServiceSettings(definition.declaration.name, sources))) return;
  const service = await definition.start({
    ...sources,
    ...(isDevelopment ? { fallbackAuthentication: [developmentAuthentication] } : {}),
  });
  if (isDevelopment && declaresNone)
    service.context.log.warn({}, "development: any user name signs in by HTTP Basic, with any password");
  await run(service);
};

/** Tells the process that `dev` watches what it is. */
const developmentMark = "ROUAGE_DEVELOPMENT";

/** The same in a process of its own that Node.js starts again when one of its files changes. */
export const dev: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  onlyFile(positionals);
  if (values.workers !== undefined) throw new UsageError("dev runs one process; --workers is for start");
  const main = fileURLToPath(import.meta.resolve(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js"));
  const child = spawn(process.execPath, ["--watch", "--watch-preserve-output", main, "start", ...args], {
    stdio: "inherit",
    env: { ...environment, [developmentMark]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      resolve();
    });
  });
  process.exit();
};

function onlyFile(positionals: readonly string[]): string | undefined {
  if (positionals.length > 1) throw new UsageError(`one file is expected, not ${positionals.length}`);
  return positionals[0];
}
