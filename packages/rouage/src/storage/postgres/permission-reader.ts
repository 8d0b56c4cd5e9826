/** Reads permission entries and groups, through the indexes of `aces` and `members` alone. */
import type { Permissions, ReachableObject, ReachableQuery } from "../permissions.ts";
import { bindable } from "../sort-key.ts";
import type { ObjectKey } from "../storage.ts";
import type { Connection, Row, Statement } from "./connection.ts";
import { binding } from "./fields.ts";
import { all, principalIn } from "./filters.ts";

type Run = Pick<Connection, "run">;
type Read = <T>(work: (connection: Run) => Promise<T>) => Promise<T>;
type Place = readonly [resource: string, parent: string, id: string, permission: string];

/** Rows read in one go: some megabytes. */
const page = 10_000;

export async function permissionsOf({ run }: Run, { resource, parent, id }: ObjectKey): Promise<Permissions> {
  const { rows } = await run({
    text: "SELECT permission, principal FROM aces WHERE resource = $1 AND parent = $2 AND id = $3",
    values: [resource, bindable(parent), bindable(id)],
    prepared: true,
  });
  return rows.length === 0 ? none : grouped(rows);
}

export async function groupsOf({ run }: Run, member: string): Promise<ReadonlySet<string>> {
  const { rows } = await run({
    text: "SELECT grouping_name FROM members WHERE hashtextextended(member, 0) = hashtextextended($1, 0) AND member = $1",
    values: [bindable(member)],
    prepared: true,
  });
  return new Set(rows.map(([group]) => group as string));
}

/** Every group with its members. */
export async function* groupsWithMembers(
  read: Read,
): AsyncIterable<{ readonly group: string; readonly members: readonly string[] }> {
  let current: { readonly group: string; readonly members: string[] } | undefined;
  for (let after: Row | undefined; ; ) {
    const behind = after === undefined ? "" : "WHERE (grouping_name, member) > ($1, $2)";
    const values = after === undefined ? [] : [after[0] as string, after[1] as string];
    const text = `SELECT grouping_name, member FROM members ${behind} ORDER BY grouping_name, member LIMIT ${page}`;
    const { rows } = await read(({ run }) => run({ text, values }));
    for (const [group, member] of rows as readonly (readonly [string, string])[]) {
      if (current?.group !== group) {
        if (current !== undefined) yield { group: current.group, members: current.members.sort() };
        current = { group, members: [] };
      }
      current.members.push(member);
    }
    if (rows.length < page) break;
    after = rows[rows.length - 1];
  }
  if (current !== undefined) yield { group: current.group, members: current.members.sort() };
}

/** Every object once. */
export async function* reachableObjects(read: Read, query: ReachableQuery): AsyncIterable<ReachableObject> {
  let after: Place | undefined;
  let current: { readonly key: ObjectKey; readonly permissions: string[] } | undefined;
  for (;;) {
    const { rows } = await read(({ run }) => run(reachableSql(query, after)));
    for (const place of rows as unknown as readonly Place[]) {
      const [resource, parent, id, permission] = place;
      if (current?.key.id === id && current.key.parent === parent && current.key.resource === resource) {
        current.permissions.push(permission);
        continue;
      }
      if (current !== undefined) yield sorted(current);
      current = { key: { resource, parent, id }, permissions: [permission] };
    }
    if (rows.length < page) break;
    after = rows[rows.length - 1] as unknown as Place;
  }
  if (current !== undefined) yield sorted(current);
}

/** The statement of a page; exported for tests that look at its plan. */
export function reachableSql({ principals, resources, parent }: ReachableQuery, after: Place | undefined): Statement {
  const { bind, values } = binding();
  const conditions = [principalIn("principal", principals, bind)];
  if (resources !== undefined) conditions.push(`resource = ANY (${bind(resources)}::text[])`);
  if (parent?.endsWith("/") === true) {
    // Everything that begins with it: "0" is the character behind "/".
    conditions.push(`parent >= ${bind(bindable(parent))} AND parent < ${bind(`${bindable(parent).slice(0, -1)}0`)}`);
  } else if (parent !== undefined) conditions.push(`parent = ${bind(bindable(parent))}`);
  if (after !== undefined) {
    conditions.push(`(resource, parent, id, permission) > (${after.map((each) => bind(each)).join(", ")})`);
  }
  const text = `SELECT DISTINCT resource, parent, id, permission FROM aces WHERE ${all(conditions)} ORDER BY resource, parent, id, permission LIMIT ${page}`;
  return { text, values };
}

const none: Permissions = Object.freeze({});

function grouped(rows: readonly Row[]): Permissions {
  const lists = new Map<string, string[]>();
  for (const [permission, principal] of rows as readonly (readonly [string, string])[]) {
    const list = lists.get(permission);
    if (list === undefined) lists.set(permission, [principal]);
    else list.push(principal);
  }
  const names = [...lists.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, lists.get(name)?.sort() ?? []]));
}

function sorted({ key, permissions }: ReachableObject): ReachableObject {
  return { key, permissions: [...permissions].sort() };
}
