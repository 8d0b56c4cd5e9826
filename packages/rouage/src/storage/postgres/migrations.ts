/** The store's own tables and functions, and how older ones are brought up to date. A step that was released is never edited again. */
import type { Connection } from "./connection.ts";
import { identifier, literal } from "./quote.ts";

/** "Roug": first of the two numbers of our advisory locks. */
export const lockClass = 0x526f7567;
const migrationClass = lockClass + 1;

/** The SQL of a step, given the quoted name of the schema. */
export type Migration = (schema: string) => string;

const oldestServer = 130_000;

/** Step n brings a schema from version n to version n + 1. */
export const migrations: readonly Migration[] = [
  (schema) => `
    CREATE TABLE resources (number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE);
    CREATE TABLE lists (
      resource text COLLATE "C" NOT NULL, parent text COLLATE "C" NOT NULL,
      revision bigint NOT NULL, purged bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (resource, parent)
    );
    -- Rows are never deleted, so that the greatest position and one is always a new one.
    CREATE TABLE log (
      position bigint PRIMARY KEY, time bigint NOT NULL,
      resource text COLLATE "C" NOT NULL, parent text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
      action text NOT NULL, revision bigint NOT NULL, type text, body text, principal text, request_id text, traceparent text
    );
    ALTER TABLE log ALTER body SET STATISTICS 0, ALTER principal SET STATISTICS 0;
    CREATE INDEX log_object ON log (resource, parent, id, position);
    -- Principals may be longer than an entry of an index: their hash is what is looked for.
    CREATE TABLE aces (
      principal text COLLATE "C" NOT NULL, resource text COLLATE "C" NOT NULL, parent text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL, permission text COLLATE "C" NOT NULL
    );
    CREATE INDEX aces_principal ON aces (hashtextextended(principal, 0), resource, parent, id, permission);
    CREATE INDEX aces_object ON aces (resource, parent, id);
    CREATE TABLE members (member text COLLATE "C" NOT NULL, grouping_name text COLLATE "C" NOT NULL);
    CREATE INDEX members_member ON members (hashtextextended(member, 0));
    CREATE INDEX members_grouping ON members (hashtextextended(grouping_name, 0));

    -- The double that JSON.parse makes of a number.
    CREATE FUNCTION rouage_number(j jsonb) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    DECLARE n numeric := j::numeric;
    BEGIN
      IF n = 0 OR (abs(n) > 1e-300 AND abs(n) < 1e300) THEN RETURN n::float8; END IF;
      IF abs(n) >= 1.797693134862315808e308 THEN RETURN sign(n)::float8 * 'Infinity'::float8; END IF;
      IF abs(n) < 2.5e-324 THEN RETURN 0; END IF;
      RETURN n::float8;
    END $$;
    -- The text that JavaScript makes of a number.
    CREATE FUNCTION rouage_number_text(x float8) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
      IF x = 0 THEN RETURN '0'; END IF;
      IF abs(x) >= 1e21 OR abs(x) < 1e-6 THEN RETURN replace(x::text, 'e-0', 'e-'); END IF;
      RETURN x::text::numeric::text;
    END $$;
    -- Canonical JSON text, as canonicalJson in evaluate.ts.
    CREATE FUNCTION rouage_canonical(j jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
      CASE jsonb_typeof(j)
        WHEN 'array' THEN
          RETURN '[' || coalesce((
            SELECT string_agg(${schema}.rouage_canonical(e), ',' ORDER BY n) FROM jsonb_array_elements(j) WITH ORDINALITY AS i (e, n)
          ), '') || ']';
        WHEN 'object' THEN
          RETURN '{' || coalesce((
            SELECT string_agg(to_jsonb(k)::text || ':' || ${schema}.rouage_canonical(v), ',' ORDER BY k COLLATE "C") FROM jsonb_each(j) AS i (k, v)
          ), '') || '}';
        WHEN 'number' THEN RETURN ${schema}.rouage_number_text(${schema}.rouage_number(j));
        ELSE RETURN j::text;
      END CASE;
    END $$;
    -- The text that a value is ordered and compared by, as sortKey in text.ts.
    CREATE FUNCTION rouage_key(j jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
    DECLARE x float8;
    BEGIN
      IF j IS NULL THEN RETURN '6'; END IF;
      CASE jsonb_typeof(j)
        WHEN 'string' THEN RETURN '1' || (j #>> '{}');
        WHEN 'number' THEN
          x := ${schema}.rouage_number(j);
          IF x >= 0 THEN RETURN '2p' || encode(float8send(x + 0), 'hex'); END IF;
          RETURN '2n' || translate(encode(float8send(x), 'hex'), '0123456789abcdef', 'fedcba9876543210');
        WHEN 'boolean' THEN RETURN CASE WHEN j::boolean THEN '31' ELSE '30' END;
        WHEN 'null' THEN RETURN '0';
        WHEN 'array' THEN RETURN '4' || ${schema}.rouage_canonical(j);
        ELSE RETURN '5' || ${schema}.rouage_canonical(j);
      END CASE;
    END $$;
    -- What patterns are compared with: strings and numbers only.
    CREATE FUNCTION rouage_text(j jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
      CASE jsonb_typeof(j)
        WHEN 'string' THEN RETURN j #>> '{}';
        WHEN 'number' THEN RETURN ${schema}.rouage_number_text(${schema}.rouage_number(j));
        ELSE RETURN NULL;
      END CASE;
    END $$;`,
];

