/** Reads permission entries and groups, through the indexes over principals and members alone; inside of a transaction with its draft. */
import { compareStrings } from "../evaluate.ts";
import type { Permissions, ReachableObject, ReachableQuery } from "../permissions.ts";
import { bindable } from "../sort-key.ts";
import type { ObjectKey } from "../storage.ts";
import { without } from "./content.ts";
import { permissionsIn } from "./documents.ts";
import type { Condition } from "./filters.ts";
import { draftedIn, draftedPermissions, type Inside, unlike } from "./inside.ts";
import type { Collections } from "./names.ts";
import { conditionFor } from "./queries.ts";

/** Documents read in one go. */
const page = 1_000;

/** What a page of the store has, and the number of the newest step that wrote any of it. */
export type Read = <T>(work: () => Promise<T>) => Promise<T>;

export async function groupsOf(
  collections: Collections,
  member: string,
  inside?: Inside,
): Promise<ReadonlySet<string>> {
  const groups = new Set<string>();
  if (inside?.draft.forgotten.has(member) !== true) {
    const found = collections.groups.find({ members: bindable(member) }, { projection: { _id: 1 } });
    for await (const { _id } of found) if (inside?.draft.groups.has(_id) !== true) groups.add(_id);
  }
  for (const [group, members] of inside?.draft.groups ?? []) if (members.has(member)) groups.add(group);
  return groups;
}

/** Every group with its members, in the order of their names. */
export async function* groupsWithMembers(
  collections: Collections,
  read: Read,
  inside?: Inside,
): AsyncIterable<{ readonly group: string; readonly members: readonly string[] }> {
  const drafted = [...(inside?.draft.groups ?? [])]
    .map(([group, members]) => ({ group, members: [...members] }))
    .sort((a, b) => compareStrings(a.group, b.group));
  for (let after: string | undefined; ; ) {
    const behind = after;
    const found = await read(() =>
      collections.groups
        .find(behind === undefined ? {} : { _id: { $gt: behind } }, { sort: { _id: 1 }, limit: page })
        .toArray(),
    );
    for (const { _id, members } of found) {
      while (drafted[0] !== undefined && compareStrings(drafted[0].group, _id) < 0) yield* some(drafted.shift());
      if (inside?.draft.groups.has(_id) === true) continue;
      yield* some({ group: _id, members: members.filter((member) => inside?.draft.forgotten.has(member) !== true) });
    }
    after = found.at(-1)?._id;
    if (found.length < page) break;
  }
  for (const each of drafted) yield* some(each);
}

function* some(group: { readonly group: string; readonly members: readonly string[] } | undefined) {
  if (group !== undefined && group.members.length > 0) yield { group: group.group, members: [...group.members].sort() };
}

/** Every object once. */
export async function* reachableObjects(
  collections: Collections,
  read: Read,
  { principals, resources, parent }: ReachableQuery,
  inside?: Inside,
): AsyncIterable<ReachableObject> {
  const known = await read(() => collections.resources.find({}, { projection: { _id: 1 } }).toArray());
  const names = known.map(({ _id }) => _id).filter((name) => resources?.includes(name) !== false);
  const stored = principals.filter((principal) => inside?.draft.forgotten.has(principal) !== true).map(bindable);
  for (const resource of names.sort(compareStrings)) {
    const drafted = inside === undefined ? [] : draftedIn(inside, resource);
    const mine = drafted
      .map(({ key }) => key)
      .filter((key) => isBelow(key.parent, parent))
      .sort(compareKeys);
    const own = function* (key: ObjectKey | undefined): Iterable<ReachableObject> {
      if (key !== undefined && inside !== undefined)
        yield* granted(key, draftedPermissions(inside, key) ?? {}, principals);
    };
    const conditions: Condition[] = [{ w: { $in: stored } }, ...parentIs(parent)];
    if (inside !== undefined && drafted.length > 0) conditions.push({ _id: { $nin: unlike(inside, drafted).ids } });
    for (let after: ObjectKey | undefined; ; ) {
      const behind = after;
      const found = await read(() =>
        collections
          .objects(resource)
          .find(conditionFor([...conditions, ...behindKey(behind)]), {
            projection: { p: 1, i: 1, a: 1 },
            sort: { p: 1, i: 1 },
            limit: page,
          })
          .toArray(),
      );
      for (const { p = "", i = "", a } of found) {
        const key = { resource, parent: p, id: i };
        while (mine[0] !== undefined && compareKeys(mine[0], key) < 0) yield* own(mine.shift());
        const permissions = permissionsIn(a === undefined ? {} : { a });
        yield* granted(
          key,
          inside === undefined ? permissions : without(permissions, inside.draft.forgotten),
          principals,
        );
        after = key;
      }
      if (found.length < page) break;
    }
    for (const key of mine) yield* own(key);
  }
}

function* granted(key: ObjectKey, permissions: Permissions, principals: readonly string[]): Iterable<ReachableObject> {
  const names = Object.entries(permissions)
    .filter(([, who]) => who.some((principal) => principals.includes(principal)))
    .map(([name]) => name);
  if (names.length > 0) yield { key, permissions: names.sort() };
}

function behindKey(after: ObjectKey | undefined): readonly Condition[] {
  if (after === undefined) return [];
  return [{ p: { $gte: after.parent } }, { $or: [{ p: { $gt: after.parent } }, { i: { $gt: after.id } }] }];
}

function parentIs(parent: string | undefined): readonly Condition[] {
  if (parent === undefined) return [];
  const text = bindable(parent);
  // Everything that begins with it: "0" is the character behind "/".
  return [{ p: text.endsWith("/") ? { $gte: text, $lt: `${text.slice(0, -1)}0` } : text }];
}

function isBelow(parent: string, wanted: string | undefined): boolean {
  return wanted === undefined || (wanted.endsWith("/") ? parent.startsWith(wanted) : parent === wanted);
}

function compareKeys(a: ObjectKey, b: ObjectKey): number {
  return compareStrings(a.parent, b.parent) || compareStrings(a.id, b.id);
}
