/** Puts objects and tombstones of another Kinto into the storage as they are there: ids, revisions, permissions. What is newer here stays. */
import type { JsonObject } from "rouage";
import type { Change, ListKey, Permissions, Storage, StoredEntry } from "rouage/storage";

export interface RemoteObject {
  readonly id: string;
  readonly revision: number;
  /** Undefined: deleted. */
  readonly data: JsonObject | undefined;
  /** Undefined: the server does not show them. */
  readonly permissions?: Permissions | undefined;
}

export type Outcome = "new" | "changed" | "same" | "newer here";

/** Whether the storage lacks this, or has an older one. */
export async function outcomeOf(
  storage: Storage,
  list: ListKey,
  { id, revision, data }: RemoteObject,
): Promise<Outcome> {
  const known: StoredEntry | undefined = await storage.get({ ...list, id });
  if (known === undefined) return "new";
  if (known.revision === revision && (known.kind === "tombstone") === (data === undefined)) return "same";
  return known.revision > revision ? "newer here" : "changed";
}

/** The changes that make it so, for an object that is not the same and not newer here. */
export async function changesOf(
  storage: Storage,
  list: ListKey,
  { id, revision, data, permissions }: RemoteObject,
  { logBody }: { readonly logBody: boolean },
): Promise<readonly Change[]> {
  const key = { ...list, id };
  const known = await storage.get(key);
  const group = list.resource === "group" ? [membersOf(list, id, data)] : [];
  if (data === undefined) {
    if (known?.kind === "object") return [{ kind: "delete", key, expect: { kind: "any" }, revision }, ...group];
    return [{ kind: "tombstone", key, revision }];
  }
  const { id: _id, last_modified: _revision, ...fields } = data;
  return [
    {
      kind: "put",
      key,
      body: JSON.stringify(fields),
      expect: { kind: "any" },
      revision,
      logBody,
      ...(permissions !== undefined && { permissions }),
    },
    ...group,
  ];
}

/** The list's own revision, so that what clients have seen of the other server still is where they are. */
export function revisionOf(key: ListKey, revision: number): Change {
  return { kind: "list", key, revision, purged: 0 };
}

function membersOf({ parent }: ListKey, id: string, data: JsonObject | undefined): Change {
  const members = Array.isArray(data?.members) ? data.members.map(String) : [];
  return { kind: "members", group: `/buckets/${parent.slice("bucket/".length)}/groups/${id}`, members };
}
