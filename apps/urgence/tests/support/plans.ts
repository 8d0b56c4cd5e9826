/** Which queries of lists a service makes, and how its database would answer them: judged by the plans, for a measurement would need a million rows. */
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { loadDriver } from "../../../../packages/rouage/src/storage/postgres/driver.ts";
import type { StorageKind } from "../../../../scripts/test-stores.ts";
import { watchMongo } from "./plans-mongodb.ts";

export interface Plan {
  readonly sql: string;
  readonly plan: string;
  /** It looks at every object of a list, although it asks for some by a field. */
  readonly readsAll: boolean;
}

/** Watches what is asked from now on; the answer tells the plans of it. */
export async function watchPlans(t: TestContext, kind: StorageKind): Promise<() => Promise<readonly Plan[]>> {
  if (kind === "mongodb") return watchMongo(t);
  return kind === "postgres" ? watchPostgres(t) : watchSqlite(t);
}

/** Scans in portions by what runs in the background, and the check of a new unique index: nobody waits for them. */
const nobodyWaits = /ORDER BY (5, 1|parent, id) LIMIT \d+|GROUP BY parent/;

function watchSqlite(t: TestContext): () => Promise<readonly Plan[]> {
  const plans = new Map<string, string>();
  const prepare = DatabaseSync.prototype.prepare;
  t.mock.method(DatabaseSync.prototype, "prepare", function (this: DatabaseSync, sql: string) {
    if (isQuery(sql) && !plans.has(sql)) {
      const unbound = prepare.call(this, `EXPLAIN QUERY PLAN ${sql.replaceAll("?", "'x'")}`);
      const lines = unbound.all().map(({ detail }) => String(detail));
      plans.set(sql, lines.join("; "));
    }
    return prepare.call(this, sql);
  });
  return async () =>
    [...plans].map(([sql, plan]) => {
      const asksForField = /\b[rv]_[0-9a-f]{16}\b/.test(sql.split(/ORDER BY/)[0] ?? "");
      const looksAtAll =
        /\bSCAN objects/.test(plan) || /USING (COVERING )?INDEX objects_\d+_(id|revision) \(parent=\?\)/.test(plan);
      return { sql, plan, readsAll: asksForField && looksAtAll && !nobodyWaits.test(sql) };
    });
}

async function watchPostgres(t: TestContext): Promise<() => Promise<readonly Plan[]>> {
  const { Client } = await loadDriver();
  const schemas = new WeakMap<object, string>();
  const asked = new Map<string, Asked & { readonly schema: string }>();
  let address: string | undefined;
  const query = Client.prototype.query as Query;
  t.mock.method(Client.prototype, "query", function (this: InstanceType<typeof Client>, statement: Asked) {
    const schema = /^SET search_path TO ("\w+");/.exec(statement.text)?.[1];
    if (schema !== undefined) {
      schemas.set(this, schema);
      address = `postgres://${this.user}@/${this.database}?host=${encodeURIComponent(this.host)}&port=${this.port}`;
    }
    const own = schemas.get(this);
    if (own !== undefined && isQuery(statement.text))
      asked.set(`${own} ${statement.text}`, { text: statement.text, values: statement.values ?? [], schema: own });
    return query.call(this, statement);
  });
  return async () => {
    const client = new Client({ connectionString: address });
    await client.connect();
    const run = async (text: string, values: readonly unknown[] = []) =>
      (await query.call(client, { text, values })).rows.map((row) => Object.values(row).map(String));
    const plans: Plan[] = [];
    try {
      for (const schema of new Set([...asked.values()].map((each) => each.schema))) await crowd(run, schema);
      for (const { text, values, schema } of asked.values()) {
        await run(`SET search_path TO ${schema}`);
        const plan = (await run(`EXPLAIN ${text}`, values)).flat().join("\n");
        plans.push({
          sql: text,
          plan,
          readsAll: /\bWHERE\b.*rouage_key\(/s.test(text) && looksAtAll(plan) && !nobodyWaits.test(text),
        });
      }
    } finally {
      await client.end();
    }
    return plans;
  };
}

interface Asked {
  readonly text: string;
  readonly values?: readonly unknown[];
}
type Query = (this: unknown, asked: Asked) => Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;
type Run = (text: string, values?: readonly unknown[]) => Promise<readonly (readonly string[])[]>;

/** Reads a table, or all of a list and judges afterwards. */
function looksAtAll(plan: string): boolean {
  const byParent = /(using|Scan on) objects_\d+_(pkey|revision)\b[^\n]*\n\s*Index Cond: \(parent = [^()]+\)$/m;
  return /Seq Scan on objects_/.test(plan) || byParent.test(plan);
}

/** Many more objects like those that are there, each with values of its own, so that the planner has something to choose for. */
async function crowd(run: Run, schema: string): Promise<void> {
  await run(`SET search_path TO ${schema}`);
  for (const [table] of await run(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname LIKE 'objects\\_%'",
  )) {
    await run(`
      INSERT INTO ${table} (parent, id, revision, owner, body)
      SELECT parent, id || '-' || n, revision + n, owner, (
        SELECT jsonb_object_agg(key, CASE jsonb_typeof(value)
          WHEN 'string' THEN to_jsonb((value #>> '{}') || n) WHEN 'number' THEN to_jsonb((value::numeric) + n) ELSE value END)
        FROM jsonb_each(body::jsonb))
      FROM ${table}, generate_series(1, 2000) AS n WHERE body IS NOT NULL`);
    // Of those that come and go there may be none: some with values in the fields that have an index.
    const indexes = await run(
      "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = $1",
      [table],
    );
    const fields = new Set(
      indexes.flatMap(([text = ""]) => [...text.matchAll(/json -> '(\w+)'/g)].map(([, field]) => field)),
    );
    const filler = [...fields].map((field) => `'${field}', n`).join(", ");
    await run(
      `INSERT INTO ${table} (parent, id, revision, body) SELECT '', 'filler' || n, n, jsonb_build_object(${filler}) FROM generate_series(1, 2000) AS n`,
    );
    await run(`ANALYZE ${table}`);
  }
}

function isQuery(sql: string): boolean {
  return /^\s*(SELECT|WITH)\b/.test(sql) && /\bobjects_\d/.test(sql) && !/\bINSERT\b|\bDELETE\b/.test(sql);
}
