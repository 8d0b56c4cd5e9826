/** From a draft to what a step of the journal says: for every key what is left there, whole, so that it can be applied again and late. */
import { type Draft, type DraftEntry, nameOf } from "../draft.ts";
import { withoutPrincipal } from "../normal-permissions.ts";
import type { Permissions } from "../permissions.ts";
import { permissionsIn, type Written } from "./documents.ts";
import { type BlankScope, type Content, rowOf } from "./journal.ts";
import type { Loader } from "./load.ts";
import type { Collections } from "./names.ts";

/** @param blanked Entries of the log that are not the draft's own. */
export async function contentOf(
  draft: Draft,
  loader: Loader,
  collections: Collections,
  blanked: readonly BlankScope[] = [],
): Promise<Content> {
  const objects: Written[] = [];
  for (const entry of draft.entries.values()) {
    const { key, revision, body, owner, live } = entry;
    if (entry.gone === true) objects.push({ kind: "gone", key });
    else {
      const permissions = permissionsOfDraft(entry, draft, loader);
      const isNew = loader.isFree(key);
      objects.push({ kind: "entry", key, revision, body: live ? body : undefined, owner, permissions, isNew });
    }
  }
  const groups = [...draft.groups].map(([group, members]) => ({ group, members: [...members] }));
  if (draft.forgotten.size > 0) await forget(draft, collections, objects, groups);
  return {
    log: draft.log.map(rowOf),
    objects,
    lists: [...draft.lists.values()].map(({ key, revision, purged }) => ({ ...key, revision, purged })),
    groups,
    blanked,
  };
}

/** Those of a drafted entry, kept ones included. */
export function permissionsOfDraft(
  { key, permissions, live }: DraftEntry,
  { forgotten }: Draft,
  loader: Loader,
): Permissions {
  return permissions ?? (live ? without(loader.permissionsOf(key), forgotten) : {});
}

export function without(permissions: Permissions, forgotten: ReadonlySet<string>): Permissions {
  let result = permissions;
  for (const principal of forgotten) result = withoutPrincipal(result, principal);
  return result;
}

/** Strikes principals out of everything that the draft does not replace. */
async function forget(
  { entries, groups: drafted, forgotten }: Draft,
  collections: Collections,
  objects: Written[],
  groups: { readonly group: string; readonly members: readonly string[] }[],
): Promise<void> {
  const principals = [...forgotten];
  for await (const { _id: resource } of collections.resources.find()) {
    const found = collections.objects(resource).find({ w: { $in: principals } }, { projection: { p: 1, i: 1, a: 1 } });
    for await (const { p, i, a } of found) {
      if (p === undefined || i === undefined || a === undefined) continue;
      const key = { resource, parent: p, id: i };
      if (entries.has(nameOf(key))) continue;
      objects.push({ kind: "permissions", key, permissions: without(permissionsIn({ a }), forgotten) });
    }
  }
  for await (const { _id: group, members } of collections.groups.find({ members: { $in: principals } })) {
    if (drafted.has(group)) continue;
    groups.push({ group, members: members.filter((member) => !forgotten.has(member)) });
  }
}

export function isEmpty({ log, objects, lists, groups, blanked }: Content): boolean {
  return log.length + objects.length + lists.length + groups.length + blanked.length === 0;
}
