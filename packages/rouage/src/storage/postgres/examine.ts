/** What is wrong with a server, a database, a role and a schema. */
import { type ExamineOptions, error, messageOf, type Symptom, skewOf, warning } from "../symptom.ts";
import { type Connection, connect } from "./connection.ts";
import { type Driver, loadDriver } from "./driver.ts";
import { sqlState } from "./failures.ts";
import { migrations, version as versionOf } from "./migrations.ts";
import { type PostgresUrl, parsePostgresUrl } from "./url.ts";

export async function examineServer(
  text: string,
  { name, now = Date.now }: ExamineOptions,
): Promise<readonly Symptom[]> {
  let url: PostgresUrl;
  try {
    url = parsePostgresUrl(text, name);
  } catch (cause) {
    return [
      error("storage-url", messageOf(cause), "correct the setting `storage`; docs/storage.md has its parameters"),
    ];
  }
  let driver: Driver;
  try {
    driver = await loadDriver();
  } catch (cause) {
    return [error("driver", messageOf(cause), "npm install pg, where the service is installed")];
  }
  let connection: Connection;
  try {
    connection = await connect(driver, { url, setup: "SELECT 1" });
  } catch (cause) {
    return [unreachable(cause, url)];
  }
  try {
    return [
      ...(await server(connection, url)),
      ...(await clock(connection, now)),
      ...(await rights(connection, url)),
      ...(await store(connection, url)),
    ];
  } catch (cause) {
    return [error("storage", `the server answers with an error: ${messageOf(cause)}`, "see the server's log")];
  } finally {
    await connection.end();
  }
}

/** Where it is, without user and password. */
function placeOf({ connection }: PostgresUrl): string {
  const [, location = "", query = ""] = /^postgres:\/\/([^?]*)\??(.*)$/.exec(connection) ?? [];
  const host = location.replace(/^[^/]*@/, "").split("/")[0] ?? "";
  return host || (new URLSearchParams(query).get("host") ?? "localhost");
}

function unreachable(cause: unknown, url: PostgresUrl): Symptom {
  const place = placeOf(url);
  const message = messageOf(cause);
  switch (stateOf(cause)) {
    case "28P01":
    case "28000":
      return error(
        "authentication",
        `${place} does not let this role in: ${message}`,
        "correct user and password in `storage`, or pg_hba.conf on the server",
      );
    case "3D000":
      return error(
        "database",
        `${place} has no such database: ${message}`,
        "make it (createdb), or correct its name in `storage`",
      );
    case "53300":
      return error(
        "connections",
        `${place} has no connection left: ${message}`,
        "lower ?pool= of its services, or raise max_connections",
      );
    case undefined:
      if (isOfTls(message))
        return error(
          "tls",
          `${place} cannot be talked to as ?sslmode= says: ${message}`,
          "switch TLS on at the server, or correct ?sslmode= and the certificates' files (?sslrootcert=, …)",
        );
      break;
    case "57P03":
      return error("server", `${place} is starting, stopping or recovering: ${message}`, "wait for it");
  }
  return error(
    "server",
    `${place} cannot be reached: ${message}`,
    "start the server, or correct host and port in `storage`; a firewall between looks like a timeout",
  );
}

/** What the driver and TLS itself say of a server without it, or of a certificate that is not trusted. */
function isOfTls(message: string): boolean {
  return /does not support SSL|certificate|altnames/i.test(message);
}

function stateOf(cause: unknown): string | undefined {
  for (let each = cause; each instanceof Error; each = each.cause) {
    const state = sqlState(each);
    if (state !== undefined) return state;
  }
  return undefined;
}

async function server({ run }: Connection, { pool }: PostgresUrl): Promise<readonly Symptom[]> {
  const [row = []] = (
    await run(
      `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('fsync'),
              current_setting('full_page_writes'), pg_is_in_recovery(), current_setting('default_transaction_read_only'),
              current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
              EXISTS (SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu')`,
    )
  ).rows;
  const [version, encoding, fsync, fullPages, inRecovery, readOnly, connections, hasUnicode] = row;
  const symptoms: Symptom[] = [];
  if (Number(version) < 130_000)
    symptoms.push(
      error("server", `PostgreSQL ${Math.floor(Number(version) / 10_000)} is too old`, "use version 13 or newer"),
    );
  if (encoding !== "UTF8")
    symptoms.push(error("encoding", `the database has the encoding ${encoding}`, "make one with ENCODING 'UTF8'"));
  if (fsync !== "on" || fullPages !== "on")
    symptoms.push(
      error(
        "durability",
        `the server runs with ${fsync === "on" ? "full_page_writes" : "fsync"} off: a power cut may cost the whole database`,
        "switch it on in postgresql.conf",
      ),
    );
  if (inRecovery === true || readOnly === "on")
    symptoms.push(
      error("server", "the server takes no writes: it is a replica, or read-only", "name the primary in `storage`"),
    );
  if (Number(connections) < pool)
    symptoms.push(
      warning(
        "connections",
        `one process takes up to ${pool} connections, the server has ${connections} for all`,
        "raise max_connections, or lower ?pool=",
      ),
    );
  if (hasUnicode !== true)
    symptoms.push(
      warning(
        "collation",
        "the server has no ICU: `like` ignores case as the database's locale does",
        "use a server that was built with ICU",
      ),
    );
  return symptoms;
}

async function clock({ run }: Connection, now: () => number): Promise<readonly Symptom[]> {
  const before = now();
  const theirs = Number((await run("SELECT extract(epoch FROM clock_timestamp()) * 1000")).rows[0]?.[0]);
  return skewOf(theirs, before, now());
}

async function rights({ run }: Connection, { schema }: PostgresUrl): Promise<readonly Symptom[]> {
  const [row = []] = (
    await run({
      text: `SELECT current_user, current_database(), has_database_privilege(current_database(), 'CREATE'),
                    (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1)`,
      values: [schema],
    })
  ).rows;
  const [role, database, mayCreate, owns] = row;
  if (owns === null && mayCreate !== true)
    return [
      error(
        "rights",
        `the role ${role} may not make the schema ${schema}`,
        `GRANT CREATE ON DATABASE "${database}" TO "${role}", or make the schema for it: CREATE SCHEMA "${schema}" AUTHORIZATION "${role}"`,
      ),
    ];
  if (owns === false)
    return [
      error(
        "rights",
        `the schema ${schema} belongs to another role than ${role}`,
        `ALTER SCHEMA "${schema}" OWNER TO "${role}", with its tables, or name another ?schema=`,
      ),
    ];
  return [];
}

async function store({ run }: Connection, { schema }: PostgresUrl): Promise<readonly Symptom[]> {
  try {
    const version = await versionOf(run, schema);
    const wanted = migrations.length;
    if (version > wanted)
      return [
        error(
          "storage-version",
          `the schema ${schema} was written by a newer version of Rouage (${version}; this one knows ${wanted})`,
          "install that version",
        ),
      ];
    if (version > 0 && version < wanted)
      return [
        warning(
          "storage-version",
          `the schema ${schema} is of version ${version}, this Rouage writes ${wanted}`,
          "rouage migrate does what is needed; so does a start, unless migrate=check",
        ),
      ];
    return [];
  } catch (cause) {
    return [error("schema", messageOf(cause), "name a ?schema= of its own")];
  }
}