/** Of each step: what it does, and the table whose rows it has to go through. */
export const migrationWords: readonly { readonly words: string; readonly table?: string }[] = [
  { words: "make the tables and functions of the store" },
];

export interface Migrated {
  /** Of the schema: what this store's locks and notifications are named by, the same for all that use it. */
  readonly number: number;
  readonly created: number;
  /** When it was put back to an earlier time and began anew; 0: never. Who has seen less of a list starts afresh. */
  readonly restored: number;
  /** Collation whose lower case is that of Unicode. */
  readonly unicode: string;
}

/**
 * Brings a schema up to date, a missing one included; several processes may do so at the same time.
 * @throws Error when it is of something else, or was written by a newer version
 */
export async function migrate(
  { run }: Pick<Connection, "run">,
  {
    schema,
    now,
    steps = migrations,
    asFound = false,
  }: {
    readonly schema: string;
    readonly now: number;
    readonly steps?: readonly Migration[];
    /** Nothing is made or brought up to date: a schema that is not as it has to be is an error. */
    readonly asFound?: boolean;
  },
): Promise<Migrated> {
  const quoted = identifier(schema);
  const [server] = (await run("SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"))
    .rows;
  if (Number(server?.[0]) < oldestServer) throw new Error("storage needs PostgreSQL 13 or newer");
  if (server?.[1] !== "UTF8") throw new Error("storage needs a database whose encoding is UTF8");
  // A store that is up to date is not written, so that it also opens where nothing may be created.
  const current = await version(run, schema);
  if (asFound && current < steps.length) {
    throw new Error(
      current === 0
        ? `there is no store in the schema ${schema} of this database`
        : `schema ${schema} is of version ${current}, this one knows version ${steps.length}: start its service once`,
    );
  }
  if (current !== steps.length) {
    await run("BEGIN");
    try {
      await run({
        text: `SELECT pg_advisory_xact_lock(${migrationClass}, hashtext($1))`,
        values: [schema],
        timeoutMs: 0,
      });
      let from = await version(run, schema);
      if (from > steps.length) {
        throw newerVersion(schema, from, steps.length);
      }
      if (from === 0) {
        await run(`CREATE SCHEMA IF NOT EXISTS ${quoted}`);
        await run(`CREATE TABLE ${quoted}.rouage_meta (key text PRIMARY KEY, value bigint NOT NULL)`);
      }
      await run(`SET LOCAL search_path TO ${quoted}`);
      for (const step of steps.slice(from)) {
        await run({ text: step(quoted), timeoutMs: 0 });
        from++;
      }
      await run(
        `INSERT INTO rouage_meta VALUES ('schema', ${from}), ('created', ${now}) ON CONFLICT (key) DO UPDATE
         SET value = CASE WHEN excluded.key = 'schema' THEN excluded.value ELSE rouage_meta.value END`,
      );
      await run("COMMIT");
    } catch (error) {
      await run("ROLLBACK").catch(() => {});
      throw error;
    }
  }
  const [row] = (
    await run(
      `SELECT (SELECT oid::bigint FROM pg_namespace WHERE nspname = ${literal(schema)}),
              (SELECT value FROM ${quoted}.rouage_meta WHERE key = 'created'),
              (SELECT value FROM ${quoted}.rouage_meta WHERE key = 'restored'),
              EXISTS (SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu')`,
    )
  ).rows;
  const [number, created, restored, hasUnicode] = row ?? [];
  return {
    number: Number(number) | 0,
    created: Number(created),
    restored: Number(restored),
    unicode: hasUnicode === true ? '"und-x-icu"' : '"default"',
  };
}

/** 0 where there is no store yet. @throws Error where the schema holds something else */
export async function version(run: Connection["run"], schema: string): Promise<number> {
  const [row] = (
    await run({
      text: `SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'rouage_meta'),
                    EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)`,
      values: [schema],
    })
  ).rows;
  if (row?.[0] !== true) {
    if (row?.[1] === true) throw new Error(`schema ${schema} of this database holds something else`);
    return 0;
  }
  const [found] = (await run(`SELECT value FROM ${identifier(schema)}.rouage_meta WHERE key = 'schema'`)).rows;
  return Number(found?.[0] ?? 0);
}

export function newerVersion(schema: string, version: number, known: number): Error {
  return new Error(
    `schema ${schema} was written by a newer version of Rouage (its version is ${version}, this one knows up to ${known})`,
  );
}
