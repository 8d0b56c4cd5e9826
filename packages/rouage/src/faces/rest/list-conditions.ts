/** What queries of lists are made of, whether a URL or a body says them: conditions, orders, projections and bounds, each value checked. */
import { type Violation, type ViolationLocation, violationError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { ListOptions } from "../../operations/operations.ts";
import { completeSort } from "../../operations/sort.ts";
import type { Principal } from "../../principal.ts";
import type { FieldPath, Filter, Sort } from "../../storage/filter.ts";
import type { Fields } from "./fields.ts";
import { decodePageToken, type PageToken } from "./page-token.ts";

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
  /** The order where none is asked for. Default: none but what completes it. */
  readonly sort?: readonly Sort[];
}

/** Most filters in one request, and most values in one of them; most sort keys. */
export const queryLimits = { filters: 64, values: 500, sorts: 16, fields: 200 } as const;

/** A query while it is read. */
export interface Reading extends GrammarOptions {
  /** Where what is read now stands. */
  location: ViolationLocation;
  /** All of them must hold. */
  readonly filters: Filter[];
  readonly violations: Violation[];
  tombstones: boolean;
  sort?: readonly Sort[];
  limit?: number;
  projection?: readonly string[];
  token?: { readonly text: string; readonly name: string; readonly location: ViolationLocation };
  deprecatedTo: boolean;
}

export function beginReading(options: GrammarOptions): Reading {
  return { ...options, location: "querystring", filters: [], violations: [], tombstones: false, deprecatedTo: false };
}

/** What was read, complete. @throws ServiceError `invalid-parameters` naming everything that is wrong */
export function endReading(reading: Reading): ListQuery {
  const { filters, sort = [], limit, projection, tieBreak } = reading;
  let token: PageToken | undefined;
  if (reading.token !== undefined) {
    const { text, name, location } = reading.token;
    token = decodePageToken(text, completeSort(sort, tieBreak));
    reading.location = location;
    if (token === undefined) report(reading, name, `${name} has invalid content`, "invalid-token");
  }
  if (reading.violations.length > 0) throw violationError("invalid-parameters", reading.violations);

  const [only] = filters;
  return {
    token,
    deprecatedTo: reading.deprecatedTo,
    options: {
      ...(only === undefined ? {} : { filter: filters.length === 1 ? only : { kind: "and", filters } }),
      ...(sort.length === 0 ? {} : { sort }),
      ...(limit === undefined ? {} : { limit }),
      ...(token === undefined ? {} : { after: token.after }),
      ...(reading.tombstones ? { tombstones: true } : {}),
      ...(projection === undefined ? {} : { fields: projection }),
    },
  };
}

export function report(reading: Reading, name: string | null, description: string, code: string): void {
  if (reading.violations.length === 100) return;
  reading.violations.push({ location: reading.location, name, description, code });
}

export function reportInvalid(reading: Reading, name: string): void {
  report(reading, name, `Invalid value for ${name}`, "invalid-value");
}

/** Changed after or before a revision: null sets no bound but still shows tombstones. */
export function bound(reading: Reading, name: string, value: Json, operator: "gt" | "lt"): void {
  reading.tombstones = true;
  if (value === null) return;
  const revision = timestamp(reading, value);
  if (revision === undefined) reportInvalid(reading, name);
  else reading.filters.push({ kind: "compare", field: "last_modified", operator, value: revision });
}

export const operators = [
  ...(["min", "max", "gt", "lt", "not", "eq", "in", "exclude", "like", "has", "contains_any", "contains"] as const),
] as const;

export type Operator = (typeof operators)[number];

/** One condition on a field that the caller may ask about; undefined, and reported, where the value does not fit. */
export function condition(
  reading: Reading,
  name: string,
  operator: Operator,
  field: FieldPath,
  value: Json,
): Filter | undefined {
  const violations = reading.violations.length;
  const filter = build(reading, name, operator, field, value);
  if (filter === undefined && reading.violations.length === violations) reportInvalid(reading, name);
  if (field === "last_modified") reading.tombstones = true;
  return filter;
}

