/** Whether a caller may attach a file, before it is sent: the write itself decides again. */
import {
  type OperationContext,
  type Principal,
  type ResourceOperations,
  type ServiceContext,
  ServiceError,
} from "rouage";
import type { Permissions } from "rouage/storage";
import type { KintoSettings } from "../../settings/kinto-settings.ts";
import { type RecordPlace, recordKey } from "./links.ts";

type Parts = Pick<ServiceContext, "storage" | "operations" | "principalsOf">;

/** @throws ServiceError what the write of the record would throw */
export async function assertMayAttach(
  { storage, operations, principalsOf }: Parts,
  granted: KintoSettings["granted"],
  context: OperationContext,
  place: RecordPlace,
): Promise<void> {
  const { bucket, collection } = place;
  const key = recordKey(place);
  const parent = `bucket/${bucket}`;
  const exists = (await storage.get({ resource: "collection", parent, id: collection }))?.kind === "object";
  if (exists) {
    const names = await principalsOf(context.principal);
    const isNamed = (entries: Permissions, ...permissions: readonly string[]) =>
      permissions.some((permission) => entries[permission]?.some((name) => names.includes(name)));
    const isNew = (await storage.get(key))?.kind !== "object";
    const onCollection = await storage.permissions.of({ resource: "collection", parent, id: collection });
    if (
      (!isNew && isNamed(await storage.permissions.of(key), "write")) ||
      (isNew && (isNamed(onCollection, "record:create") || isNamed(granted.record, "create"))) ||
      isNamed(onCollection, "write") ||
      isNamed(await storage.permissions.of({ resource: "bucket", parent: "", id: bucket }), "write") ||
      [granted.record, granted.collection, granted.bucket].some((entries) => isNamed(entries, "write"))
    )
      return;
  }
  await assertVisible(operations.get("record"), context, place);
  if (!exists) throw new ServiceError("route-not-found");
  throw refusal(context.principal);
}

/** Whoever may not even know what there is, learns nothing else. */
async function assertVisible(
  records: ResourceOperations | undefined,
  context: OperationContext,
  { bucket, collection, record }: RecordPlace,
): Promise<void> {
  try {
    await records?.get(context, { params: { bucket_id: bucket, collection_id: collection }, id: record }, {});
  } catch (error) {
    if (!ServiceError.is(error) || error.code !== "object-not-found") throw error;
  }
}

function refusal({ id }: Principal): ServiceError {
  return new ServiceError(id === undefined ? "missing-credentials" : "forbidden");
}
