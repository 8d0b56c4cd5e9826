/** `rouage openapi`: the API description of a service, without listening. */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { silentLogger } from "../telemetry/log.ts";
import type { Command } from "./command.ts";
import { loadService, settingSources } from "./load.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  out: { type: "string" },
} as const;

export const openapi: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`one file is expected, not ${positionals.length}`);
  const definition = await loadService(positionals[0]);
  // Nothing is stored for a description; tasks are not started.
  const declaration = { ...definition.declaration, tasks: [] };
  const { startService } = await import("../composition/start.ts");
  await using service = await startService(declaration, {
    ...settingSources(definition, { ...values, set: [...(values.set ?? []), "storage=memory:"] }, environment),
    log: silentLogger,
  });
  const text = `${JSON.stringify(service.openapi(), null, 2)}\n`;
  if (values.out === undefined) process.stdout.write(text);
  else await writeFile(values.out, text);
};
