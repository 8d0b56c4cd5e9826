/** Everything that a caller was given permissions on, as the flat list of `/permissions`. */
import type { Json, JsonObject } from "rouage";
import type { Filter, ObjectKey, Permissions, Storage } from "rouage/storage";
import type { KintoSettings } from "../settings/kinto-settings.ts";

export interface PermissionSources {
  readonly storage: Pick<Storage, "permissions" | "scan">;
  readonly granted: KintoSettings["granted"];
  /** Who may create at the root: `bucket:create`, `account:create`. */
  readonly root: Permissions;
}

/** Fields of an entry, for filters and orders. */
export const permissionFields = [
  "uri",
  "resource_name",
  "permissions",
  "id",
  "bucket_id",
  "collection_id",
  "group_id",
  "record_id",
  "account_id",
] as const;

/** Each object once. Only what settings grant is held in memory; the rest is passed on as the storage reads it. */
export async function* permissionEntries(
  { storage, granted, root }: PermissionSources,
  principals: readonly string[],
  filter: Filter | undefined,
): AsyncGenerator<JsonObject> {
  const wanted = wantedResources(filter);
  const isWanted = (resource: string) => wanted === undefined || wanted.includes(resource);
  const atRoot = grantedTo(root, principals);
  if (atRoot.length > 0 && isWanted("root")) yield { uri: "/", resource_name: "root", permissions: [...atRoot] };

  const entryOf = entryMaker();
  const fromSettings = settingsPermissions(granted, principals);
  const pending = new Map<string, { readonly key: ObjectKey; readonly permissions: readonly string[] }>();
  for (const [resource, permissions] of fromSettings) {
    if (!isWanted(resource)) continue;
    for await (const { id, parent } of storage.scan(resource)) {
      const key = { resource, parent, id };
      pending.set(nameOf(key), { key, permissions });
    }
  }
  const resources = [...implied.keys()].filter(isWanted);
  if (resources.length > 0)
    for await (const { key, permissions } of storage.permissions.reachable({ principals, resources })) {
      const name = nameOf(key);
      const more = pending.get(name)?.permissions ?? [];
      pending.delete(name);
      yield entryOf(key, [...permissions, ...more]);
    }
  for (const { key, permissions } of pending.values()) yield entryOf(key, permissions);
}

/** What a permission on an object includes on the same object. */
const implied: ReadonlyMap<string, Readonly<Record<string, readonly string[]>>> = new Map([
  ["bucket", { write: ["write", "read", "collection:create", "group:create"] }],
  ["collection", { write: ["write", "read", "record:create"] }],
  ["group", { write: ["write", "read"] }],
  ["record", { write: ["write", "read"] }],
  ["account", { write: ["write", "read"] }],
]);

/**
 * Entries come in the order of their lists, and most of a list are given alike: what they share is made when it changes. Who gets entries
 * changes nothing in them.
 */
function entryMaker(): (key: ObjectKey, own: readonly string[]) => JsonObject {
  let above = aboveOf("");
  let given: Given = { resource: "", own: [], all: [] };

  return ({ resource, parent, id }, own) => {
    if (above.parent !== parent) above = aboveOf(parent);
    if (given.resource !== resource || !areSame(given.own, own))
      given = { resource, own, all: impliedBy(resource, own) };
    return {
      uri: `${above.uri}/${resource}s/${id}`,
      resource_name: resource,
      permissions: given.all,
      id,
      ...above.ids,
      [`${resource}_id`]: id,
    };
  };
}

interface Given {
  readonly resource: string;
  readonly own: readonly string[];
  readonly all: readonly string[];
}

function areSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((permission, at) => permission === b[at]);
}

function impliedBy(resource: string, own: readonly string[]): readonly string[] {
  const all = new Set<string>();
  for (const permission of own) for (const each of implied.get(resource)?.[permission] ?? [permission]) all.add(each);
  return [...all];
}

/** Address and ids of what is above the objects of a list. */
function aboveOf(parent: string) {
  const ids: Record<string, Json> = {};
  let uri = "";
  const segments = parent === "" ? [] : parent.split("/");
  for (let at = 0; at + 1 < segments.length; at += 2) {
    const [name = "", ancestor = ""] = segments.slice(at, at + 2);
    ids[`${name}_id`] = ancestor;
    uri += `/${name}s/${ancestor}`;
  }
  return { parent, ids, uri };
}

function nameOf({ resource, parent, id }: ObjectKey): string {
  return `${parent}/${resource}/${id}`;
}

/** What settings grant on every bucket, collection and group; records are too many to be named one by one. */
function settingsPermissions(
  granted: KintoSettings["granted"],
  principals: readonly string[],
): ReadonlyMap<"bucket" | "collection" | "group", readonly string[]> {
  const has = (names: readonly string[] | undefined) => names?.some((name) => principals.includes(name)) === true;
  const on = (kind: "bucket" | "collection" | "group", below: readonly ("collection" | "group" | "record")[]) => [
    ...["read", "write"].filter((permission) => has(granted[kind][permission])),
    ...below.filter((child) => has(granted[child].create)).map((child) => `${child}:create`),
  ];
  const all = new Map([
    ["bucket", on("bucket", ["collection", "group"])],
    ["collection", on("collection", ["record"])],
    ["group", on("group", [])],
  ] as const);
  return new Map([...all].filter(([, permissions]) => permissions.length > 0));
}

function grantedTo(permissions: Permissions, principals: readonly string[]): readonly string[] {
  return Object.entries(permissions)
    .filter(([, names]) => names.some((name) => principals.includes(name)))
    .map(([permission]) => permission);
}

/** Resources that can match at all: what a filter on `resource_name` says, so that the storage reads no others. */
function wantedResources(filter: Filter | undefined): readonly string[] | undefined {
  if (filter === undefined) return undefined;
  if (filter.kind === "and")
    return filter.filters
      .map(wantedResources)
      .reduce((a, b) => (a === undefined ? b : b === undefined ? a : a.filter((name) => b.includes(name))), undefined);
  if (filter.kind === "compare" && filter.field === "resource_name" && filter.operator === "eq")
    return [String(filter.value)];
  if (filter.kind === "in" && filter.field === "resource_name") return filter.values.map(String);
  return undefined;
}
