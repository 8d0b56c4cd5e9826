/** Objects named by their paths without the version prefix (`/buckets/a/groups/b`), as permission entries and clients do. */
import type { Resource } from "../../resource-declaration.ts";
import type { ListKey, ObjectKey } from "../../storage/keys.ts";
import { ancestorsOf, parentOf } from "../paths.ts";

/** The object above a list of a nested resource; undefined for lists at the top. */
export function keyAbove({ parent }: ListKey): ObjectKey | undefined {
  const last = parent.lastIndexOf("/");
  if (last < 0) return undefined;
  const start = parent.lastIndexOf("/", last - 1);
  return {
    resource: parent.slice(start + 1, last),
    parent: start < 0 ? "" : parent.slice(0, start),
    id: parent.slice(last + 1),
  };
}

/** The path of an object of a resource that is not `perUser`. */
export function objectPathOf(resource: Resource): (key: ObjectKey) => string {
  const above = resource.options.parent;
  const segment = segmentOf(resource);
  if (above === undefined) return ({ id }) => `${segment}/${id}`;
  const base = objectPathOf(above);
  return (key) => {
    const parent = keyAbove(key);
    if (parent === undefined) throw new Error(`a list of ${resource.name} has no object above it`);
    return `${base(parent)}${segment}/${key.id}`;
  };
}

/** The object that a path means, of whichever of the resources; undefined when it is none's. */
export function objectKeyOf(resources: readonly Resource[]): (path: string) => ObjectKey | undefined {
  const readers = resources.filter(({ options }) => options.perUser !== true).map(pathReader);
  return (path) => {
    for (const read of readers) {
      const key = read(path);
      if (key !== undefined) return key;
    }
    return undefined;
  };
}

function pathReader(resource: Resource): (path: string) => ObjectKey | undefined {
  const chain = [...ancestorsOf(resource), resource];
  const form = new RegExp(`^${chain.map((one) => `${RegExp.escape(segmentOf(one))}/([^/]+)`).join("")}$`);
  return (path) => {
    const ids = form.exec(path)?.slice(1);
    if (ids === undefined) return undefined;
    let parent = "";
    for (const [level, one] of chain.slice(0, -1).entries()) parent = parentOf(one, parent, ids[level] ?? "");
    return { resource: resource.name, parent, id: ids.at(-1) ?? "" };
  };
}

function segmentOf({ name, options }: Resource): string {
  return options.path ?? `/${name}`;
}
