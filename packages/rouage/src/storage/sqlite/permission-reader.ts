/** Reads permission entries and groups, through the indexes of `aces` and `members` alone. */
import type { Permissions, ReachableObject, ReachableQuery } from "../permissions.ts";
import type { ObjectKey } from "../storage.ts";
import type { Database } from "./database.ts";
import type { SqlValue } from "./fields.ts";
import { many, type Row } from "./rows.ts";

type Place = readonly [resource: string, parent: string, id: string, permission: string];

type Membership = readonly [group: string, member: string];

/** Rows read in one go: some megabytes. Each page looks at all entries that are left, so that small ones would cost more together. */
const page = 20_000;

export interface SqlitePermissions {
  of(key: ObjectKey): Permissions;
  groupsOf(member: string): ReadonlySet<string>;
  /** The next members of groups behind one; fewer than `page` are the last. */
  membersBehind(after: Membership | undefined): readonly Membership[];
  /** The next entries behind `after`, in the order of their objects; fewer than `page` are the last. */
  reachable(query: ReachableQuery, after: Place | undefined): readonly Place[];
}

export function permissionReader({ prepare }: Pick<Database, "prepare">): SqlitePermissions {
  const select = prepare(
    "SELECT permission, principal FROM aces WHERE resource = ? AND parent = ? AND id = ? ORDER BY permission, principal",
  );
  const selectGroups = prepare("SELECT grouping FROM members WHERE member = ?");
  const selectMembers = prepare(
    `SELECT grouping, member FROM members WHERE (grouping, member) > (?, ?) ORDER BY grouping, member LIMIT ${page}`,
  );

  return {
    of({ resource, parent, id }) {
      const rows = many(select, resource, parent, id);
      return rows.length === 0 ? none : grouped(rows);
    },

    groupsOf: (member) => new Set(many(selectGroups, member).map(([group]) => group as string)),

    membersBehind: (after) =>
      many(selectMembers, after?.[0] ?? "", after?.[1] ?? "") as unknown as readonly Membership[],

    reachable(query, after) {
      const { text, values } = reachableSql(query, after);
      return many(prepare(text), ...values) as unknown as readonly Place[];
    },
  };
}

/** Every object once, from pages that `read` answers. */
export async function* reachableObjects(
  read: (after: Place | undefined) => Promise<readonly Place[]>,
): AsyncIterable<ReachableObject> {
  let after: Place | undefined;
  let current: { readonly key: ObjectKey; readonly permissions: string[] } | undefined;
  for (;;) {
    const places = await read(after);
    for (const place of places) {
      const [resource, parent, id, permission] = place;
      if (current?.key.id === id && current.key.parent === parent && current.key.resource === resource) {
        // The same permission through several principals stands side by side.
        if (current.permissions.at(-1) !== permission) current.permissions.push(permission);
        continue;
      }
      if (current !== undefined) yield sorted(current);
      current = { key: { resource, parent, id }, permissions: [permission] };
    }
    after = places[places.length - 1];
    if (places.length < page) break;
    // Let others have the thread between two pages.
    await new Promise(setImmediate);
  }
  if (current !== undefined) yield sorted(current);
}

/** Every group with its members, from pages that `read` answers. */
export async function* groupsWithMembers(
  read: (after: Membership | undefined) => Promise<readonly Membership[]>,
): AsyncIterable<{ readonly group: string; readonly members: readonly string[] }> {
  let current: { readonly group: string; readonly members: string[] } | undefined;
  for (let after: Membership | undefined; ; ) {
    const memberships = await read(after);
    for (const [group, member] of memberships) {
      if (current?.group !== group) {
        if (current !== undefined) yield { group: current.group, members: current.members.sort() };
        current = { group, members: [] };
      }
      current.members.push(member);
    }
    if (memberships.length < page) break;
    after = memberships[memberships.length - 1];
  }
  if (current !== undefined) yield { group: current.group, members: current.members.sort() };
}

/** The statement of a page; exported for tests that look at its plan. */
export function reachableSql(
  { principals, resources, parent }: ReachableQuery,
  after: Place | undefined,
): { readonly text: string; readonly values: readonly SqlValue[] } {
  const conditions = ["principal IN (SELECT value FROM json_each(?))"];
  const values: SqlValue[] = [JSON.stringify(principals)];
  if (resources !== undefined) {
    conditions.push("resource IN (SELECT value FROM json_each(?))");
    values.push(JSON.stringify(resources));
  }
  if (parent?.endsWith("/") === true) {
    // Everything that begins with it: "0" is the character behind "/".
    conditions.push("parent >= ? AND parent < ?");
    values.push(parent, `${parent.slice(0, -1)}0`);
  } else if (parent !== undefined) {
    conditions.push("parent = ?");
    values.push(parent);
  }
  if (after !== undefined) {
    conditions.push("(resource, parent, id, permission) > (?, ?, ?, ?)");
    values.push(...after);
  }
  return {
    text: `SELECT resource, parent, id, permission FROM aces WHERE ${conditions.join(" AND ")} ORDER BY resource, parent, id, permission LIMIT ${page}`,
    values,
  };
}

const none: Permissions = Object.freeze({});

function grouped(rows: readonly Row[]): Permissions {
  const lists = new Map<string, string[]>();
  for (const row of rows) {
    const [permission, principal] = row as readonly [string, string];
    const list = lists.get(permission);
    if (list === undefined) lists.set(permission, [principal]);
    else list.push(principal);
  }
  // SQLite's order is that of code points.
  for (const list of lists.values()) list.sort();
  return Object.fromEntries(lists);
}

function sorted({ key, permissions }: ReachableObject): ReachableObject {
  return { key, permissions: [...permissions].sort() };
}
