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

interface Decided {
  /** Values that ask for what is so in any case: they are taken, and change nothing. */
  readonly accepted: readonly string[];
  readonly because: string;
}

const durable = { accepted: ["true"], because: "answered writes are on the disk (journal=true)" };
const current = { accepted: [], because: "reads are current, from the primary" };
const answered = { accepted: [], because: "say ?statement_timeout=" };
const connected = { accepted: [], because: "say ?connect_timeout=" };
const retried = { accepted: ["true", "false"], because: "what was lost on the way is found out by the storage itself" };

/** What this storage's promises stand on, and so decides itself. The driver ignores the case of names, and takes a URL's word before that of its caller. */
const decided: Readonly<Record<string, Decided>> = {
  w: { accepted: ["majority"], because: "answered writes are on most servers of a replica set (w=majority)" },
  journal: durable,
  j: durable,
  readpreference: { ...current, accepted: ["primary"] },
  readpreferencetags: current,
  maxstalenessseconds: current,
  readconcernlevel: current,
  retrywrites: retried,
  retryreads: retried,
  wtimeoutms: answered,
  wtimeout: answered,
  sockettimeoutms: answered,
  timeoutms: answered,
  serverselectiontimeoutms: connected,
  connecttimeoutms: connected,
  waitqueuetimeoutms: connected,
};

/** What a URL may say to the driver: how servers are found and talked to. */
const forDriver = new Set(
  [
    ...["replicaSet", "directConnection", "loadBalanced", "srvServiceName", "srvMaxHosts", "heartbeatFrequencyMS"],
    ...["serverMonitoringMode", "appName", "family", "compressors", "zlibCompressionLevel"],
    ...["authSource", "authMechanism", "authMechanismProperties"],
    ...["tls", "ssl", "tlsCAFile", "tlsCRLFile", "tlsCertificateKeyFile", "tlsCertificateKeyFilePassword"],
    ...["tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"],
    ...["maxPoolSize", "minPoolSize", "maxConnecting", "maxIdleTimeMS"],
    ...["proxyHost", "proxyPort", "proxyUsername", "proxyPassword"],
  ].map((name) => name.toLowerCase()),
);

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
  const rest = restOf(parameters).toString();
  return {
    connection: `${scheme}://${location}/${path}${rest === "" ? "" : `?${rest}`}`,
    database,
    prefix,
    connectTimeoutMs,
    statementTimeoutMs,
  };
}

/** What is the driver's to know. */
function restOf(parameters: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams();
  for (const [key, value] of parameters) {
    const name = key.toLowerCase();
    const rule = Object.hasOwn(decided, name) ? decided[name] : undefined;
    if (rule !== undefined) {
      if (rule.accepted.includes(value)) continue;
      throw new Error(`storage: ?${key}= is not for a URL to say: ${rule.because}`);
    }
    if (!forDriver.has(name)) throw new Error(`storage: ?${key}= is no parameter of a URL of MongoDB`);
    // Who listens for other processes keeps a connection most of the time.
    if (name === "maxpoolsize" && value === "1") throw new Error("storage: ?maxPoolSize= is at least 2");
    rest.append(key, value);
  }
  return rest;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "";
  }
}
