/**
 * Who may do what with single objects, as a storage keeps it: entries (object, permission, principal) and the members of groups.
 * They are written by `storage.commit` in the same step as the objects; this is how they are read. Knows no inheritance: that is
 * decided by operations.
 */
import type { ObjectKey } from "./keys.ts";

/**
 * Principals by permission. A principal is a stable text: `system.Everyone`, `system.Authenticated`, an identity such as
 * `account:bob`, or the path of a group. As stored: no empty lists, no duplicates, principals in code-unit order.
 * A principal has at most 2,048 characters, the name of a permission 256; neither is empty or has a null character.
 */
export type Permissions = Readonly<Record<string, readonly string[]>>;

/** An object with what its own entries grant to the principals asked for. */
export interface ReachableObject {
  readonly key: ObjectKey;
  /** Names of the permissions, in code-unit order. */
  readonly permissions: readonly string[];
}

export interface ReachableQuery {
  readonly principals: readonly string[];
  /** Only these resources. */
  readonly resources?: readonly string[];
  /** Only objects of this list, or (ending with `/`) of any list whose parent begins with it. */
  readonly parent?: string;
}

export interface PermissionReader {
  /** The object's own entries; an empty object where there are none. May answer without a promise. */
  of(key: ObjectKey): Permissions | Promise<Permissions>;
  /** The groups that this principal is a direct member of. May answer without a promise. */
  groupsOf(member: string): ReadonlySet<string> | Promise<ReadonlySet<string>>;
  /** Every group with its members in code-unit order, ordered by group; for copies. */
  groups(): AsyncIterable<{ readonly group: string; readonly members: readonly string[] }>;
  /** Every object with an entry for one of the principals, each once, ordered by resource, parent and id. Read in pages, never all at once. */
  reachable(query: ReachableQuery): AsyncIterable<ReachableObject>;
}
