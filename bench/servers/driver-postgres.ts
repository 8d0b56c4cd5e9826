/**
 * PostgreSQL alone: `pg`, prepared statements. Reads and single writes go through a pool of ten connections, a statement after the other; a group of
 * writes is two round trips on one connection.
 */
import pg from "pg";
import { indexed } from "../../packages/rouage/src/storage/postgres/fields.ts";
import { parsePostgresUrl } from "../../packages/rouage/src/storage/postgres/url.ts";
import { sortKey } from "../../packages/rouage/src/storage/sort-key.ts";
import { type Driver, grouped, type Put, rendered } from "./driver-statements.ts";

const lock = "SELECT pg_advisory_xact_lock(42, 1)";
const latest =
  "SELECT (SELECT coalesce(max(position), 0) FROM log), (SELECT revision FROM lists WHERE resource = 'kittens' AND parent = '')";
const entries =
  "INSERT INTO log (position, time, resource, parent, id, action, revision, body, principal) SELECT p, $2, 'kittens', '', i, a, r, b, 'account:bench' FROM unnest($1::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[]) AS n (p, i, a, r, b)";
const objects =
  "INSERT INTO objects_1 (parent, id, revision, owner, body) SELECT '', i, r, 'account:bench', b FROM unnest($1::text[], $2::bigint[], $3::text[]) AS n (i, r, b) ON CONFLICT (parent, id) DO UPDATE SET revision = excluded.revision, body = excluded.body";
const raise = "UPDATE lists SET revision = $1 WHERE resource = 'kittens' AND parent = ''";
const select = "SELECT revision, body FROM objects_1 WHERE parent = '' AND id = $1";
/** By the expression of the toolkit's index, and the text that it orders a number by. */
const page = `SELECT id, revision, body FROM objects_1 WHERE parent = '' AND body IS NOT NULL AND ${indexed("group")} = $1 ORDER BY revision DESC LIMIT 50`;

type Runner = Pick<pg.ClientBase, "query">;

export async function driver(url: string, isGrouped: boolean): Promise<Driver> {
  const { connection, schema } = parsePostgresUrl(url);
  const settings = { connectionString: connection, options: `-c search_path=${schema}` };
  const pool = new pg.Pool({ ...settings, max: 10 });
  const single = new pg.Client({ ...settings, ...{ pipeline: true } });
  await single.connect();
  const run = (on: Runner, name: string, text: string, values: readonly unknown[] = []) =>
    on.query({ name, text, values: [...values], rowMode: "array" });

  /** @param send whether to wait for each statement */
  async function write(
    on: Runner,
    groups: readonly (readonly Put[])[],
    waits: boolean,
  ): Promise<readonly (readonly string[])[]> {
    const steps: Promise<unknown>[] = [];
    const step = async (answer: Promise<unknown>): Promise<void> => {
      if (waits) await answer;
      else steps.push(answer);
    };
    const all = groups.flat();
    await step(on.query("BEGIN"));
    await step(run(on, "lock", lock));
    for (const { id, isNew } of all) if (!isNew) await step(run(on, "select", select, [id]));
    const { rows } = await run(on, "latest", latest);
    const [position, from] = (rows[0] as unknown as readonly [string, string]).map(Number);
    const now = Date.now();
    let revision = from ?? 0;
    const revisions = all.map(() => {
      revision = Math.max(now, revision + 1);
      return revision;
    });
    const ids = all.map(({ id }) => id);
    const bodies = all.map(({ body }) => body);
    await step(run(on, "objects", objects, [ids, revisions, bodies]));
    await step(run(on, "raise", raise, [revision]));
    const positions = all.map((_, index) => (position ?? 0) + 1 + index);
    const actions = all.map(({ isNew }) => (isNew ? "create" : "update"));
    await step(run(on, "entries", entries, [positions, now, ids, actions, revisions, bodies]));
    await step(on.query("COMMIT"));
    await Promise.all(steps);
    let next = 0;
    return groups.map((puts) => puts.map(({ id, body }) => rendered(id, revisions[next++] ?? 0, body)));
  }

  async function alone(puts: readonly Put[]): Promise<readonly string[]> {
    const client = await pool.connect();
    try {
      return (await write(client, [puts], true))[0] ?? [];
    } finally {
      client.release();
    }
  }

  return {
    async get(id) {
      const { rows } = await run(pool as unknown as Runner, "select", select, [id]);
      const row = rows[0] as unknown as readonly [string, string] | undefined;
      return row && rendered(id, Number(row[0]), row[1]);
    },
    async list(group) {
      const { rows } = await run(pool as unknown as Runner, "page", page, [sortKey(group)]);
      return (rows as unknown as readonly [string, string, string][]).map(([id, revision, body]) =>
        rendered(id, Number(revision), body),
      );
    },
    put: isGrouped ? grouped((groups) => write(single, groups, false)) : alone,
  };
}
