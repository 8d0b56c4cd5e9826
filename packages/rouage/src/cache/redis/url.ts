/** What a URL of Redis says: where the server is, and how this cache uses it. */

export interface RedisUrl {
  /** By name and port, or by the path of a socket. */
  readonly server: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Undefined: not encrypted. `ca`: file with the certificates that the server's may be signed by, beside those of the runtime. */
  readonly tls: { readonly ca: string | undefined } | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** What each key begins with. */
  readonly prefix: string;
  /** Longest wait for a connection that is ready, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for an answer, in milliseconds. */
  readonly commandTimeoutMs: number;
  /** Longer values are not kept. */
  readonly maxValueBytes: number;
}

/**
 * @param name of the service: what keys begin with unless the URL says
 * @throws Error naming what is wrong, without the password
 */
export function parseRedisUrl(text: string, name = "rouage"): RedisUrl {
  const match =
    /^(rediss?):\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(\[[0-9a-f:.]+\]|[^:@/?#[\]]*)(?::(\d{1,5}))?(?:\/(\d{1,5})?)?(?:\?([^#]*))?$/i.exec(
      text,
    );
  if (match === null) throw new Error("not a URL of Redis: expected redis://USER:PASSWORD@HOST:PORT/DATABASE");
  const [, scheme, user = "", password = "", host = "", port, database, query = ""] = match;
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
    if (/^\d+(\.\d+)?$/.test(value) && parsed >= least && parsed <= most) return parsed;
    throw new Error(`cache: ?${key}= is a number from ${least} to ${most}`);
  };
  const path = take("socket");
  const ca = take("ca");
  const isEncrypted = scheme?.toLowerCase() === "rediss";
  if (path !== undefined && (host !== "" || port !== undefined || isEncrypted)) {
    throw new Error("cache: ?socket= stands in the place of host and port, and is not encrypted");
  }
  if (path === undefined && host === "") throw new Error("cache: a host is missing, or ?socket=PATH");
  if (ca !== undefined && !isEncrypted) throw new Error("cache: ?ca= is for rediss:");
  if (Number(port) > 65_535) throw new Error("cache: the port is a number up to 65535");
  const parsed: RedisUrl = {
    server: path === undefined ? { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port ?? 6379) } : { path },
    tls: isEncrypted ? { ca } : undefined,
    user: user === "" ? undefined : decoded(user),
    password: password === "" ? undefined : decoded(password),
    database: Number(database ?? 0),
    prefix: take("prefix") ?? `${name}:`,
    connectTimeoutMs: number("connect_timeout", 2, 0.05, 600) * 1_000,
    commandTimeoutMs: number("command_timeout", 1, 0.05, 600) * 1_000,
    maxValueBytes: number("max_value_bytes", 1_048_576, 1, 536_870_912),
  };
  const [unknown] = parameters.keys();
  if (unknown !== undefined) {
    throw new Error(
      `cache: ?${unknown}= is not known; there are ${["socket", "ca", "prefix", "connect_timeout", "command_timeout", "max_value_bytes"].join(", ")}`,
    );
  }
  return parsed;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error("cache: user and password are percent-encoded");
  }
}
