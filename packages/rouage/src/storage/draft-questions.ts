/** What commits ask about, gathered from all that share a step, and what was found of it: how a database is asked is each storage's. */
import {
  type DraftEntry,
  type DraftList,
  type DraftResource,
  type Loaded,
  nameOf,
  nameOfClaim,
  nameOfList,
  uniqueKeys,
} from "./draft.ts";
import type { Change, ListKey, ObjectKey } from "./storage.ts";

/** What one of them asks about. */
export interface Questions {
  readonly changes: readonly Change[];
  /** A list whose revision is asked for. */
  readonly touch?: ListKey;
}

/** A revision of a list that a client wishes for. */
export interface Wish {
  readonly parent: string;
  readonly revision: number;
}

/** Values that objects want under one unique constraint. */
export interface Claim<Resource extends DraftResource> {
  readonly resource: Resource;
  readonly constraint: number;
  readonly asked: readonly { readonly parent: string; readonly values: string }[];
}

export interface Gathered<Resource extends DraftResource> {
  readonly lists: readonly ListKey[];
  /** By resource. */
  readonly keys: ReadonlyMap<string, readonly ObjectKey[]>;
  /** By resource. */
  readonly wishes: ReadonlyMap<string, readonly Wish[]>;
  readonly claims: readonly Claim<Resource>[];
}

export function gathered<Resource extends DraftResource>(
  members: readonly Questions[],
  resourceOf: (name: string) => Resource,
): Gathered<Resource> {
  const lists = new Map<string, ListKey>();
  const keys = new Map<string, Map<string, ObjectKey>>();
  const wishes = new Map<string, Map<string, Wish>>();
  const claims = new Map<
    string,
    {
      readonly resource: Resource;
      readonly constraint: number;
      readonly asked: { readonly parent: string; readonly values: string }[];
    }
  >();
  const needsList = ({ resource, parent }: ListKey) =>
    void lists.set(nameOfList({ resource, parent }), { resource, parent });
  for (const { changes, touch } of members) {
    if (touch !== undefined) needsList(touch);
    for (const change of changes) {
      if (change.kind === "event" || change.kind === "members" || change.kind === "forget") continue;
      needsList(change.key);
      if (change.kind === "list") continue;
      const { key } = change;
      if (!isFresh(change)) at(keys, key.resource).set(nameOf(key), key);
      if ((change.kind === "put" || change.kind === "delete") && isWish(change.revision)) {
        const { revision } = change;
        at(wishes, key.resource).set(`${key.parent}\0${revision}`, { parent: key.parent, revision });
      }
      if (change.kind !== "put") continue;
      const resource = resourceOf(key.resource);
      for (const [constraint, values] of uniqueKeys(resource, key.id, change.body).entries()) {
        if (values === undefined) continue;
        const name = `${resource.name}\0${constraint}`;
        const claim = claims.get(name) ?? { resource, constraint, asked: [] };
        claims.set(name, claim);
        claim.asked.push({ parent: key.parent, values });
      }
    }
  }
  return {
    lists: [...lists.values()],
    keys: new Map([...keys].map(([resource, wanted]) => [resource, [...wanted.values()]])),
    wishes: new Map([...wishes].map(([resource, wanted]) => [resource, [...wanted.values()]])),
    claims: [...claims.values()],
  };
}

/** Its id was made for it: nothing can be there. */
function isFresh(change: Change): boolean {
  return change.kind === "put" && change.expect.kind === "absent" && change.expect.isNew === true;
}

/** What was found so far; more may be added. */
export interface Findings {
  list(list: DraftList): void;
  entry(entry: DraftEntry): void;
  /** An entry of a list that has this revision. */
  id(list: ListKey, revision: number, id: string): void;
  /** An object with these values, for whoever asks about them from `asked`. */
  holder(resource: DraftResource, constraint: number, asked: string, values: string, key: ObjectKey): void;
  /** `position`: of the newest entry of the log. */
  loaded(position: number): Loaded;
}

export function findings(): Findings {
  const lists = new Map<string, DraftList>();
  const entries = new Map<string, DraftEntry>();
  const ids = new Map<string, Set<string>>();
  const holders = new Map<string, Map<string, ObjectKey>>();
  return {
    list: (list) => void lists.set(nameOfList(list.key), list),
    entry: (entry) => void entries.set(nameOf(entry.key), entry),
    id(list, revision, id) {
      const name = `${nameOfList(list)}\0${revision}`;
      const known = ids.get(name) ?? new Set();
      ids.set(name, known.add(id));
    },
    holder: (resource, constraint, asked, values, key) =>
      void at(holders, nameOfClaim(resource, constraint, asked, values)).set(nameOf(key), key),
    loaded: (position) => ({
      position,
      list: (key) => lists.get(nameOfList(key)),
      entry: (key) => entries.get(nameOf(key)),
      idsAt: (key, revision) => [...(ids.get(`${nameOfList(key)}\0${revision}`) ?? [])],
      holders: (resource, constraint, parent, values) => [
        ...(holders.get(nameOfClaim(resource, constraint, parent, values))?.values() ?? []),
      ],
    }),
  };
}

/** Waits for all of them, then fails with the first that did: none is left to fail unheard. */
export async function together(waiting: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(waiting)) if (outcome.status === "rejected") throw outcome.reason;
}

function isWish(revision: number | undefined): revision is number {
  return revision !== undefined && Number.isSafeInteger(revision) && revision > 0;
}

function at<V>(maps: Map<string, Map<string, V>>, name: string): Map<string, V> {
  const found = maps.get(name) ?? new Map<string, V>();
  maps.set(name, found);
  return found;
}
