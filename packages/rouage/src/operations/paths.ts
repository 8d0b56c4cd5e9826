/** Where a resource is served, and which list a request means: URL paths, path parameters, storage keys. */
import type { Resource, ResourceOptions } from "../resource-declaration.ts";

/** What the path and key of a resource depend on. */
export type Placement = Pick<ResourceOptions<never>, "path" | "singleton" | "perUser"> & { readonly parent?: Resource };

export function resourcePaths(
  name: string,
  { path, parent, singleton }: Placement,
): { readonly listPath: string; readonly objectPath: string } {
  const base = parent === undefined ? "" : parent.objectPath.replace("{id}", `{${parameterOf(parent.name)}}`);
  const listPath = base + (path ?? `/${name}`);
  return { listPath, objectPath: singleton === true ? listPath : `${listPath}/{id}` };
}

/** Name of the path parameter that holds a parent's id: `people` → `people_id`. */
export function parameterOf(name: string): string {
  return `${name.replaceAll("-", "_")}_id`;
}

/** `ListKey.parent` of the lists below one object. */
export function parentOf(resource: Resource, listParent: string, id: string): string {
  const own = `${resource.name}/${id}`;
  return listParent === "" ? own : `${listParent}/${own}`;
}

/** The resources above this one, outermost first. */
export function ancestorsOf(resource: Resource): readonly Resource[] {
  const ancestors: Resource[] = [];
  for (let above = resource.options.parent; above !== undefined; above = above.options.parent) ancestors.unshift(above);
  return ancestors;
}
