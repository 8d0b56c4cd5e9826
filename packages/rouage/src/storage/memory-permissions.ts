/** Permission entries of the memory storage, read by looking at everything. */
import { compareStrings } from "./evaluate.ts";
import type { MemoryState } from "./memory-state.ts";
import type { PermissionReader, ReachableObject, ReachableQuery } from "./permissions.ts";

export function memoryPermissions(state: () => MemoryState): PermissionReader {
  return {
    of: ({ resource, parent, id }) =>
      state().resources.get(resource)?.lists.get(parent)?.entries.get(id)?.permissions ?? {},

    groupsOf(member) {
      const found = new Set<string>();
      for (const [group, members] of state().groups) if (members.has(member)) found.add(group);
      return found;
    },

    async *groups() {
      for (const group of [...state().groups.keys()].sort(compareStrings))
        yield { group, members: [...(state().groups.get(group) ?? [])].sort() };
    },

    async *reachable(query) {
      yield* [...reachableIn(state(), query)].sort(
        ({ key: a }, { key: b }) =>
          compareStrings(a.resource, b.resource) || compareStrings(a.parent, b.parent) || compareStrings(a.id, b.id),
      );
    },
  };
}

function* reachableIn(
  state: MemoryState,
  { principals, resources, parent }: ReachableQuery,
): Iterable<ReachableObject> {
  const wanted = new Set(principals);
  for (const [resource, { lists }] of state.resources) {
    if (resources !== undefined && !resources.includes(resource)) continue;
    for (const [list, { entries }] of lists) {
      if (parent !== undefined && list !== parent && !(parent.endsWith("/") && list.startsWith(parent))) continue;
      for (const { id, permissions = {} } of entries.values()) {
        const granted = Object.keys(permissions).filter((name) => permissions[name]?.some((who) => wanted.has(who)));
        if (granted.length > 0) yield { key: { resource, parent: list, id }, permissions: granted.sort() };
      }
    }
  }
}