function build(reading: Reading, name: string, operator: Operator, field: FieldPath, value: Json): Filter | undefined {
  switch (operator) {
    case "in":
    case "exclude": {
      if (!isArray(value) || !bounded(reading, name, value)) return undefined;
      if (field === "id" && !value.every((each) => typeof each === "string")) return undefined;
      if (field === "last_modified" && !value.every((each) => isTimestamp(reading, each))) return undefined;
      const filter: Filter = { kind: "in", field, values: value };
      return operator === "in" ? filter : { kind: "not", filter };
    }
    case "contains":
    case "contains_any": {
      if (field === "id" || field === "last_modified") {
        report(reading, name, `Field '${field}' is not an array`, "not-an-array");
        return undefined;
      }
      const values = isArray(value) ? value : [value];
      if (!bounded(reading, name, values)) return undefined;
      return { kind: "contains", field, mode: operator === "contains" ? "all" : "any", values };
    }
    case "like":
      if (!bounded(reading, name, [value])) return undefined;
      return typeof value === "string" ? { kind: "like", field, pattern: value } : undefined;
    case "has":
      return typeof value === "boolean" ? { kind: "has", field, present: value } : undefined;
    default: {
      if (!bounded(reading, name, [value])) return undefined;
      const compared = field === "last_modified" ? timestamp(reading, value) : value;
      if (compared === undefined || (field === "id" && typeof compared !== "string")) return undefined;
      return { kind: "compare", field, operator: comparisons[operator], value: compared };
    }
  }
}

const comparisons = { min: "ge", max: "le", gt: "gt", lt: "lt", not: "ne", eq: "eq" } as const;

function bounded(reading: Reading, name: string, values: readonly Json[]): boolean {
  if (values.length > queryLimits.values) {
    report(reading, name, `At most ${queryLimits.values} values are allowed in ${name}`, "too-many");
    return false;
  }
  if (values.some(holdsNull)) {
    report(reading, name, "Invalid character 0x00", "null-byte");
    return false;
  }
  return values.every(finite);
}

/** True when a string (or key) anywhere in the value holds U+0000. Depth is bounded before. */
function holdsNull(value: Json): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, part]) => key.includes("\0") || (part !== undefined && holdsNull(part)));
}

/** False for numbers such as 1e999, which JSON can write and nothing can hold. */
export function finite(value: Json): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every((part) => part === undefined || finite(part));
}

/** Keys of an order: `name`, `-name`. */
export function sortOf(reading: Reading, name: string, keys: readonly string[]): readonly Sort[] {
  const sort: Sort[] = [];
  if (keys.length > queryLimits.sorts) {
    report(reading, name, `At most ${queryLimits.sorts} keys are allowed in ${name}`, "too-many");
    return sort;
  }
  for (const part of keys) {
    const key = part.trim();
    // A plus sign in a query string arrives as a space, gone by now; `%2B` arrives as itself.
    const match = /^([-+]?)([^-+].*)$/s.exec(key);
    const field = match?.[2];
    if (match === null || field === undefined) {
      reportInvalid(reading, name);
      return sort;
    }
    if (!reading.fields.usable(field, reading.principal)) {
      report(reading, name, `Unknown sort field '${field}'`, "unknown-field");
    } else if (!sort.some((other) => other.field === field)) {
      sort.push({ field, direction: match[1] === "-" ? "descending" : "ascending" });
    }
  }
  return sort;
}

export function projectionOf(reading: Reading, name: string, wanted: readonly string[]): readonly string[] {
  const fields = wanted.map((field) => field.trim()).filter((field) => field !== "");
  if (fields.some((field) => field.includes("\0"))) report(reading, name, "Invalid character 0x00", "null-byte");
  if (fields.length > queryLimits.fields)
    report(reading, name, `At most ${queryLimits.fields} fields are allowed in ${name}`, "too-many");
  else
    for (const field of fields)
      if (!reading.fields.usable(field, reading.principal))
        report(reading, name, `Unknown field '${field}'`, "unknown-field");
  return [...new Set(fields)];
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

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
