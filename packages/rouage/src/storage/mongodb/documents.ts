/** Objects and tombstones as documents of a collection, one for each resource. */
import type { EvaluatedEntry } from "../evaluate.ts";
import type { Permissions } from "../permissions.ts";
import type { ObjectKey, StoredEntry } from "../storage.ts";
import { storedObject } from "../stored-object.ts";
import { fieldTexts } from "./fields.ts";

/** What is left of an entry that was purged or erased has `_id` and `s` alone, so that nothing late puts it back. */
export interface ObjectDocument {
  readonly _id: string;
  /** Number of the journal's entry that wrote it. */
  readonly s: number;
  readonly p?: string;
  readonly i?: string;
  readonly r?: number;
  /** Whether it is an object; a tombstone otherwise. */
  readonly l?: boolean;
  /** The body, as it is sent. */
  readonly b?: string;
  readonly o?: string;
  /** Permission entries as JSON; every principal in them; every pair of a permission and a principal. */
  readonly a?: string;
  readonly w?: readonly string[];
  readonly g?: readonly string[];
  readonly k?: Readonly<Record<string, string>>;
  readonly e?: Readonly<Record<string, readonly string[]>>;
  readonly t?: Readonly<Record<string, string>>;
}

/** What a journal's entry leaves behind at one key. */
export type Written =
  | {
      readonly kind: "entry";
      readonly key: ObjectKey;
      readonly revision: number;
      /** Undefined: a tombstone. */
      readonly body: string | undefined;
      readonly owner: string | null;
      readonly permissions: Permissions;
      /** Nothing was at this key before, not even what is left of something. */
      readonly isNew: boolean;
    }
  | { readonly kind: "permissions"; readonly key: ObjectKey; readonly permissions: Permissions }
  | { readonly kind: "gone"; readonly key: ObjectKey };

export const idOf = ({ parent, id }: Omit<ObjectKey, "resource">): string => JSON.stringify([parent, id]);

export function documentOf(written: Extract<Written, { kind: "entry" }>, s: number): ObjectDocument {
  const { key, revision, body, owner, permissions } = written;
  return {
    _id: idOf(key),
    s,
    p: key.parent,
    i: key.id,
    r: revision,
    l: body !== undefined,
    ...(body === undefined ? {} : { b: body }),
    ...(owner === null ? {} : { o: owner }),
    ...permissionFields(permissions),
    ...fieldTexts(evaluated(key.id, revision, body)),
  };
}

export function permissionFields(permissions: Permissions): Required<Pick<ObjectDocument, "a" | "w" | "g">> {
  const pairs = Object.entries(permissions);
  return {
    a: JSON.stringify(permissions),
    w: [...new Set(pairs.flatMap(([, principals]) => principals))],
    g: pairs.flatMap(([permission, principals]) => principals.map((principal) => pairOf(permission, principal))),
  };
}

export function pairOf(permission: string, principal: string): string {
  return JSON.stringify([permission, principal]);
}

/** What filters look at. */
export function evaluated(
  id: string,
  revision: number,
  body: string | undefined,
  owner?: string | null,
  permissions?: Permissions,
): EvaluatedEntry {
  return {
    id,
    revision,
    value: body === undefined ? { deleted: true } : JSON.parse(body),
    owner: owner ?? undefined,
    permissions,
  };
}

/** What `entryOf` needs. */
export const entryFields = { s: 1, p: 1, i: 1, r: 1, l: 1, b: 1, o: 1 } as const;

export function entryOf({ i, r, l, b, o }: ObjectDocument): StoredEntry | undefined {
  if (i === undefined || r === undefined) return undefined;
  return l === true && b !== undefined ? storedObject(i, r, b, o ?? null) : { kind: "tombstone", id: i, revision: r };
}

export function permissionsIn({ a }: Pick<ObjectDocument, "a">): Permissions {
  return a === undefined || a === "{}" ? none : JSON.parse(a);
}

const none: Permissions = Object.freeze({});
