/** The query grammar of lists: parameters of a URL become a filter, an order, a limit, a projection and a place to continue. */
import { type Violation, violationError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { ListOptions } from "../../operations/operations.ts";
import { completeSort } from "../../operations/sort.ts";
import type { Principal } from "../../principal.ts";
import type { FieldPath, Filter, Sort } from "../../storage/filter.ts";
import type { Fields } from "./fields.ts";
import { deeperThan } from "./json-depth.ts";
import { decodePageToken, type PageToken } from "./page-token.ts";
import type { Parameter } from "./query-string.ts";

export interface ListQuery {
  readonly options: ListOptions;
  /** What `_token` carried. */
  readonly token: PageToken | undefined;
  /** The deprecated `_to` was used. */
  readonly deprecatedTo: boolean;
}

export interface GrammarOptions {
  readonly fields: Fields;
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Deepest nesting of a value. */
  readonly depth: number;
  /** What completes an order where the list's is not by `last_modified` or `id`. */
  readonly tieBreak?: Sort;
}

/** Most filters in one request, and most values in one of them; most sort keys. */
export const queryLimits = { filters: 64, values: 500, sorts: 16, fields: 200 } as const;

/** @throws ServiceError `invalid-parameters` naming everything that is wrong */
export function parseListQuery(parameters: readonly Parameter[], options: GrammarOptions): ListQuery {
  const reading: Reading = { ...options, filters: [], violations: [], tombstones: false };
  let sort: readonly Sort[] = [];
  let limit: number | undefined;
  let tokenText: string | undefined;
  let projection: readonly string[] | undefined;
  let deprecatedTo = false;

  for (const [rawName, value] of parameters) {
    const name = rawName.trim();
    if (name.includes("\0") || value.includes("\0")) {
      report(reading, name.replaceAll("\0", ""), "Invalid character 0x00", "null-byte");
      continue;
    }
    switch (name) {
      case "_since":
        bound(reading, name, value, "gt");
        break;
      case "_to":
        deprecatedTo = true;
        bound(reading, name, value, "lt");
        break;
      case "_before":
        bound(reading, name, value, "lt");
        break;
      case "_sort":
        sort = parseSort(reading, value);
        break;
      case "_limit":
        limit = parseLimit(reading, value);
        break;
      case "_token":
        tokenText = value;
        break;
      case "_fields":
        projection = parseProjection(reading, name, value);
        break;
      default:
        // Unknown underscore parameters are ignored on purpose: clients use them to pass caches.
        if (!name.startsWith("_") && name !== "") parseFilter(reading, name, value);
    }
  }
  if (reading.filters.length > queryLimits.filters)
    report(reading, null, `At most ${queryLimits.filters} filters are allowed`, "too-many");

  let token: PageToken | undefined;
  if (tokenText !== undefined) {
    token = decodePageToken(tokenText, completeSort(sort, options.tieBreak));
    if (token === undefined) report(reading, "_token", "_token has invalid content", "invalid-token");
  }
  if (reading.violations.length > 0) throw violationError("invalid-parameters", reading.violations);

  const [only] = reading.filters;
  return {
    token,
    deprecatedTo,
    options: {
      ...(only === undefined
        ? {}
        : { filter: reading.filters.length === 1 ? only : { kind: "and", filters: reading.filters } }),
      ...(sort.length === 0 ? {} : { sort }),
      ...(limit === undefined ? {} : { limit }),
      ...(token === undefined ? {} : { after: token.after }),
      ...(reading.tombstones ? { tombstones: true } : {}),
      ...(projection === undefined ? {} : { fields: projection }),
    },
  };
}

/** `_fields` alone, for single objects. @throws ServiceError `invalid-parameters` */
export function parseFields(parameters: readonly Parameter[], options: GrammarOptions): readonly string[] | undefined {
  const reading: Reading = { ...options, filters: [], violations: [], tombstones: false };
  let projection: readonly string[] | undefined;
  for (const [name, value] of parameters) if (name === "_fields") projection = parseProjection(reading, name, value);
  if (reading.violations.length > 0) throw violationError("invalid-parameters", reading.violations);
  return projection;
}

interface Reading extends GrammarOptions {
  readonly filters: Filter[];
  readonly violations: Violation[];
  tombstones: boolean;
}

function report(reading: Reading, name: string | null, description: string, code: string): void {
  if (reading.violations.length === 100) return;
  reading.violations.push({ location: "querystring", name, description, code });
}

function reportInvalid(reading: Reading, name: string): void {
  report(reading, name, `Invalid value for ${name}`, "invalid-value");
}

/** `_since` and `_before`: `null` sets no bound but still shows tombstones. */
function bound(reading: Reading, name: string, text: string, operator: "gt" | "lt"): void {
  reading.tombstones = true;
  if (text === "null") return;
  const value = timestamp(reading, native(text));
  if (value === undefined) reportInvalid(reading, name);
  else reading.filters.push({ kind: "compare", field: "last_modified", operator, value });
}

function parseFilter(reading: Reading, name: string, text: string): void {
  const { operator, field } = operatorOf(reading, name);
  if (!reading.fields.usable(field, reading.principal)) {
    report(reading, name, `Unknown filter field '${name}'`, "unknown-field");
    return;
  }
  if (deeperThan(text, reading.depth)) {
    report(reading, name, `Value of ${name} is nested too deeply`, "too-deep");
    return;
  }
  const violations = reading.violations.length;
  const filter = buildFilter(reading, name, operator, field, text);
  if (filter === undefined) {
    if (reading.violations.length === violations) reportInvalid(reading, name);
    return;
  }
  if (field === "last_modified") reading.tombstones = true;
  reading.filters.push(filter);
}

type Operator =
  | "min"
  | "max"
  | "gt"
  | "lt"
  | "not"
  | "eq"
  | "in"
  | "exclude"
  | "like"
  | "has"
  | "contains_any"
  | "contains";

const operatorName = /^(min|max|gt|lt|not|eq|in|exclude|like|has|contains_any|contains)_(.+)$/s;

/** A declared field whose own name begins like an operator (`has_implant`) is itself, unless the rest names a declared field too. */
function operatorOf(reading: Reading, name: string): { operator: Operator; field: FieldPath } {
  const match = operatorName.exec(name);
  const field = match?.[2];
  if (match === null || field === undefined) return { operator: "eq", field: name };
  const { fields } = reading;
  if (fields.declared(name) && !fields.declared(field)) return { operator: "eq", field: name };
  return { operator: match[1] as Operator, field };
}

function buildFilter(
  reading: Reading,
  name: string,
  operator: Operator,
  field: FieldPath,
  text: string,
): Filter | undefined {
  switch (operator) {
    case "in":
    case "exclude": {
      const values = nativeList(text);
      if (!bounded(reading, name, values)) return undefined;
      if (field === "id" && !values.every((value) => typeof value === "string")) return undefined;
      if (field === "last_modified" && !values.every((value) => isTimestamp(reading, value))) return undefined;
      const filter: Filter = { kind: "in", field, values };
      return operator === "in" ? filter : { kind: "not", filter };
    }
    case "contains":
    case "contains_any": {
      if (field === "id" || field === "last_modified") {
        report(reading, name, `Field '${field}' is not an array`, "not-an-array");
        return undefined;
      }
      const value = native(text);
      const values = Array.isArray(value) ? (value as readonly Json[]) : [value];
      if (!bounded(reading, name, values)) return undefined;
      return { kind: "contains", field, mode: operator === "contains" ? "all" : "any", values };
    }
    case "like": {
      const pattern = native(text);
      if (!bounded(reading, name, [pattern])) return undefined;
      return typeof pattern === "string" ? { kind: "like", field, pattern } : undefined;
    }
    case "has": {
      const present = native(text);
      return typeof present === "boolean" ? { kind: "has", field, present } : undefined;
    }
    default: {
      const value = comparedValue(reading, field, text);
      if (value === undefined || !bounded(reading, name, [value])) return undefined;
      return { kind: "compare", field, operator: comparisons[operator], value };
    }
  }
}

const comparisons = { min: "ge", max: "le", gt: "gt", lt: "lt", not: "ne", eq: "eq" } as const;

function comparedValue(reading: Reading, field: FieldPath, text: string): Json | undefined {
  const value = native(text);
  if (field === "last_modified") return timestamp(reading, value);
  // Ids are strings whatever they look like.
  if (field === "id") return typeof value === "string" ? value : text;
  return value;
}

function bounded(reading: Reading, name: string, values: readonly Json[]): boolean {
  if (values.length > queryLimits.values) {
    report(reading, name, `At most ${queryLimits.values} values are allowed in ${name}`, "too-many");
    return false;
  }
  if (values.some(holdsNull)) {
    report(reading, name, "Invalid character 0x00", "null-byte");
    return false;
  }
  return true;
}

/** True when a string (or key) anywhere in the value holds U+0000. Depth is bounded before. */
function holdsNull(value: Json): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, part]) => key.includes("\0") || (part !== undefined && holdsNull(part)));
}

