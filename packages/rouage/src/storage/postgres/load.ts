/** Loads what commits may ask about, in as many statements as there are kinds of questions, all sent at once. */
import type { Change, ListKey, ObjectKey } from "../storage.ts";
import type { Answer, Connection } from "./connection.ts";
import { type DraftEntry, type DraftList, type Loaded, nameOf, nameOfClaim, nameOfList, uniqueKeys } from "./draft.ts";
import { binding, sqlField } from "./fields.ts";
import type { PostgresResource } from "./resources.ts";
import { headLength } from "./text.ts";

/** What one member of a group asks about. */
export interface Questions {
  readonly changes: readonly Change[];
  /** A list whose revision is asked for. */
  readonly touch?: ListKey;
}

export async function load(
  { run }: Pick<Connection, "run">,
  members: readonly Questions[],
  resourceOf: (name: string) => PostgresResource,
): Promise<Loaded> {
  const lists = new Map<string, ListKey>();
  const keys = new Map<string, Map<string, ObjectKey>>();
  const wishes = new Map<string, Map<string, { readonly parent: string; readonly revision: number }>>();
  const claims = new Map<string, Claim>();
  const needsList = ({ resource, parent }: ListKey) =>
    void lists.set(nameOfList({ resource, parent }), { resource, parent });
  for (const { changes, touch } of members) {
    if (touch !== undefined) needsList(touch);
    for (const change of changes) {
      if (change.kind === "event" || change.kind === "members" || change.kind === "forget") continue;
      needsList(change.key);
      if (change.kind === "list") continue;
      const { key } = change;
      at(keys, key.resource).set(nameOf(key), key);
      if ((change.kind === "put" || change.kind === "delete") && isWish(change.revision)) {
        at(wishes, key.resource).set(`${key.parent}\0${change.revision}`, {
          parent: key.parent,
          revision: change.revision,
        });
      }
      if (change.kind === "put") claim(claims, resourceOf(key.resource), key, change.body);
    }
  }

  const found: Found = { position: 0, lists: new Map(), entries: new Map(), ids: new Map(), holders: new Map() };
  const waiting: Promise<unknown>[] = [];
  const ask = (statement: Parameters<Connection["run"]>[0], use: (answer: Answer) => void) =>
    void waiting.push(run(statement).then(use));
  ask({ text: "SELECT coalesce(max(position), 0) FROM log", prepared: true }, ({ rows }) => {
    found.position = Number(rows[0]?.[0]);
  });
  if (lists.size > 0) {
    const text =
      "SELECT l.resource, l.parent, l.revision, l.purged FROM unnest($1::text[], $2::text[]) AS k (resource, parent) JOIN lists l ON l.resource = k.resource AND l.parent = k.parent";
    const wanted = [...lists.values()];
    const values = [wanted.map(({ resource }) => resource), wanted.map(({ parent }) => parent)];
    ask({ text, values, prepared: true }, ({ rows }) => {
      for (const row of rows as [string, string, number, number][]) {
        const [resource, parent, revision, purged] = row;
        found.lists.set(nameOfList({ resource, parent }), { key: { resource, parent }, revision, purged });
      }
    });
  }
  for (const [resource, wanted] of keys) {
    const { table } = resourceOf(resource);
    const text = `SELECT t.parent, t.id, t.revision, t.owner, t.body IS NOT NULL FROM unnest($1::text[], $2::text[]) AS k (parent, id) JOIN ${table} t ON t.parent = k.parent AND t.id = k.id`;
    const all = [...wanted.values()];
    const values = [all.map(({ parent }) => parent), all.map(({ id }) => id)];
    ask({ text, values, prepared: true }, ({ rows }) => {
      for (const row of rows as [string, string, number, string | null, boolean][]) {
        const [parent, id, revision, owner, live] = row;
        const key = { resource, parent, id };
        found.entries.set(nameOf(key), { key, revision, owner, live });
      }
    });
  }
  for (const [resource, wanted] of wishes) {
    const { table } = resourceOf(resource);
    const text = `SELECT t.parent, t.revision, t.id FROM unnest($1::text[], $2::bigint[]) AS k (parent, revision) JOIN ${table} t ON t.parent = k.parent AND t.revision = k.revision`;
    const all = [...wanted.values()];
    const values = [all.map(({ parent }) => parent), all.map(({ revision }) => revision)];
    ask({ text, values, prepared: true }, ({ rows }) => {
      for (const [parent, revision, id] of rows as [string, number, string][]) {
        const name = `${nameOfList({ resource, parent })}\0${revision}`;
        found.ids.set(name, [...(found.ids.get(name) ?? []), id]);
      }
    });
  }
  for (const each of claims.values()) {
    ask(claimSql(each), ({ rows }) => {
      for (const [n, parent, id] of rows as [number, string, string][]) {
        const { parent: asked, values } = each.asked[n - 1] ?? { parent: "", values: "" };
        const name = nameOfClaim(each.resource, each.constraint, asked, values);
        found.holders.set(name, [...(found.holders.get(name) ?? []), { resource: each.resource.name, parent, id }]);
      }
    });
  }
  await together(waiting);
  return {
    position: found.position,
    list: (key) => found.lists.get(nameOfList(key)),
    entry: (key) => found.entries.get(nameOf(key)),
    idsAt: (key, revision) => found.ids.get(`${nameOfList(key)}\0${revision}`) ?? [],
    holders: (resource, constraint, parent, values) =>
      found.holders.get(nameOfClaim(resource, constraint, parent, values)) ?? [],
  };
}

