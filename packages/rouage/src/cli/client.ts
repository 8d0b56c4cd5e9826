/** `rouage client`: writes a typed TypeScript client of a service. */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { clientSource } from "../faces/typescript/client-source.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { Command } from "./command.ts";
import { loadService, settingSources } from "./load.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  out: { type: "string" },
} as const;

export const client: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`one file is expected, not ${positionals.length}`);
  const definition = await loadService(positionals[0]);
  const { startService } = await import("../composition/start.ts");
  const { parcelsOf } = await import("../composition/parcels.ts");
  const { declaration } = definition;
  // Routes may depend on the service's parts; nothing is stored and nothing runs.
  await using service = await startService(
    { ...declaration, tasks: [] },
    {
      ...settingSources(definition, { ...values, set: [...(values.set ?? []), "storage=memory:"] }, environment),
      log: silentLogger,
      tasks: false,
    },
  );
  const { resources, routes } = parcelsOf(declaration);
  const text = clientSource({
    name: declaration.name,
    version: declaration.version,
    prefix: `/v${Number.parseInt(service.context.settings.http_api_version, 10)}`,
    resources,
    routes: routes(service.context),
  });
  if (values.out === undefined) process.stdout.write(text);
  else await writeFile(values.out, text);
};
