/** The tree: buckets hold collections and groups, collections hold records. All of them are shared, and keep fields that no schema names. */
import { type CacheSeconds, type JsonObject, type Resource, resource } from "rouage";
import { Type } from "typebox";
import type { KintoSettings } from "../settings/kinto-settings.ts";
import type { ObjectKind } from "../settings/object-kind.ts";
import { systemRule } from "../system.ts";

export interface KintoResources {
  readonly bucket: Resource;
  readonly collection: Resource;
  readonly group: Resource;
  readonly record: Resource;
}

/** Ids of buckets, collections, groups and records. */
export const idPattern = /^[a-zA-Z0-9][a-zA-Z0-9_-]*$/;

export function kintoResources(
  settings: Pick<KintoSettings, "explicitPermissions" | "granted" | "generators" | "cacheSeconds">,
  recordSeconds: CacheSeconds,
): KintoResources {
  const common = (kind: ObjectKind) => ({
    unknownFields: "keep" as const,
    access: { create: [systemRule], read: [systemRule], write: [systemRule] },
    id: { pattern: idPattern, ...(settings.generators[kind] && { generate: settings.generators[kind] }) },
    ...(settings.cacheSeconds[kind] !== undefined && { cacheSeconds: settings.cacheSeconds[kind] }),
  });
  const sharing = (kind: ObjectKind) => ({ explicit: settings.explicitPermissions, granted: settings.granted[kind] });

  const bucket = resource("bucket", {
    ...common("bucket"),
    path: "/buckets",
    description: "Collections and groups that belong together.",
    schema: Type.Object({
      "record:schema": Type.Optional(jsonSchema),
      "collection:schema": Type.Optional(jsonSchema),
      "group:schema": Type.Optional(jsonSchema),
    }),
    sharing: sharing("bucket"),
  });
  const collection = resource("collection", {
    ...common("collection"),
    parent: bucket as Resource,
    path: "/collections",
    description: "Records of one kind.",
    schema: Type.Object({ schema: Type.Optional(jsonSchema), cache_expires: Type.Optional(Type.Integer()) }),
    sharing: sharing("collection"),
  });
  const group = resource("group", {
    ...common("group"),
    parent: bucket as Resource,
    path: "/groups",
    description: "Principals that permissions can name together.",
    schema: Type.Object({ members: Type.Array(member, { default: [] }) }),
    sharing: { ...sharing("group"), members: membersOf },
  });
  const record = resource("record", {
    ...common("record"),
    parent: collection as Resource,
    path: "/records",
    description: "JSON objects of the applications.",
    schema: Type.Object({}),
    cacheSeconds: recordSeconds,
    sharing: sharing("record"),
  });
  return { bucket, collection, group, record } as unknown as KintoResources;
}

const jsonSchema = Type.Object({}, { additionalProperties: true });

/** Groups are not members of groups, and everybody is no member: that would be sharing with the world by another name. */
const member = Type.String({ minLength: 1, pattern: "^(?!/buckets/)(?!system\\.Everyone$)" });

function membersOf(group: JsonObject): readonly string[] {
  const { members } = group;
  return Array.isArray(members) ? members.map(String) : [];
}
