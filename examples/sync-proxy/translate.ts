/**
 * Between the two protocols. The upstream speaks that of Firefox Sync storage 1.5: times are seconds with two decimals, objects are called
 * BSOs, pages go on at an offset. https://mozilla-services.readthedocs.io/en/latest/storage/apis-1.5.html
 */
import { invalid, ServiceError } from "rouage";

/** An object of the upstream. */
export interface Bso {
  readonly id: string;
  readonly modified: number;
  readonly payload: string;
  readonly sortindex?: number;
}

export interface SyncRecord {
  readonly id: string;
  readonly last_modified: number;
  readonly payload: string;
  readonly sortindex?: number;
}

export function recordOf({ id, modified, payload, sortindex }: Bso): SyncRecord {
  const record = { id, last_modified: revisionOf(modified), payload };
  return sortindex === undefined ? record : { ...record, sortindex };
}

/** Seconds as the upstream writes them, to whole milliseconds. */
export function revisionOf(seconds: number | string): number {
  return Math.round(Number(seconds) * 1000);
}

export function secondsOf(revision: number): string {
  return (revision / 1000).toFixed(2);
}

const sorts: Readonly<Record<string, string>> = {
  "-last_modified": "newest",
  last_modified: "oldest",
  "-sortindex": "index",
};

/** @throws ServiceError `invalid-parameters` naming what the upstream cannot do */
export function upstreamQuery(query: Readonly<Record<string, string>>): URLSearchParams {
  const parameters = new URLSearchParams({ full: "1" });
  for (const [name, value] of Object.entries(query)) {
    if (name === "_since") parameters.set("newer", secondsOf(wholeNumber(name, value.replaceAll('"', ""))));
    else if (name === "_before") parameters.set("older", secondsOf(wholeNumber(name, value.replaceAll('"', ""))));
    else if (name === "_limit") parameters.set("limit", String(wholeNumber(name, value)));
    else if (name === "_token") parameters.set("offset", value);
    else if (name === "in_ids" || name === "in_id") parameters.set("ids", value);
    else if (name === "_sort") parameters.set("sort", sortOf(value));
    else if (!name.startsWith("_")) throw refused(name, `Unknown filter field ${name}`, "unknown-field");
  }
  return parameters;
}

function sortOf(value: string): string {
  const sort = Object.hasOwn(sorts, value) ? sorts[value] : undefined;
  if (sort === undefined) throw refused("_sort", `_sort must be one of ${Object.keys(sorts).join(", ")}`, "enum");
  return sort;
}

function wholeNumber(name: string, value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw refused(name, `${name} must be a whole number`, "type");
}

function refused(name: string, description: string, code: string): ServiceError {
  return invalid({ location: "querystring", name, description, code });
}

/** Our conditions in the words of the upstream. @throws ServiceError `invalid-parameters` */
export function upstreamConditions(header: (name: string) => string | undefined): Readonly<Record<string, string>> {
  const known = header("if-none-match");
  const expected = header("if-match");
  // "There must be none" is, for the upstream, "unmodified since the beginning of time".
  if (known === "*") return { "x-if-unmodified-since": "0" };
  return {
    ...(known === undefined ? {} : { "x-if-modified-since": timeOf("If-None-Match", known) }),
    ...(expected === undefined ? {} : { "x-if-unmodified-since": timeOf("If-Match", expected) }),
  };
}

function timeOf(name: string, value: string): string {
  const revision = /^"(\d{1,15})"$/.exec(value)?.[1];
  if (revision !== undefined) return secondsOf(Number(revision));
  throw invalid({
    location: "header",
    name,
    description: "The value should be integer between double quotes.",
    code: "invalid-value",
  });
}

/** Headers of the upstream's answer in the words of ours. `next` makes the address of the page at an offset. */
export function ourHeaders(upstream: Headers, next: (offset: string) => string): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const give = (name: string, value: string | null): void => {
    if (value !== null) headers[name] = value;
  };
  const modified = upstream.get("x-last-modified");
  if (modified !== null) {
    headers.etag = `"${revisionOf(modified)}"`;
    headers["last-modified"] = new Date(revisionOf(modified)).toUTCString();
  }
  const offset = upstream.get("x-weave-next-offset");
  if (offset !== null) headers["next-page"] = next(offset);
  give("total-records", upstream.get("x-weave-records"));
  give("total-objects", upstream.get("x-weave-records"));
  give("quota-remaining", upstream.get("x-weave-quota-remaining"));
  give("alert", upstream.get("x-weave-alert"));
  give("backoff", upstream.get("x-weave-backoff") ?? upstream.get("x-backoff"));
  give("retry-after", upstream.get("retry-after"));
  return headers;
}

/** The upstream's refusal as one of our errors; what is its fault and not the client's is 503. */
export function errorOf(
  status: number,
  headers: Readonly<Record<string, string>>,
  id: string | undefined,
): ServiceError {
  switch (status) {
    case 401:
      return new ServiceError("invalid-credentials", { headers });
    case 403:
      return new ServiceError("forbidden", { headers });
    case 404:
      return id === undefined
        ? new ServiceError("route-not-found", { headers })
        : new ServiceError("object-not-found", { headers, details: { id, resource_name: "record" } });
    case 412:
      return new ServiceError("precondition-failed", { headers });
    case 413:
      return new ServiceError("body-too-large", { headers });
    case 429:
      return new ServiceError("too-many-requests", { headers });
    default:
      return new ServiceError("unavailable", {
        headers: { "retry-after": "30", ...headers },
        cause: new Error(`the upstream answered ${status}`),
      });
  }
}
