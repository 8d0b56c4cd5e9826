/** What would have to be done to a store before a service can use it: steps of its own tables, and indexes. Looks and changes nothing. */
import { wantedIndexes } from "./index-name.ts";
import type { ListDefinition } from "./storage.ts";
import type { PlannedStep, StoreLook } from "./store-look.ts";

export interface PlannedIndex extends PlannedStep {
  readonly resource: string;
}

export interface StorePlan extends Pick<StoreLook, "version" | "wanted" | "steps"> {
  readonly indexes: readonly PlannedIndex[];
  /** Resources that get a table. */
  readonly tables: readonly string[];
}

/**
 * Looks at the store of a URL; undefined where nothing is ever migrated.
 * @param definitions all that the service declares of the resources that it names; of others nothing is planned
 * @throws Error when the store is of something else or was written by a newer version, or cannot be reached
 */
export async function planStore(
  url: string,
  definitions: readonly ListDefinition[],
  name?: string,
): Promise<StorePlan | undefined> {
  const look = await lookAt(url, name);
  if (look === undefined) return undefined;
  const indexes: PlannedIndex[] = [];
  const tables: string[] = [];
  for (const definition of definitions) {
    const { resource } = definition;
    const found = look.resources.get(resource);
    if (found === undefined) {
      tables.push(resource);
      continue;
    }
    const { table, rows, indexes: existing } = found;
    const wanted = wantedIndexes(table, definition);
    for (const [index, fields] of wanted)
      if (!existing.includes(index))
        indexes.push({ resource, rows, words: `index ${resource} by ${fields.join(", ")}` });
    for (const index of existing)
      if (!wanted.has(index))
        indexes.push({ resource, rows: 0, words: `drop the index ${index} of ${resource}, which nothing declares` });
  }
  return { version: look.version, wanted: look.wanted, steps: look.steps, indexes, tables };
}

async function lookAt(url: string, name: string | undefined): Promise<StoreLook | undefined> {
  const scheme = url.slice(0, url.indexOf(":"));
  if (scheme === "sqlite") {
    const { lookAtFile } = await import("./sqlite/look.ts");
    return lookAtFile(url.slice("sqlite:".length).replace(/^\/\//, ""));
  }
  if (scheme === "postgres" || scheme === "postgresql") {
    const { lookAtSchema } = await import("./postgres/look.ts");
    return lookAtSchema(url, name);
  }
  if (scheme === "mongodb" || scheme === "mongodb+srv") {
    const { lookAtDatabase } = await import("./mongodb/look.ts");
    return lookAtDatabase(url, name);
  }
  return undefined;
}

/** True where a service that starts would go through rows, or take an index away that another version may use. */
export function isCostly({ version, steps, indexes }: StorePlan): boolean {
  return (version > 0 && steps.length > 0) || indexes.length > 0;
}

/** The plan in lines. */
export function planWords({ version, wanted, steps, indexes, tables }: StorePlan): readonly string[] {
  const rows = (count: number): string => (count === 0 ? "" : ` (${count} rows)`);
  return [
    ...(version === 0
      ? [`make a store of version ${wanted}`]
      : steps.map((step) => `version ${version} to ${wanted}: ${step.words}${rows(step.rows)}`)),
    ...tables.map((resource) => `make the table of ${resource}`),
    ...indexes.map((index) => `${index.words}${rows(index.rows)}`),
  ];
}
