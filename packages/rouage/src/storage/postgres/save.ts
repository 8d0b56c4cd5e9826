/** Writes what a draft has come to: a fixed number of statements however many objects there are, sent without waiting in between. */
import { type Draft, type DraftEntry, nameOf } from "../draft.ts";
import { bindable } from "../sort-key.ts";
import type { ObjectKey } from "../storage.ts";
import type { SqlValue, Statement } from "./connection.ts";
import type { PostgresResource } from "./resources.ts";
import { storableJson } from "./text.ts";

export interface SaveOptions {
  /** Of the newest entry of the log ahead of the draft's first. */
  readonly position: number;
  resourceOf(name: string): PostgresResource;
  /** Entries of the log that are there already. Default 0. */
  readonly logged?: number;
  /** Names of entries that were believed to be new without a look: where one is not, its statement fails. */
  readonly unseen?: ReadonlySet<string>;
}

const upsert =
  "ON CONFLICT (parent, id) DO UPDATE SET revision = excluded.revision, owner = excluded.owner, body = excluded.body, odd = excluded.odd";

export function saveStatements(
  { entries, lists, log, groups, forgotten }: Draft,
  { position, resourceOf, logged = 0, unseen = nothing }: SaveOptions,
): readonly Statement[] {
  const statements: Statement[] = [];
  const add = (text: string, ...values: SqlValue[]) => void statements.push({ text, values, prepared: true });

  const isSeen = ({ key }: DraftEntry) => unseen.size === 0 || !unseen.has(nameOf(key));
  const byTable = Map.groupBy(entries.values(), (entry) => `${isSeen(entry) ? "=" : "+"}${entry.key.resource}`);
  for (const [name, written] of byTable) {
    add(
      `INSERT INTO ${resourceOf(name.slice(1)).table} (parent, id, revision, owner, body, odd)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
       ${name.startsWith("=") ? upsert : ""}`,
      written.map(({ key }) => key.parent),
      written.map(({ key }) => key.id),
      written.map(({ revision }) => revision),
      written.map(({ owner }) => owner),
      written.map(({ body }) => body ?? null),
      written.map(({ body }) => (body === undefined ? null : storableJson(body))),
    );
  }
  if (lists.size > 0) {
    const raised = [...lists.values()];
    add(
      `INSERT INTO lists (resource, parent, revision, purged) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
       ON CONFLICT (resource, parent) DO UPDATE SET revision = excluded.revision, purged = excluded.purged`,
      raised.map(({ key }) => key.resource),
      raised.map(({ key }) => key.parent),
      raised.map(({ revision }) => revision),
      raised.map(({ purged }) => purged),
    );
  }
  const replaced = [...entries.values()].filter(({ permissions }) => permissions !== undefined);
  const former = replaced.filter(isSeen);
  if (former.length > 0) {
    add(
      "DELETE FROM aces a USING unnest($1::text[], $2::text[], $3::text[]) AS k (resource, parent, id) WHERE a.resource = k.resource AND a.parent = k.parent AND a.id = k.id",
      former.map(({ key }) => key.resource),
      former.map(({ key }) => key.parent),
      former.map(({ key }) => key.id),
    );
  }
  if (forgotten.size > 0) {
    const principals = [...forgotten];
    for (const [table, column] of [
      ["aces", "principal"],
      ["members", "member"],
    ]) {
      add(
        `DELETE FROM ${table} USING unnest($1::text[]) AS k (name) WHERE hashtextextended(${column}, 0) = hashtextextended(k.name, 0) AND ${column} = k.name`,
        principals,
      );
    }
  }
  const granted = replaced.flatMap(entriesOf);
  if (granted.length > 0) {
    add(
      "INSERT INTO aces (principal, resource, parent, id, permission) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])",
      granted.map(({ principal }) => principal),
      granted.map(({ key }) => key.resource),
      granted.map(({ key }) => key.parent),
      granted.map(({ key }) => key.id),
      granted.map(({ permission }) => permission),
    );
  }
  if (groups.size > 0) {
    add(
      "DELETE FROM members USING unnest($1::text[]) AS k (name) WHERE hashtextextended(grouping_name, 0) = hashtextextended(k.name, 0) AND grouping_name = k.name",
      [...groups.keys()],
    );
    const rows = [...groups].flatMap(([group, members]) => [...members].map((member) => ({ group, member })));
    if (rows.length > 0) {
      add(
        "INSERT INTO members (member, grouping_name) SELECT * FROM unnest($1::text[], $2::text[])",
        rows.map(({ member }) => member),
        rows.map(({ group }) => group),
      );
    }
  }
  const unlogged = logged === 0 ? log : log.slice(logged);
  if (unlogged.length > 0) {
    const text = (value: string | undefined) => (value === undefined ? null : bindable(value));
    add(
      `INSERT INTO log (position, time, resource, parent, id, action, revision, type, body, principal, request_id, traceparent)
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])`,
      unlogged.map((_, index) => position + logged + 1 + index),
      unlogged.map(({ time }) => time),
      unlogged.map(({ key }) => key.resource),
      unlogged.map(({ key }) => key.parent),
      unlogged.map(({ key }) => key.id),
      unlogged.map(({ action }) => action),
      unlogged.map(({ revision }) => revision),
      unlogged.map(({ type }) => text(type)),
      unlogged.map(({ body }) => body ?? null),
      unlogged.map(({ context }) => text(context.principal)),
      unlogged.map(({ context }) => text(context.requestId)),
      unlogged.map(({ context }) => text(context.traceparent)),
    );
  }
  return statements;
}

const nothing: ReadonlySet<string> = new Set();

/** Tells followers in other processes: heard when the transaction is committed, and never of one that is not. */
export function notification(channel: string): Statement {
  return { text: "SELECT pg_notify($1, '')", values: [channel], prepared: true };
}

interface Granted {
  readonly key: ObjectKey;
  readonly permission: string;
  readonly principal: string;
}

function entriesOf({ key, permissions = {} }: DraftEntry): readonly Granted[] {
  return Object.entries(permissions).flatMap(([permission, principals]) =>
    principals.map((principal) => ({ key, permission, principal })),
  );
}
