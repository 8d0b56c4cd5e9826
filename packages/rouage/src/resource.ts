/** `resource()`: the declaration of a resource, from which every face of the service is derived. */
import type { TObject } from "typebox";
import { declarationProblems } from "./operations/declaration.ts";
import { resourcePaths } from "./operations/paths.ts";
import type { Resource, ResourceOptions } from "./resource-declaration.ts";

export type {
  Access,
  CacheSeconds,
  ComputedField,
  FieldAccess,
  FinishedWrite,
  Hooks,
  Meta,
  PendingWrite,
  Resource,
  ResourceOptions,
  Sharing,
  StoredWrite,
  WriteAction,
} from "./resource-declaration.ts";

/**
 * Declares a resource.
 * @example
 * const kittens = resource("kittens", {
 *   schema: Type.Object({ name: Type.String({ minLength: 1, maxLength: 256 }), weight: Type.Number() }),
 *   access: { create: [authenticated], read: [everyone] },
 * });
 * @throws Error that names the resource and everything that is wrong with its declaration
 */
export function resource<const S extends TObject>(name: string, options: ResourceOptions<S>): Resource<S> {
  const problems = declarationProblems(name, options);
  if (problems.length > 0) throw new Error(`resource "${name}": ${problems.join("; ")}`);
  return Object.freeze({
    kind: "resource" as const,
    name,
    options: Object.freeze({ ...options }),
    ...resourcePaths(name, options),
  });
}
