/** Takes things out: purged tombstones, what is erased, and everything. Each is a step like others, so that others do it again where this process dies. */
import { nameOfList } from "../draft.ts";
import { bindable } from "../sort-key.ts";
import type { EraseCount, EraseScope, ListKey, ObjectKey } from "../storage.ts";
import { countCarrying } from "./apply.ts";
import type { Condition } from "./filters.ts";
import { all } from "./filters.ts";
import { draftedIn, type Inside, rowsOf, unlike } from "./inside.ts";
import { type BlankScope, carries, isWithin } from "./journal.ts";
import { conditionFor } from "./queries.ts";
import type { Store } from "./writer.ts";

interface Key extends ObjectKey {
  readonly live: boolean;
}

export async function erase(store: Store, inside: Inside, scopes: readonly EraseScope[]): Promise<EraseCount> {
  let objects = 0;
  let tombstones = 0;
  let logEntries = 0;
  for (const scope of scopes) {
    const keys = await keysIn(
      store,
      inside,
      scope.resource,
      [
        ...(scope.parent === undefined ? [] : [{ p: bindable(scope.parent) }]),
        ...(scope.id === undefined ? [] : [{ i: bindable(scope.id) }]),
      ],
      (key) => (scope.parent ?? key.parent) === key.parent && (scope.id ?? key.id) === key.id,
    );
    objects += keys.filter(({ live }) => live).length;
    tombstones += keys.filter(({ live }) => !live).length;
    await inside.loader.load([...listsOf(keys)].map((touch) => ({ changes: [], touch })));
    inside.draft.erase(keys, store.now());
    logEntries += await blankEntries(store, inside, scope);
  }
  return { objects, tombstones, logEntries };
}

async function blankEntries({ collections }: Store, inside: Inside, scope: BlankScope): Promise<number> {
  const besides = inside.blanked.map((each) => each.scope);
  const own = rowsOf(inside).filter((row) => carries(row) && isWithin(row, [scope])).length;
  const stored = await countCarrying(collections, inside.n, [scope], besides);
  if (own + stored > 0) inside.blanked.push({ scope, own: inside.draft.log.length });
  return own + stored;
}

export async function purge(store: Store, inside: Inside, list: ListKey, before: number): Promise<number> {
  const keys = (
    await keysIn(
      store,
      inside,
      list.resource,
      [{ p: bindable(list.parent) }, { l: false }, { r: { $lt: before } }],
      (key, live, revision) => key.parent === list.parent && !live && revision < before,
    )
  ).map(({ id }) => id);
  if (keys.length === 0) return 0;
  const key = { resource: list.resource, parent: list.parent };
  await inside.loader.load([{ changes: [], touch: key }]);
  inside.draft.purge(key, keys, before);
  return keys.length;
}

export async function flush(store: Store, inside: Inside): Promise<void> {
  const { collections } = store;
  const resources = (await collections.resources.find().toArray()).map(({ _id }) => _id);
  for (const resource of resources) {
    inside.draft.erase(await keysIn(store, inside, resource, [], () => true), store.now());
  }
  const lists = new Map<string, ListKey>();
  for await (const { resource, parent, revision } of collections.lists.find()) {
    if (revision > 0) lists.set(nameOfList({ resource, parent }), { resource, parent });
  }
  for (const [name, { key }] of inside.draft.lists) lists.set(name, key);
  inside.draft.forgetLists([...lists.values()]);
  for await (const { _id, members } of collections.groups.find()) {
    if (members.length > 0) inside.draft.setGroup(_id, []);
  }
  for (const group of [...inside.draft.groups.keys()]) inside.draft.setGroup(group, []);
  inside.blanked.push({ scope: "everything", own: inside.draft.log.length });
}

/** What is there, as the transaction sees it. */
async function keysIn(
  { collections }: Store,
  inside: Inside,
  resource: string,
  conditions: readonly Condition[],
  isWanted: (key: ObjectKey, live: boolean, revision: number) => boolean,
): Promise<readonly Key[]> {
  const drafted = draftedIn(inside, resource);
  const { ids } = unlike(inside, drafted);
  const condition = all([
    { l: { $in: [true, false] } },
    ...conditions,
    ...(ids.length === 0 ? [] : [{ _id: { $nin: ids } }]),
  ]);
  const keys: Key[] = [];
  const stored = collections.objects(resource).find(conditionFor([condition]), { projection: { p: 1, i: 1, l: 1 } });
  for await (const { p, i, l } of stored) {
    const key = { resource, parent: p ?? "", id: i ?? "" };
    inside.loader.found(key, {});
    keys.push({ ...key, live: l === true });
  }
  for (const { key, live, gone, revision } of drafted) {
    if (gone !== true && isWanted(key, live, revision)) keys.push({ ...key, live });
  }
  return keys;
}

function listsOf(keys: readonly ObjectKey[]): Iterable<ListKey> {
  return new Map(keys.map(({ resource, parent }) => [nameOfList({ resource, parent }), { resource, parent }])).values();
}
