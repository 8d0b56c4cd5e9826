/** Writes an entry for each write, in the write's own transaction, and takes out the oldest where there are too many. */
import { randomUUID } from "node:crypto";
import type { Hooks, JsonObject, ServiceContext, StoredWrite } from "rouage";
import type { Change, Filter, ListKey, Permissions } from "rouage/storage";
import { entryOf, placeOf, readersOf, type TargetKind } from "./entry.ts";
import type { HistorySettings } from "./history-settings.ts";

export function recorder(
  context: Pick<ServiceContext, "storage" | "clock">,
  settings: HistorySettings,
  { explicit }: { readonly explicit: boolean },
): (kind: TargetKind) => Hooks<JsonObject> {
  const { storage, clock } = context;

  async function record(kind: TargetKind, write: StoredWrite<JsonObject>, userId: string): Promise<void> {
    const place = placeOf(kind, write);
    if (settings.excludedUsers.has(userId) || place.uris.some((uri) => settings.excludedResources.has(uri))) return;
    const list: ListKey = { resource: "history", parent: `bucket/${place.bucket}` };
    const permissions = explicit ? readersOf(await entriesOnTheWay(write, place.ids)) : {};
    const change: Change = {
      kind: "put",
      key: { ...list, id: randomUUID() },
      body: JSON.stringify(entryOf(kind, place, write, userId, clock.now())),
      expect: { kind: "absent" },
      logBody: false,
      permissions,
    };
    await storage.commit([change]);
    await trim(list, kind, userId);
  }

  /** Entries of the object and of the bucket and collection that it is in. */
  async function entriesOnTheWay(
    { permissions }: StoredWrite<JsonObject>,
    { bucket_id: bucket = "", collection_id: collection }: Readonly<Record<string, string>>,
  ): Promise<readonly Permissions[]> {
    const parent = `bucket/${bucket}`;
    return [
      permissions?.next ?? {},
      permissions?.previous ?? {},
      await storage.permissions.of({ resource: "bucket", parent: "", id: bucket }),
      ...(collection === undefined
        ? []
        : [await storage.permissions.of({ resource: "collection", parent, id: collection })]),
    ];
  }

  async function trim(list: ListKey, kind: TargetKind, userId: string): Promise<void> {
    const { trimCount, trimUsers } = settings;
    if (trimCount === undefined || (trimUsers.size > 0 && !trimUsers.has(userId))) return;
    const filter: Filter = {
      kind: "and",
      filters: [equals("resource_name", kind), ...(trimUsers.size > 0 ? [equals("user_id", userId)] : [])],
    };
    const excess = (await storage.count(list, filter)) - trimCount;
    if (excess <= 0) return;
    const sort = [{ field: "last_modified", direction: "ascending" }] as const;
    const oldest = await storage.list(list, { filter, sort, limit: excess });
    await storage.commit(
      oldest.map(({ id }) => ({ kind: "delete", key: { ...list, id }, expect: { kind: "any" } }) as const),
    );
  }

  return (kind) => ({
    stored: (write, { principal }) => record(kind, write, principal.id ?? "system.Everyone"),
  });
}

function equals(field: string, value: string): Filter {
  return { kind: "compare", field, operator: "eq", value };
}
