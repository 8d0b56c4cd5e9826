/** One entry of a bucket's history: what was done to which object, by whom, and what the object became. */
import type { JsonObject, StoredWrite } from "rouage";
import type { Permissions } from "rouage/storage";

export type TargetKind = "bucket" | "collection" | "group" | "record";

type Write = StoredWrite<JsonObject>;

/** The path of an object of the tree, `/buckets/a/collections/b`, and the ids on its way by parameter. */
export function placeOf(kind: TargetKind, { parent, id }: Pick<Write, "parent" | "id">) {
  const names = parent === "" ? [] : parent.split("/");
  const ids: Record<string, string> = {};
  let uri = "";
  for (let at = 0; at + 1 < names.length; at += 2) {
    const above = names[at] ?? "";
    ids[`${above}_id`] = names[at + 1] ?? "";
    uri += `/${above}s/${names[at + 1]}`;
  }
  ids[`${kind}_id`] = id;
  return { uri: `${uri}/${kind}s/${id}`, ids, bucket: ids.bucket_id ?? id };
}

/** @param now milliseconds since the epoch */
export function entryOf(kind: TargetKind, write: Write, userId: string, now: number): JsonObject {
  const { uri, ids } = placeOf(kind, write);
  const { next, previous, id, revision, permissions } = write;
  const data = next ?? { ...previous, id, last_modified: revision, deleted: true };
  return {
    date: new Date(now).toISOString(),
    action: actionOf(write),
    uri,
    user_id: userId,
    resource_name: kind,
    ...ids,
    target: next === undefined ? { data } : { data, permissions: { ...permissions?.next } },
  } as JsonObject;
}

function actionOf({ next, previous }: Write): "create" | "update" | "delete" {
  if (next === undefined) return "delete";
  return previous === undefined ? "create" : "update";
}

/** Who may read an entry: whoever may read or write the object, or one of those above it that were given. */
export function readersOf(all: readonly Permissions[]): Permissions {
  const readers = all.flatMap(({ read = [], write = [] }) => [...read, ...write]);
  return readers.length === 0 ? {} : { read: [...new Set(readers)] };
}
