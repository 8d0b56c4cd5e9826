/** Names in the document: operation ids and schema names. */
import type { Resource } from "../../resource.ts";
import type { Operation, Paths } from "./types.ts";

/** `kittens` → `kitten`, for one object of a list; a name that has no plural stays. */
export function singular(name: string): string {
  if (/[^aeiou]ies$/.test(name)) return `${name.slice(0, -3)}y`;
  if (/(ss|sh|ch|x|z)es$/.test(name)) return name.slice(0, -2);
  if (/[^su]s$/.test(name)) return name.slice(0, -1);
  return name;
}

/** What operation ids call the list and one object of it. A resource named in the singular has its plural in its path. */
export function operationNames({ name, listPath, options }: Resource): {
  readonly plural: string;
  readonly single: string;
} {
  const own = identifier(name);
  if (options.singleton === true) return { plural: own, single: own };
  const last = identifier(listPath.split("/").at(-1) ?? "");
  if (last !== own && singular(last) === own) return { plural: last, single: own };
  return { plural: own, single: singular(own) === own ? `${own}_object` : singular(own) };
}

/** A name as part of an operation id. */
export function identifier(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9]+/g, "_").replaceAll(/^_+|_+$/g, "");
}

/** Component names may hold only these characters (OpenAPI 3.1.1 §4.8.7). */
export function schemaName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9._-]/g, "_");
}

/** Operation ids must be unique in a document: where two meet, the later one gets a number. */
export function uniqueIds(paths: Paths): void {
  const seen = new Set<string>();
  for (const operations of Object.values(paths))
    for (const operation of Object.values(operations) as Operation[]) {
      const base = operation.operationId;
      for (let number = 2; seen.has(operation.operationId); number++) operation.operationId = `${base}_${number}`;
      seen.add(operation.operationId);
    }
}
