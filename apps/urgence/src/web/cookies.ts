/** Cookies of the pages: read defensively, written with every protection the browser knows. */

/** The cookies of a request by name; the first wins, as a later one of the same name may have been injected. */
export function parseCookies(header: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of (header ?? "").slice(0, 8192).split(";")) {
    const equals = pair.indexOf("=");
    if (equals < 1) continue;
    const name = pair.slice(0, equals).trim();
    if (!cookies.has(name)) cookies.set(name, pair.slice(equals + 1).trim());
  }
  return cookies;
}

export interface CookieJar {
  /** The full name of a cookie, with the `__Host-` prefix where the site is served over TLS. */
  name(short: string): string;
  set(short: string, value: string, options?: { readonly maxAge?: number }): string;
  clear(short: string): string;
}

/** `__Host-` cookies (RFC 6265bis §4.1.3.2) bind to this host and TLS; without TLS the prefix is impossible and left out. */
export function cookieJar(secure: boolean): CookieJar {
  const name = (short: string) => (secure ? `__Host-${short}` : short);
  const attributes = `; Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  return {
    name,
    set: (short, value, { maxAge } = {}) =>
      `${name(short)}=${value}${attributes}${maxAge === undefined ? "" : `; Max-Age=${maxAge}`}`,
    clear: (short) => `${name(short)}=${attributes}; Max-Age=0`,
  };
}
