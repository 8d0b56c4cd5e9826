/** Loads what commits may ask about, in as many queries as there are kinds of questions, all sent at once. */
import { type Loaded, nameOf } from "../draft.ts";
import { type Claim, findings, gathered, type Questions, together } from "../draft-questions.ts";
import type { Permissions } from "../permissions.ts";
import type { ObjectKey } from "../storage.ts";
import { idOf, permissionsIn } from "./documents.ts";
import { nameOfField, turned } from "./fields.ts";
import { any, type Condition } from "./filters.ts";
import type { Collections } from "./names.ts";
import { conditionFor } from "./queries.ts";
import type { MongoResource } from "./resources.ts";

export interface Loader {
  /** Adds what these ask about. */
  load(members: readonly Questions[]): Promise<void>;
  /** What was loaded so far, `position` behind the newest entry of the log. */
  readonly loaded: Loaded;
  /** Permission entries of a key that was loaded, as they are stored. */
  permissionsOf(key: ObjectKey): Permissions;
  /** Whether there is nothing at a key that was loaded, not even what is left of something. */
  isFree(key: ObjectKey): boolean;
  /** Says so of a key that somebody else has looked up. */
  found(key: ObjectKey, permissions: Permissions): void;
}

export function loaderOf(
  collections: Collections,
  resourceOf: (name: string) => MongoResource,
  position: number,
): Loader {
  const found = findings();
  const permissions = new Map<string, Permissions>();

  async function load(members: readonly Questions[]): Promise<void> {
    const { lists, keys, wishes, claims } = gathered(members, resourceOf);
    const waiting: Promise<void>[] = [];
    if (lists.length > 0) {
      waiting.push(
        lookUp(
          lists.map(({ resource, parent }) => JSON.stringify([resource, parent])),
          (ids) => collections.lists.find({ _id: ids }),
          ({ resource, parent, revision, purged }) => found.list({ key: { resource, parent }, revision, purged }),
        ),
      );
    }
    for (const [resource, wanted] of keys) {
      const byId = new Map(wanted.map((key) => [idOf(key), key]));
      const projection = { s: 1, p: 1, i: 1, r: 1, l: 1, o: 1, a: 1 } as const;
      waiting.push(
        lookUp(
          [...byId.keys()],
          (ids) => collections.objects(resource).find({ _id: ids }, { projection }),
          ({ _id, r, l, o, a }) => {
            const key = byId.get(_id);
            if (key === undefined) return;
            permissions.set(nameOf(key), permissionsIn(a === undefined ? {} : { a }));
            if (r !== undefined) found.entry({ key, revision: r, owner: o ?? null, live: l === true });
          },
        ),
      );
    }
    for (const [resource, wanted] of wishes) {
      const condition = any(
        [...Map.groupBy(wanted, ({ parent }) => parent)].map(([parent, some]) => ({
          p: parent,
          r: { $in: some.map(({ revision }) => revision) },
        })),
      );
      const projection = { p: 1, i: 1, r: 1 } as const;
      waiting.push(
        each(
          collections.objects(resource).find(conditionFor([condition]), { projection }),
          ({ p = "", i = "", r = 0 }) => found.id({ resource, parent: p }, r, i),
        ),
      );
    }
    for (const claim of claims) waiting.push(holders(claim));
    await together(waiting);
  }

  async function holders({ resource, constraint, asked }: Claim<MongoResource>): Promise<void> {
    const fields = resource.definition.unique[constraint] ?? [];
    const across = resource.definition.uniqueAcrossParents === true;
    await together(
      asked.map(({ parent, values }) => {
        const conditions: Condition[] = [{ l: true }, ...(across ? [] : [{ p: parent }])];
        for (const [index, key] of (JSON.parse(values) as string[]).entries()) {
          conditions.push(hasKey(fields[index] ?? "", key));
        }
        const cursor = collections
          .objects(resource.name)
          .find(conditionFor(conditions), { projection: { p: 1, i: 1 } });
        return each(cursor, ({ p = "", i = "" }) =>
          found.holder(resource, constraint, parent, values, { resource: resource.name, parent: p, id: i }),
        );
      }),
    );
  }

  return {
    load,
    loaded: found.loaded(position),
    permissionsOf: (key) => permissions.get(nameOf(key)) ?? {},
    isFree: (key) => !permissions.has(nameOf(key)),
    found: (key, entries) => void permissions.set(nameOf(key), entries),
  };
}

/** Of a text that `sortKey` has made. */
function hasKey(field: string, key: string): Condition {
  if (field === "id") return { i: key.slice(1) };
  if (field === "last_modified") return { r: -1 };
  return { [`k.${nameOfField(field)}`]: turned(key) };
}

/** Ids looked up by one query. */
const portion = 500;

async function lookUp<T>(
  ids: readonly string[],
  find: (ids: string | { readonly $in: string[] }) => AsyncIterable<T>,
  use: (document: T) => void,
): Promise<void> {
  const [first] = ids;
  // Some servers use their index for a single one alone.
  if (ids.length === 1 && first !== undefined) return each(find(first), use);
  const waiting: Promise<void>[] = [];
  for (let from = 0; from < ids.length; from += portion) {
    waiting.push(each(find({ $in: ids.slice(from, from + portion) }), use));
  }
  await together(waiting);
}

async function each<T>(documents: AsyncIterable<T>, use: (document: T) => void): Promise<void> {
  for await (const document of documents) use(document);
}
