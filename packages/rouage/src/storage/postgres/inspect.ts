/**
 * What only PostgreSQL can say of a schema: whether its indexes are sound and agree with their tables (by the extension amcheck, where the database has
 * it), and rows that belong to nothing. Reads one state, through a connection of its own, and keeps nobody from writing.
 */
import type { Finding } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { ConnectionLost, sqlState } from "./failures.ts";
import { identifier } from "./quote.ts";
import { tablesOf } from "./whole.ts";

/** Findings of one kind. */
const most = 100;

export async function* inspectSchema(open: () => Promise<Connection>): AsyncIterable<Finding> {
  const connection = await open();
  try {
    await connection.run("SET idle_in_transaction_session_timeout = 0; SET enable_seqscan = on");
    yield* indexes(connection);
    await connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    yield* orphans(connection);
    await connection.run("COMMIT");
  } finally {
    await connection.end();
  }
}

async function* indexes({ run }: Connection): AsyncIterable<Finding> {
  const found = await run(
    `SELECT c.relname, i.indisvalid AND i.indisready FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relnamespace = current_schema()::regnamespace ORDER BY c.relname`,
  );
  const [extension] = (
    await run(
      "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'",
    )
  ).rows;
  if (extension === undefined) {
    yield {
      kind: "skipped",
      message:
        "whether indexes agree with their tables: the database has no amcheck (a superuser's CREATE EXTENSION amcheck)",
    };
  }
  for (const [name, usable] of found.rows) {
    const index = String(name);
    if (usable !== true) {
      yield { kind: "violation", rule: "backend", message: `the index ${index} is not usable` };
      continue;
    }
    if (extension === undefined) continue;
    const check = `${identifier(String(extension[0]))}.bt_index_check`;
    try {
      await run({ text: `SELECT ${check}(to_regclass($1), true)`, values: [identifier(index)], timeoutMs: 0 });
    } catch (error) {
      if (error instanceof ConnectionLost) throw error;
      const message = error instanceof Error ? error.message : String(error);
      if (sqlState(error) === notAllowed) {
        yield {
          kind: "skipped",
          message: `whether indexes agree with their tables: ${message} (GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean))`,
        };
        return;
      }
      yield { kind: "violation", rule: "backend", message };
    }
  }
}

const notAllowed = "42501";

async function* orphans({ run }: Connection): AsyncIterable<Finding> {
  for (const { resource, table } of await tablesOf({ run })) {
    const { rows } = await run({
      text: `SELECT DISTINCT parent, id FROM aces a WHERE resource = $1
             AND NOT EXISTS (SELECT 1 FROM ${table} o WHERE o.parent = a.parent AND o.id = a.id AND o.body IS NOT NULL) LIMIT ${most}`,
      values: [resource],
      timeoutMs: 0,
    });
    for (const [parent, id] of rows) {
      const key = { resource, parent: String(parent), id: String(id) };
      yield { kind: "violation", rule: "permissions", ...key, message: "has permission entries, and is not there" };
    }
  }
  for (const table of ["aces", "lists"]) {
    const { rows } = await run({
      text: `SELECT DISTINCT resource FROM ${table} WHERE resource NOT IN (SELECT name FROM resources) LIMIT ${most}`,
      timeoutMs: 0,
    });
    for (const [resource] of rows) {
      yield {
        kind: "violation",
        rule: "backend",
        resource: String(resource),
        message: `${table} has rows of a resource that the store does not know`,
      };
    }
  }
}
