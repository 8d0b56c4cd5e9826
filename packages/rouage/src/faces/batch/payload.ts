/** The body of a batch, checked and completed: every request with its defaults. Knows nothing of how requests are answered. */
import { invalid, ServiceError, type Violation, type ViolationLocation, violationError } from "../../errors.ts";
import type { Json, JsonObject } from "../../json.ts";

export interface BatchItem {
  readonly method: string;
  /** As it was sent: begins with `/`, may have a query, the version prefix is optional. */
  readonly path: string;
  /** What the request says itself, or by defaults; lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** An object, or an array of operations (JSON Patch). */
  readonly body: Json | undefined;
  /** The body is nobody else's: not that of defaults, in whole or in part. */
  readonly isBodyOwn: boolean;
}

export interface BatchPayload {
  /** All or nothing. */
  readonly atomic: boolean;
  readonly requests: readonly BatchItem[];
  /** The same with these paths, defaults not filled in. */
  withPaths(paths: readonly string[]): JsonObject;
}

export interface BatchLimits {
  readonly requests: number;
  /** Of the body, in bytes, and of its defaults as often as they are used, in characters. */
  readonly size: number;
}

/** TRACE is taken as the protocol has it, and answered with 405 like anywhere else. */
const batchMethods: readonly string[] = [...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE"]];

/** @throws ServiceError `invalid-parameters` naming everything that is wrong, `body-too-large` */
export function parseBatch(value: Json | undefined, limits: BatchLimits): BatchPayload {
  if (!isObject(value)) throw invalid(wrong(null, "The body must be a JSON object", "type"));
  const violations: Violation[] = [];
  refuseUnknown(value, ["atomic", "defaults", "requests"], "", violations);
  const { atomic = false, defaults = {}, requests } = value;
  if (typeof atomic !== "boolean") violations.push(wrong("atomic", "atomic must be true or false", "type"));
  if (isObject(defaults)) checkParts(defaults, "defaults", violations);
  else violations.push(wrong("defaults", "defaults must be a JSON object", "type"));
  if (requests === undefined) violations.push(wrong("requests", "Required", "required"));
  else if (!isArray(requests)) violations.push(wrong("requests", "requests must be a list", "type"));
  else if (requests.length > limits.requests)
    violations.push(wrong("requests", `Number of requests is limited to ${limits.requests}`, "too-many"));
  if (violations.length > 0 || !isObject(defaults) || !isArray(requests))
    throw violationError("invalid-parameters", violations);

  // Filled in, a small body would become a large one.
  if (JSON.stringify(defaults).length * requests.length > limits.size) throw new ServiceError("body-too-large");
  const base = withLowerHeaders(defaults);
  const items: BatchItem[] = [];
  for (const [index, request] of requests.entries()) {
    const item = itemOf(request, base, `requests.${index}`, violations);
    if (item !== undefined) items.push(item);
  }
  if (violations.length > 0) throw violationError("invalid-parameters", violations);
  return {
    atomic: atomic === true,
    requests: items,
    withPaths: (paths) => ({
      atomic,
      defaults,
      requests: requests.map((request, index) => ({ ...(request as JsonObject), path: paths[index] })),
    }),
  };
}

function itemOf(
  request: Json | undefined,
  defaults: JsonObject,
  name: string,
  violations: Violation[],
): BatchItem | undefined {
  if (!isObject(request)) {
    violations.push(wrong(name, "A request must be a JSON object", "type"));
    return undefined;
  }
  const before = violations.length;
  checkParts(request, name, violations);
  if (violations.length > before) return undefined;
  const { method = "GET", path, headers = {}, body } = merged(defaults, withLowerHeaders(request));
  if (path === undefined) violations.push(wrong(`${name}.path`, "Required", "required"));
  else if (typeof path === "string" && isBatch(path)) violations.push(recursive(`${name}.path`, "body"));
  else if (typeof path === "string" && typeof method === "string")
    return {
      ...{ method, path, body },
      headers: headers as Readonly<Record<string, string>>,
      isBodyOwn: body !== undefined && defaults.body === undefined,
    };
  return undefined;
}

const partNames: readonly string[] = ["method", "path", "headers", "body"];

function checkParts(parts: JsonObject, name: string, violations: Violation[]): void {
  refuseUnknown(parts, partNames, `${name}.`, violations);
  const { method, path, headers, body } = parts;
  const report = (part: string, description: string, code: string) =>
    violations.push(wrong(`${name}.${part}`, description, code));
  if (method !== undefined && !batchMethods.includes(method as string))
    report("method", `method must be one of ${batchMethods.join(", ")}`, "enum");
  if (path !== undefined && (typeof path !== "string" || !path.startsWith("/")))
    report("path", "path must be a text that begins with /", "pattern");
  else if (typeof path === "string" && !path.isWellFormed())
    report("path", "path is not valid Unicode", "invalid-utf8");
  if (headers !== undefined && !isObject(headers)) report("headers", "headers must be a JSON object", "type");
  else if (headers !== undefined && Object.keys(headers).length > mostHeaders)
    report("headers", `At most ${mostHeaders} headers are allowed`, "too-many");
  else if (headers !== undefined)
    for (const [header, text] of Object.entries(headers)) {
      if (violations.length > 100) return;
      if (!headerName.test(header)) report("headers", "This is no name of a header", "pattern");
      else if (typeof text !== "string" || !headerValue.test(text))
        report(`headers.${header}`, "The value of a header must be a text of one line", "type");
    }
  if (body !== undefined && (typeof body !== "object" || body === null))
    report("body", "body must be a JSON object, or an array of JSON Patch operations", "type");
}

/** Headers of one request, and of the defaults. */
export const mostHeaders = 100;
/** RFC 9110 §5.1 and §5.5. */
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

function refuseUnknown(value: JsonObject, known: readonly string[], prefix: string, violations: Violation[]): void {
  for (const key of Object.keys(value)) {
    if (violations.length > 100) return;
    if (!known.includes(key))
      violations.push(wrong(`${prefix}${key.slice(0, 64)}`, "Unrecognized key", "unknown-field"));
  }
}

/** The endpoint itself, however it is written. */
function isBatch(path: string): boolean {
  const bare = path.split(/[?#]/, 1)[0] ?? "";
  try {
    return batchPath.test(decodeURIComponent(bare));
  } catch {
    return false;
  }
}

const batchPath = /^\/+(?:v\d+\/+)?batch\/*$/i;

function withLowerHeaders(parts: JsonObject): JsonObject {
  const { headers } = parts;
  if (!isObject(headers)) return parts;
  return {
    ...parts,
    headers: Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value])),
  };
}

/** What `above` says wins, objects are merged at every depth. */
function merged(below: JsonObject, above: JsonObject): JsonObject {
  const entries = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const other = entries.get(key);
    entries.set(key, isObject(other) && isObject(value) ? merged(other, value) : value);
  }
  // Defines each key, `__proto__` like any other.
  return Object.fromEntries(entries);
}

/** A batch inside a batch. */
export function recursion(location: ViolationLocation): ServiceError {
  return invalid(recursive(null, location));
}

function recursive(name: string | null, location: ViolationLocation): Violation {
  return { location, name, description: "Recursive call on /batch endpoint is forbidden.", code: "recursion" };
}

function wrong(name: string | null, description: string, code: string): Violation {
  return { location: "body", name, description, code };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
