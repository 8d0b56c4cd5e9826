/** One entry of a bucket's history: what was done to which object, by whom, and what the object became. */
import type { JsonObject, StoredWrite } from "rouage";
import type { Permissions } from "rouage/storage";

export type TargetKind = "bucket" | "collection" | "group" | "record";

type Write = StoredWrite<JsonObject>;

export interface Place {
  /** `/buckets/a/collections/b` */
  readonly uri: string;
  /** Paths of the object and of what is above it. */
  readonly uris: readonly string[];
  /** Ids on the way by parameter, `{bucket_id, collection_id}`. */
  readonly ids: Readonly<Record<string, string>>;
  readonly bucket: string;
}

export function placeOf(kind: TargetKind, { parent, id }: Pick<Write, "parent" | "id">): Place {
  const names = [...(parent === "" ? [] : parent.split("/")), kind, id];
  const ids: Record<string, string> = {};
  const uris: string[] = [];
  for (let at = 0; at + 1 < names.length; at += 2) {
    ids[`${names[at]}_id`] = names[at + 1] ?? "";
    uris.push(`${uris.at(-1) ?? ""}/${names[at]}s/${names[at + 1]}`);
  }
  return { uri: uris.at(-1) ?? "", uris, ids, bucket: ids.bucket_id ?? id };
}

/** @param now milliseconds since the epoch */
export function entryOf(kind: TargetKind, place: Place, write: Write, userId: string, now: number): JsonObject {
  const { next, previous, id, revision, permissions } = write;
  const { bucket_id, ...ids } = place.ids;
  const data = next ?? { id, last_modified: revision, deleted: true };
  return {
    date: new Date(now).toISOString(),
    action: next === undefined ? "delete" : previous === undefined ? "create" : "update",
    uri: place.uri,
    user_id: userId,
    resource_name: kind,
    // Whose history it is says which bucket; entries about the bucket itself say it like all others.
    ...(kind === "bucket" ? { bucket_id } : ids),
    target: { data, permissions: { ...(next === undefined ? permissions?.previous : permissions?.next) } },
  } as JsonObject;
}

/** Who may read an entry whatever becomes of the objects: whoever may read or write the object, or one of those above it. */
export function readersOf(all: readonly Permissions[]): Permissions {
  const readers = all.flatMap(({ read = [], write = [] }) => [...read, ...write]);
  return readers.length === 0 ? {} : { read: [...new Set(readers)] };
}
