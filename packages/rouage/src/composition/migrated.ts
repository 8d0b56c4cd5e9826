/** `migrate=check`: a service does not bring its store up to date by starting, but says what would be done and by which command. */
import { around } from "../storage/around.ts";
import { isCostly, planStore, planWords, type StorePlan } from "../storage/plan.ts";
import type { ListDefinition, Storage } from "../storage/storage.ts";

/** @throws Error where the store's own tables are of an older version */
export async function refuseUnmigrated(
  url: string,
  name: string,
  definitions: readonly ListDefinition[] = [],
): Promise<void> {
  const plan = await planStore(url, definitions, name);
  if (plan !== undefined && isCostly(plan)) throw notMigrated(plan);
}

/** The same storage, which makes no index on a table that is there already, and drops none. A table that is missing is made. */
export function withoutMigrations(storage: Storage, url: string, name: string): Storage {
  return around(storage, {
    async define(definitions) {
      await refuseUnmigrated(url, name, definitions);
      await storage.define(definitions);
    },
  });
}

function notMigrated(plan: StorePlan): Error {
  const lines = planWords(plan).map((line) => `  ${line}`);
  return new Error(
    [
      "the store has to be migrated before this version can use it (migrate=check):",
      ...lines,
      "run `rouage migrate` with the service's file and settings, or set migrate=auto",
    ].join("\n"),
  );
}
