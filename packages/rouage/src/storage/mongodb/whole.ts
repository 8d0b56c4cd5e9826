/** What concerns the store as a whole: its lists, and how much there is of everything. */
import { nameOfList } from "../draft.ts";
import { compareStrings } from "../evaluate.ts";
import type { ListState, ResourceTotal } from "../storage.ts";
import { draftedIn, type Inside, unlike } from "./inside.ts";
import type { Collections } from "./names.ts";
import { conditionFor } from "./queries.ts";

/** Documents read in one go. */
const page = 1_000;

/** Every list that was ever touched. */
export async function* listStates(
  { lists }: Collections,
  paged: <T>(work: () => Promise<T>) => Promise<T>,
  inside: Inside | undefined,
): AsyncIterable<ListState> {
  const mine = [...(inside?.draft.lists.values() ?? [])]
    .filter(({ revision }) => revision > 0)
    .map(({ key, revision, purged }): ListState => ({ ...key, revision, purged }))
    .sort(compare);
  for (let after: ListState | undefined; ; ) {
    const behind = after;
    const condition =
      behind === undefined
        ? {}
        : {
            resource: { $gte: behind.resource },
            $or: [{ resource: { $gt: behind.resource } }, { parent: { $gt: behind.parent } }],
          };
    const found = await paged(() => lists.find(condition, { sort: { resource: 1, parent: 1 }, limit: page }).toArray());
    for (const { resource, parent, revision, purged } of found) {
      const state = { resource, parent, revision, purged };
      for (let own = mine[0]; own !== undefined && compare(own, state) < 0; own = mine[0]) {
        yield own;
        mine.shift();
      }
      after = state;
      if (revision > 0 && inside?.draft.lists.has(nameOfList(state)) !== true) yield state;
    }
    if (found.length < page) break;
  }
  yield* mine;
}

export async function totalsOf(
  collections: Collections,
  inside: Inside | undefined,
): Promise<readonly ResourceTotal[]> {
  const totals: ResourceTotal[] = [];
  const names = (await collections.resources.find({}, { projection: { _id: 1 } }).toArray()).map(({ _id }) => _id);
  for (const resource of names.sort(compareStrings)) {
    const drafted = inside === undefined ? [] : draftedIn(inside, resource);
    const others = inside === undefined || drafted.length === 0 ? {} : { _id: { $nin: unlike(inside, drafted).ids } };
    const count = (live: boolean) => collections.objects(resource).countDocuments(conditionFor([{ l: live }, others]));
    const [objects, tombstones] = await Promise.all([count(true), count(false)]);
    totals.push({
      resource,
      objects: objects + drafted.filter(({ live }) => live).length,
      tombstones: tombstones + drafted.filter(({ live, gone }) => !live && gone !== true).length,
    });
  }
  return totals;
}

function compare(a: ListState, b: ListState): number {
  return compareStrings(a.resource, b.resource) || compareStrings(a.parent, b.parent);
}
