/** Writes what a draft has come to: a fixed number of statements however many objects there are, sent without waiting in between. */
import type { Draft, DraftEntry } from "../draft.ts";
import { bindable } from "../sort-key.ts";
import type { ObjectKey } from "../storage.ts";
import type { SqlValue, Statement } from "./connection.ts";
import type { PostgresResource } from "./resources.ts";
import { storableJson } from "./text.ts";

export function saveStatements(
  { entries, lists, log, groups, forgotten }: Draft,
  position: number,
  resourceOf: (name: string) => PostgresResource,
  channel: string,
): readonly Statement[] {
  const statements: Statement[] = [];
  const add = (text: string, ...values: SqlValue[]) => void statements.push({ text, values, prepared: true });

  const byResource = Map.groupBy(entries.values(), ({ key }) => key.resource);
  for (const [resource, written] of byResource) {
    add(
      `INSERT INTO ${resourceOf(resource).table} (parent, id, revision, owner, body, odd)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
       ON CONFLICT (parent, id) DO UPDATE SET revision = excluded.revision, owner = excluded.owner, body = excluded.body, odd = excluded.odd`,
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
  if (replaced.length > 0) {
    add(
      "DELETE FROM aces a USING unnest($1::text[], $2::text[], $3::text[]) AS k (resource, parent, id) WHERE a.resource = k.resource AND a.parent = k.parent AND a.id = k.id",
      replaced.map(({ key }) => key.resource),
      replaced.map(({ key }) => key.parent),
      replaced.map(({ key }) => key.id),
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
  if (log.length > 0) {
    const text = (value: string | undefined) => (value === undefined ? null : bindable(value));
    add(
      `INSERT INTO log (position, time, resource, parent, id, action, revision, type, body, principal, request_id, traceparent)
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])`,
      log.map((_, index) => position + 1 + index),
      log.map(({ time }) => time),
      log.map(({ key }) => key.resource),
      log.map(({ key }) => key.parent),
      log.map(({ key }) => key.id),
      log.map(({ action }) => action),
      log.map(({ revision }) => revision),
      log.map(({ type }) => text(type)),
      log.map(({ body }) => body ?? null),
      log.map(({ context }) => text(context.principal)),
      log.map(({ context }) => text(context.requestId)),
      log.map(({ context }) => text(context.traceparent)),
    );
    // Heard when the transaction is committed, and never of one that is not.
    add("SELECT pg_notify($1, '')", channel);
  }
  return statements;
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
