/** What a URL of MongoDB says: where the servers are, which is for the driver, and how this store uses them. */

export interface MongoUrl {
  /** For the driver: hosts, user, password, TLS and its other options. */
  readonly connection: string;
  readonly database: string;
  /** Beginning of the names of this store's collections, so that several stores share a database. */
  readonly prefix: string;
  /** Longest wait for a server, or for a connection of the pool, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for one answer, or for the writes of other processes, in milliseconds. */
  readonly statementTimeoutMs: number;
}

/** What this storage's promises stand on, and so decides itself. */
const decided = ["w", "journal", "readPreference", "readConcernLevel", "retryWrites", "socketTimeoutMS", "timeoutMS"];

/** @throws Error naming what is wrong, without the password */
export function parseMongoUrl(text: string, name = "rouage"): MongoUrl {
  const match = /^(mongodb(?:\+srv)?):\/\/([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text);
  if (match === null) {
    throw new Error("not a URL of MongoDB: expected mongodb://USER:PASSWORD@HOST:PORT/DATABASE or mongodb+srv://…");
  }
  const [, scheme = "", location = "", path = "", query = ""] = match;
  const parameters = new URLSearchParams(query);
  const take = (key: string): string | undefined => {
    const value = parameters.get(key) ?? undefined;
    parameters.delete(key);
    return value;
  };
  const seconds = (key: string, otherwise: number, most: number): number => {
    const value = take(key);
    if (value === undefined) return otherwise * 1_000;
    const parsed = Number(value);
    if (/^\d+$/.test(value) && parsed >= 1 && parsed <= most) return parsed * 1_000;
    throw new Error(`storage: ?${key}= is a whole number from 1 to ${most}`);
  };
  for (const key of decided) {
    if (parameters.has(key))
      throw new Error(`storage: ?${key}= is not for a URL to say: writes are durable and reads current`);
  }
  const database = path === "" ? name : decoded(path);
  if (database === "" || Buffer.byteLength(database) > 63 || /[/\\. "$*<>:|?\0]/.test(database)) {
    throw new Error(
      "storage: the database in a URL of MongoDB is a name of at most 63 bytes without / \\ . $ and spaces",
    );
  }
  const prefix = take("prefix") ?? name;
  if (!/^[A-Za-z0-9_-]{1,63}$/.test(prefix) || prefix.startsWith("system")) {
    throw new Error(
      "storage: ?prefix= is a name of at most 63 letters, digits, - and _ that does not begin with system",
    );
  }
  const connectTimeoutMs = seconds("connect_timeout", 5, 600);
  const statementTimeoutMs = seconds("statement_timeout", 8, 3_600);
  const rest = parameters.toString();
  return {
    connection: `${scheme}://${location}/${path}${rest === "" ? "" : `?${rest}`}`,
    database,
    prefix,
    connectTimeoutMs,
    statementTimeoutMs,
  };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "";
  }
}
