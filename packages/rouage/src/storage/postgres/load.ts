/** Loads what commits may ask about, in as many statements as there are kinds of questions, all sent at once. */
import type { Loaded } from "../draft.ts";
import {
  type Claim,
  type Findings,
  findings,
  type Gathered,
  gathered,
  type Questions,
  together,
} from "../draft-questions.ts";
import type { Answer, Connection } from "./connection.ts";
import { binding, sqlField } from "./fields.ts";
import { newest } from "./point-reads.ts";
import type { PostgresResource } from "./resources.ts";
import { headLength } from "./text.ts";

type Run = Pick<Connection, "run">;

export async function load(
  connection: Run,
  members: readonly Questions[],
  resourceOf: (name: string) => PostgresResource,
): Promise<Loaded> {
  const found = findings();
  const position = newest(connection);
  await together([position, ...answersTo(connection, gathered(members, resourceOf), found, resourceOf)]);
  return found.loaded(await position);
}

/** Asks at once; what is found is in `found` when all of them have resolved. */
export function answersTo(
  { run }: Run,
  { lists, keys, wishes, claims }: Gathered<PostgresResource>,
  found: Findings,
  resourceOf: (name: string) => PostgresResource,
): readonly Promise<unknown>[] {
  const waiting: Promise<unknown>[] = [];
  const ask = (statement: Parameters<Connection["run"]>[0], use: (answer: Answer) => void) =>
    void waiting.push(run(statement).then(use));
  if (lists.length > 0) {
    const text =
      "SELECT l.resource, l.parent, l.revision, l.purged FROM unnest($1::text[], $2::text[]) AS k (resource, parent) JOIN lists l ON l.resource = k.resource AND l.parent = k.parent";
    const values = [lists.map(({ resource }) => resource), lists.map(({ parent }) => parent)];
    ask({ text, values, prepared: true }, ({ rows }) => {
      for (const row of rows as [string, string, number, number][]) {
        const [resource, parent, revision, purged] = row;
        found.list({ key: { resource, parent }, revision, purged });
      }
    });
  }
  for (const [resource, wanted] of keys) {
    const { table } = resourceOf(resource);
    const text = `SELECT t.parent, t.id, t.revision, t.owner, t.body IS NOT NULL FROM unnest($1::text[], $2::text[]) AS k (parent, id) JOIN ${table} t ON t.parent = k.parent AND t.id = k.id`;
    const values = [wanted.map(({ parent }) => parent), wanted.map(({ id }) => id)];
    ask({ text, values, prepared: true }, ({ rows }) => {
      for (const row of rows as [string, string, number, string | null, boolean][]) {
        const [parent, id, revision, owner, live] = row;
        found.entry({ key: { resource, parent, id }, revision, owner, live });
      }
    });
  }
  for (const [resource, wanted] of wishes) {
    const { table } = resourceOf(resource);
    const text = `SELECT t.parent, t.revision, t.id FROM unnest($1::text[], $2::bigint[]) AS k (parent, revision) JOIN ${table} t ON t.parent = k.parent AND t.revision = k.revision`;
    const values = [wanted.map(({ parent }) => parent), wanted.map(({ revision }) => revision)];
    ask({ text, values, prepared: true }, ({ rows }) => {
      for (const [parent, revision, id] of rows as [string, number, string][])
        found.id({ resource, parent }, revision, id);
    });
  }
  for (const each of claims) {
    ask(claimSql(each), ({ rows }) => {
      for (const [n, parent, id] of rows as [number, string, string][]) {
        const { parent: asked, values } = each.asked[n - 1] ?? { parent: "", values: "" };
        found.holder(each.resource, each.constraint, asked, values, { resource: each.resource.name, parent, id });
      }
    });
  }
  return waiting;
}

function claimSql({ resource, constraint, asked }: Claim<PostgresResource>) {
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
