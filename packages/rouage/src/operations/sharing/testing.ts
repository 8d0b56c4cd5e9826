/** What tests of sharing share: the tree of buckets, collections, groups and records, on each storage. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Type } from "typebox";
import { ServiceError } from "../../errors.ts";
import type { Principal } from "../../principal.ts";
import { type Resource, type ResourceOptions, resource } from "../../resource.ts";
import { sqliteStorage } from "../../storage/sqlite/sqlite.ts";
import type { ObjectKey, Permissions, Storage } from "../../storage/storage.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Target } from "../operations.ts";
import { type Bench, bench } from "../testing.ts";
import { keyAbove } from "./object-path.ts";

const anything = {
  schema: Type.Object({ n: Type.Optional(Type.Integer()), members: Type.Optional(Type.Array(Type.String())) }),
  unknownFields: "keep",
} as const;
type Options = Partial<ResourceOptions<typeof anything.schema>>;

export interface Tree {
  readonly bucket: Resource;
  readonly collection: Resource;
  readonly group: Resource;
  readonly record: Resource;
  readonly all: readonly Resource[];
}

/** The resources of the Kinto application, with other options where they are given. */
export function treeOf(options: { readonly [K in "bucket" | "collection" | "group" | "record"]?: Options } = {}): Tree {
  const bucket = resource("bucket", { ...anything, path: "/buckets", sharing: true, ...options.bucket });
  const collection = resource("collection", {
    ...{ ...anything, path: "/collections", parent: bucket as unknown as Resource, sharing: true },
    ...options.collection,
  });
  const group = resource("group", {
    ...{ ...anything, path: "/groups", parent: bucket as unknown as Resource },
    sharing: { members: ({ members }) => (Array.isArray(members) ? members.map(String) : []) },
    ...options.group,
  });
  const record = resource("record", {
    ...{ ...anything, path: "/records", parent: collection as unknown as Resource, sharing: true },
    ...options.record,
  });
  const tree = { bucket, collection, group, record } as unknown as Omit<Tree, "all">;
  return { ...tree, all: [tree.bucket, tree.collection, tree.group, tree.record] };
}

export const storages = ["memory", "sqlite"] as const;

/** Operations on an empty storage of this kind, closed and removed after the test. */
export async function benchOn(
  kind: (typeof storages)[number],
  context: TestContext,
  resources: readonly Resource[],
  wrap: (storage: Storage) => Storage = (storage) => storage,
): Promise<Bench> {
  if (kind === "memory") return bench(resources, {}, wrap);
  const folder = mkdtempSync(join(tmpdir(), "rouage-sharing-"));
  let opened: Storage | undefined;
  context.after(async () => {
    await opened?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return bench(resources, {}, (_memory, clock) => {
    opened = sqliteStorage({ path: join(folder, "store.db"), clock, log: silentLogger });
    return wrap(opened);
  });
}

export const keys = {
  bucket: { resource: "bucket", parent: "", id: "b" },
  collection: { resource: "collection", parent: "bucket/b", id: "c" },
  group: { resource: "group", parent: "bucket/b", id: "g" },
  record: { resource: "record", parent: "bucket/b/collection/c", id: "r" },
} as const satisfies Record<string, ObjectKey>;
export type Name = keyof typeof keys;
export const names = Object.keys(keys) as readonly Name[];

/** The request's target that means this object (without an id: its list). */
export function targetOf(key: ObjectKey, id: string | undefined = key.id): Target {
  const params: Record<string, string> = {};
  for (let above = keyAbove(key); above !== undefined; above = keyAbove(above))
    params[`${above.resource}_id`] = above.id;
  return id === undefined ? { params } : { params, id };
}

export function listOf(key: ObjectKey): Target {
  return { params: targetOf(key).params };
}

/** Puts objects into the storage as they are, without anybody's permission. */
export async function seed(storage: Storage, objects: readonly (readonly [ObjectKey, Permissions?, object?])[]) {
  await storage.commit(
    objects.map(([key, permissions = {}, body = {}]) => ({
      ...{ kind: "put", key, body: JSON.stringify(body), expect: { kind: "any" }, permissions },
    })),
  );
}

/** A caller with further principals. */
export function person(id: string, ...principals: readonly string[]): Principal {
  return { id, roles: new Set(), claims: {}, policy: "test", principals };
}

/** `allowed`, or the code of the error. */
export async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return "allowed";
  } catch (error) {
    if (ServiceError.is(error)) return error.code;
    throw error;
  }
}
