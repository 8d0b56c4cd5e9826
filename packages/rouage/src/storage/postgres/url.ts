/** What a URL of PostgreSQL says: where the server is, which is for the driver, and how this store uses it. */

export interface PostgresUrl {
  /** For the driver: host, port, database, user, password and TLS. */
  readonly connection: string;
  /** The schema that the store lives in. */
  readonly schema: string;
  /** Most connections of one process. */
  readonly pool: number;
  /** Longest wait for a connection, to the server or of the pool, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for the answer to one statement, in milliseconds. */
  readonly statementTimeoutMs: number;
}

/** One each for groups of writes, transactions, single objects, what takes long, and listening; and at least one for lists. */
const fewestConnections = 6;

/** What a URL may say to the driver: how the server is found and talked to. Some are only known to others' drivers, and harmless: URLs are copied. */
const forDriver = new Set([
  ...["host", "port", "user", "password", "application_name", "options"],
  ...["ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "uselibpqcompat"],
  ...["channel_binding", "gssencmode", "target_session_attrs"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"],
]);

/** @throws Error naming what is wrong, without the password */
export function parsePostgresUrl(text: string, name?: string): PostgresUrl {
  // A host may be missing where a socket is named by `?host=`, which URL does not allow beside a user.
  const match = /^postgres(?:ql)?:\/\/([^?#]*)(?:\?([^#]*))?$/.exec(text);
  if (match === null) throw new Error("not a URL of PostgreSQL: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE");
  const [, location = "", query = ""] = match;
  const parameters = new URLSearchParams(query);
  const take = (key: string): string | undefined => {
    const value = parameters.get(key) ?? undefined;
    parameters.delete(key);
    return value;
  };
  const number = (key: string, otherwise: number, least: number, most: number): number => {
    const value = take(key);
    if (value === undefined) return otherwise;
    const parsed = Number(value);
    if (/^\d+$/.test(value) && parsed >= least && parsed <= most) return parsed;
    throw new Error(`storage: ?${key}= is a whole number from ${least} to ${most}`);
  };
  const schema = take("schema") ?? name ?? "rouage";
  if (schema === "" || schema.includes("\0") || Buffer.byteLength(schema) > 63) {
    throw new Error("storage: ?schema= is a name of at most 63 bytes");
  }
  if (schema === "public" || schema === "information_schema" || schema.startsWith("pg_")) {
    throw new Error(`storage: ?schema=${schema} belongs to others: the store has a schema of its own`);
  }
  const pool = number("pool", 10, fewestConnections, 1_000);
  const connectTimeoutMs = number("connect_timeout", 5, 1, 600) * 1_000;
  const statementTimeoutMs = number("statement_timeout", 8, 1, 3_600) * 1_000;
  for (const key of parameters.keys()) {
    if (!forDriver.has(key)) throw new Error(`storage: ?${key}= is no parameter of a URL of PostgreSQL`);
  }
  const rest = parameters.toString();
  return {
    connection: `postgres://${location}${rest === "" ? "" : `?${rest}`}`,
    schema,
    pool,
    connectTimeoutMs,
    statementTimeoutMs,
  };
}