/** Waits for all of them, then fails with the first that did: none is left to fail unheard. */
export async function together(waiting: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(waiting)) if (outcome.status === "rejected") throw outcome.reason;
}

interface Found {
  position: number;
  readonly lists: Map<string, DraftList>;
  readonly entries: Map<string, DraftEntry>;
  readonly ids: Map<string, readonly string[]>;
  readonly holders: Map<string, readonly ObjectKey[]>;
}

/** Values that objects want under one unique constraint. */
interface Claim {
  readonly resource: PostgresResource;
  readonly constraint: number;
  readonly asked: { readonly parent: string; readonly values: string }[];
}

function claim(claims: Map<string, Claim>, resource: PostgresResource, { parent, id }: ObjectKey, body: string): void {
  for (const [constraint, values] of uniqueKeys(resource, id, body).entries()) {
    if (values === undefined) continue;
    const name = `${resource.name}\0${constraint}`;
    let found = claims.get(name);
    if (found === undefined) {
      found = { resource, constraint, asked: [] };
      claims.set(name, found);
    }
    found.asked.push({ parent, values });
  }
}

function claimSql({ resource, constraint, asked }: Claim) {
  const { declared, definition, table } = resource;
  const { bind, values } = binding();
  const fields = definition.unique[constraint] ?? [];
  const columns: [name: string, list: string, type: string][] = [
    ["parent", bind(asked.map(({ parent }) => parent)), "text"],
  ];
  const conditions = definition.uniqueAcrossParents === true ? [] : ["t.parent = k.parent"];
  for (const [index, name] of fields.entries()) {
    const field = sqlField(name, declared);
    const wanted = asked.map(({ values }) => String((JSON.parse(values) as string[])[index]));
    columns.push([`v${index}`, bind(wanted), "text"]);
    if (field.head !== undefined) conditions.push(`${field.head} = left(k.v${index}, ${headLength})`);
    conditions.push(`${field.key} = k.v${index}`);
  }
  const lists = columns.map(([, list, type]) => `${list}::${type}[]`).join(", ");
  const names = columns.map(([name]) => name).join(", ");
  const text = `SELECT k.n::int, t.parent, t.id FROM unnest(${lists}) WITH ORDINALITY AS k (${names}, n) JOIN ${table} t ON ${conditions.join(" AND ")} WHERE t.body IS NOT NULL`;
  return { text, values, prepared: true };
}

function isWish(revision: number | undefined): revision is number {
  return revision !== undefined && Number.isSafeInteger(revision) && revision > 0;
}

function at<V>(maps: Map<string, Map<string, V>>, name: string): Map<string, V> {
  let found = maps.get(name);
  if (found === undefined) {
    found = new Map();
    maps.set(name, found);
  }
  return found;
}
