/** Cookies as a server needs them (RFC 6265 §4): reading the request's, writing `__Host-` ones; and where a request came from. */

export interface CookieOptions {
  /** Seconds; absent: until the browser closes. 0 deletes. */
  readonly maxAge?: number;
  /** Default `Lax`. */
  readonly sameSite?: "Strict" | "Lax";
}

/**
 * A `Set-Cookie` value that no script can read and no other host can set: `__Host-` names, HttpOnly, Secure, Path=/.
 * @throws Error for a name or value that a cookie cannot carry
 */
export function hostCookie(name: string, value: string, { maxAge, sameSite = "Lax" }: CookieOptions = {}): string {
  if (!/^__Host-[A-Za-z0-9_-]+$/.test(name)) throw new Error(`${name} is no __Host- cookie name`);
  if (!/^[!#-+\--:<-[\]-~]*$/.test(value)) throw new Error(`the value of ${name} is no cookie value`);
  const age = maxAge === undefined ? "" : `; Max-Age=${Math.trunc(maxAge)}`;
  return `${name}=${value}; Path=/; HttpOnly; Secure; SameSite=${sameSite}${age}`;
}

/** The value of one cookie of a `Cookie` header. A name given twice is answered as undefined: one of them is not ours. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined || header.length > 16_384) return undefined;
  let found: string | undefined;
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    if (found !== undefined) return undefined;
    found = unquote(pair.slice(equals + 1).trim());
  }
  return found;
}

function unquote(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

/**
 * Whether a request that changes something came from our own pages: `Sec-Fetch-Site` where the browser sends it, else `Origin`.
 * A request with neither is not from a page and is refused here; APIs that take bearer tokens don't ask this.
 */
export function sameOrigin(header: (name: string) => string | undefined, origin: string): boolean {
  const site = header("sec-fetch-site");
  const sent = header("origin");
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  if (sent !== undefined) return sent === origin;
  return site === "same-origin";
}
