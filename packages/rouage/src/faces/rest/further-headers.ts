/** Headers that some answers carry beside those of their endpoint: pages of other origins may read them too. */

type Headers = Record<string, string | readonly string[]>;

/** Adds fields; a `link` that is there already is continued, and everything is named in `access-control-expose-headers`. */
export function addHeaders(headers: Headers, fields: Readonly<Record<string, string>>): void {
  const exposed: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const before = name === "link" ? headers.link : undefined;
    headers[name] =
      before === undefined ? value : `${typeof before === "string" ? before : before.join(", ")}, ${value}`;
    exposed.push(spelt.get(name) ?? name);
  }
  const known = headers["access-control-expose-headers"];
  headers["access-control-expose-headers"] =
    typeof known === "string" ? `${known}, ${exposed.join(", ")}` : exposed.join(", ");
}

const spelt: ReadonlyMap<string, string> = new Map(
  ["Deprecation", "Sunset", "Link", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed"].map((name) => [
    name.toLowerCase(),
    name,
  ]),
);
