/** What a service asks of a storage when it starts: told by starting it on one that keeps nothing, without its tasks. */
import { systemClock } from "../clock.ts";
import type { ServiceDefinition, StartOptions } from "../service-declaration.ts";
import { around } from "../storage/around.ts";
import { openStorage } from "../storage/open.ts";
import type { ListDefinition } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";

export async function declaredLists(
  definition: ServiceDefinition,
  sources: Pick<StartOptions, "environment" | "file">,
): Promise<readonly ListDefinition[]> {
  const found = new Map<string, ListDefinition>();
  await using memory = await openStorage("memory:", { clock: systemClock });
  const storage = around(memory, {
    define(definitions) {
      for (const each of definitions) found.set(each.resource, each);
      return memory.define(definitions);
    },
  });
  const settings = { storage: "memory:", cache: "memory:", migrate: "auto", metrics_enabled: false };
  const service = await definition.start({ ...sources, settings, storage, log: silentLogger, tasks: false });
  await service.stop();
  return [...found.values()];
}
