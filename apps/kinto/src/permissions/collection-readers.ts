/** Who may read all records of a collection: those that were given it on the collection or the bucket, or everywhere by settings. */
import { type Principal, type ServiceContext, ServiceError } from "rouage";
import type { KintoSettings } from "../settings/kinto-settings.ts";

/**
 * Who was given single records alone may not.
 * @throws ServiceError `missing-credentials`, `forbidden`, or `route-not-found` for who may know that there is no such collection
 */
export async function assertMayReadRecords(
  context: Pick<ServiceContext, "storage" | "principalsOf">,
  granted: KintoSettings["granted"],
  principal: Principal,
  bucket: string,
  collection: string,
): Promise<void> {
  const { storage } = context;
  const names = await context.principalsOf(principal);
  const parent = `bucket/${bucket}`;
  const entries = [
    granted.bucket,
    granted.collection,
    await storage.permissions.of({ resource: "bucket", parent: "", id: bucket }),
    await storage.permissions.of({ resource: "collection", parent, id: collection }),
  ];
  const mayRead = entries.some(({ read = [], write = [] }) => [...read, ...write].some((name) => names.includes(name)));
  if (!mayRead) throw new ServiceError(principal.id === undefined ? "missing-credentials" : "forbidden");
  const found = await storage.get({ resource: "collection", parent, id: collection });
  if (found?.kind !== "object")
    throw new ServiceError("route-not-found", { details: { id: collection, resource_name: "collection" } });
}