function parseSort(reading: Reading, text: string): readonly Sort[] {
  const sort: Sort[] = [];
  const keys = text.split(",");
  if (keys.length > queryLimits.sorts) {
    report(reading, "_sort", `At most ${queryLimits.sorts} keys are allowed in _sort`, "too-many");
    return sort;
  }
  for (const part of keys) {
    const key = part.trim();
    // A plus sign in a query string arrives as a space, gone by now; `%2B` arrives as itself.
    const match = /^([-+]?)([^-+].*)$/s.exec(key);
    const field = match?.[2];
    if (match === null || field === undefined) {
      reportInvalid(reading, "_sort");
      return sort;
    }
    if (!reading.fields.usable(field, reading.principal)) {
      report(reading, "_sort", `Unknown sort field '${field}'`, "unknown-field");
    } else if (!sort.some((other) => other.field === field)) {
      sort.push({ field, direction: match[1] === "-" ? "descending" : "ascending" });
    }
  }
  return sort;
}

function parseLimit(reading: Reading, text: string): number | undefined {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) >= 2n ** 63n) {
    reportInvalid(reading, "_limit");
    return undefined;
  }
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

function parseProjection(reading: Reading, name: string, text: string): readonly string[] {
  const fields = text
    .split(",")
    .map((field) => field.trim())
    .filter((field) => field !== "");
  if (text.includes("\0")) report(reading, name, "Invalid character 0x00", "null-byte");
  if (fields.length > queryLimits.fields)
    report(reading, name, `At most ${queryLimits.fields} fields are allowed in ${name}`, "too-many");
  else
    for (const field of fields)
      if (!reading.fields.usable(field, reading.principal))
        report(reading, name, `Unknown field '${field}'`, "unknown-field");
  return [...new Set(fields)];
}

/** Parsed as JSON, or else the text itself. */
function native(text: string): Json {
  if (text === "" || !startsLikeJson.test(text)) return text;
  try {
    const value: Json = JSON.parse(text);
    return finite(value) ? value : text;
  } catch {
    return text;
  }
}

/** False for numbers such as 1e999, which JSON can write and nothing can hold. */
function finite(value: Json): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every((part) => part === undefined || finite(part));
}

const startsLikeJson = /^\s*[-0-9"[{tfn]/;

/** A comma list whose elements are each parsed as JSON; commas inside JSON strings, arrays and objects do not separate. */
function nativeList(text: string): readonly Json[] {
  if (text === "") return [""];
  const whole = native(`[${text}]`);
  return Array.isArray(whole) ? (whole as readonly Json[]) : text.split(",").map(native);
}

const day = 86_400_000;

function isTimestamp(reading: Reading, value: Json): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < reading.now + day;
}

/** An integer, or one in quotes as ETags have it. */
function timestamp(reading: Reading, value: Json): number | undefined {
  const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return isTimestamp(reading, number) ? number : undefined;
}
