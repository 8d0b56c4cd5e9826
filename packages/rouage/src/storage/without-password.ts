/** The URL of a store as people may read it, on a screen or in a log. */

/** Without user and password, also where a password has signs that a URL writes otherwise (`@`, `/`, `?`, `#`). */
export function withoutPassword(url: string): string {
  return url.startsWith("sqlite:") ? url : url.replace(/\/\/.*@/, "//***@");
}
