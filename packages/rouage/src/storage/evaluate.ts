/**
 * What filters and sorts mean, as plain functions over JSON values: the reference that every adapter has to agree with, and
 * how the memory storage answers queries.
 *
 * Order: null < string < number < boolean (false < true) < array < object < missing. Strings compare by code point (as UTF-8
 * bytes do), numbers as doubles, arrays and objects by their canonical JSON text (keys sorted by code point), which also
 * decides their equality.
 */
import type { Json, JsonObject } from "../json.ts";
import type { FieldPath, Filter, Sort, SortValue } from "./filter.ts";
import type { Permissions } from "./permissions.ts";

/** A stored entry as filters see it. */
export interface EvaluatedEntry {
  readonly id: string;
  readonly revision: number;
  /** The parsed body; `{deleted: true}` for tombstones. */
  readonly value: JsonObject;
  readonly owner?: string | undefined;
  /** Its own permission entries. */
  readonly permissions?: Permissions | undefined;
}

export function matches(filter: Filter, entry: EvaluatedEntry): boolean {
  switch (filter.kind) {
    case "and":
      return filter.filters.every((part) => matches(part, entry));
    case "or":
      return filter.filters.some((part) => matches(part, entry));
    case "not":
      return !matches(filter.filter, entry);
    case "compare":
      return compares(filter.operator, fieldValue(entry, filter.field), filter.value);
    case "in": {
      const value = fieldValue(entry, filter.field);
      return value !== undefined && filter.values.some((candidate) => equal(value, candidate));
    }
    case "like":
      return isLike(filter.pattern, fieldValue(entry, filter.field));
    case "has":
      return (fieldValue(entry, filter.field) !== undefined) === filter.present;
    case "contains": {
      const value = fieldValue(entry, filter.field);
      if (!isArray(value)) return false;
      const included = (wanted: Json) => value.some((item) => equal(item, wanted));
      return filter.mode === "all" ? filter.values.every(included) : filter.values.some(included);
    }
    case "owner":
      return entry.owner === filter.owner;
    case "shared": {
      const { permissions = {} } = entry;
      return filter.permissions.some(
        (name) =>
          Object.hasOwn(permissions, name) &&
          permissions[name]?.some((who) => filter.principals.includes(who)) === true,
      );
    }
  }
}

/** Levels of nesting that a dotted path descends; what is left behind the last is taken as one key. */
export const maximumPathDepth = 32;

/**
 * Value at a dotted path. At each level the whole remaining path is tried as a key first; only when there is no such key is
 * it split at its first dot. `id` and `last_modified` are the entry's own.
 */
export function fieldValue(entry: EvaluatedEntry, field: FieldPath): Json | undefined {
  if (field === "id") return entry.id;
  if (field === "last_modified") return entry.revision;
  let value: Json | undefined = entry.value;
  let rest = field;
  for (let depth = 1; ; depth++) {
    if (typeof value !== "object" || value === null || isArray(value)) return undefined;
    if (Object.hasOwn(value, rest)) return value[rest];
    const dot = rest.indexOf(".");
    if (dot < 0 || depth === maximumPathDepth) return undefined;
    const key: string = rest.slice(0, dot);
    value = Object.hasOwn(value, key) ? value[key] : undefined;
    rest = rest.slice(dot + 1);
  }
}

/** Rank of a value's type in the cross-type order; missing is the greatest. */
export function typeRank(value: Json | undefined): 0 | 1 | 2 | 3 | 4 | 5 | 6 {
  if (value === undefined) return 6;
  if (value === null) return 0;
  switch (typeof value) {
    case "string":
      return 1;
    case "number":
      return 2;
    case "boolean":
      return 3;
    default:
      return isArray(value) ? 4 : 5;
  }
}

/** Negative, zero or positive, by the cross-type order. */
export function compareValues(a: Json | undefined, b: Json | undefined): number {
  const rank = typeRank(a);
  const difference = rank - typeRank(b);
  if (difference !== 0) return difference;
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (rank === 4 || rank === 5) return compareStrings(canonicalJson(a ?? null), canonicalJson(b ?? null));
  return 0;
}

/** JSON text with the keys of every object sorted by code point and no white space. */
export function canonicalJson(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const keys = Object.keys(value).sort(compareStrings);
  const members: string[] = [];
  for (const key of keys) {
    const member = value[key];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(member)}`);
  }
  return `{${members.join(",")}}`;
}

/** By code point, where JavaScript's `<` compares UTF-16 units and puts U+1F600 before U+FF5E. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    // Step back where one of them is the second half of a surrogate pair.
    const start = index > 0 && (isLow(left) || isLow(right)) && isHigh(a.charCodeAt(index - 1)) ? index - 1 : index;
    return (a.codePointAt(start) ?? 0) - (b.codePointAt(start) ?? 0);
  }
  return a.length - b.length;
}

/** Case-insensitive; `*` stands for any run of characters, a pattern without it for a substring. Strings and numbers only. */
export function isLike(pattern: string, value: Json | undefined): boolean {
  if (typeof value !== "string" && typeof value !== "number") return false;
  const text = String(value).toLowerCase();
  const parts = pattern.toLowerCase().split("*");
  const first = parts[0] ?? "";
  if (parts.length === 1) return text.includes(first);
  const last = parts[parts.length - 1] ?? "";
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

/** Order of two entries under a sort. */
export function compareEntries(a: EvaluatedEntry, b: EvaluatedEntry, sort: readonly Sort[]): number {
  for (const { field, direction } of sort) {
    const order = compareValues(fieldValue(a, field), fieldValue(b, field));
    if (order !== 0) return direction === "ascending" ? order : -order;
  }
  return 0;
}

/** True when the entry comes strictly behind the place that `after` describes. */
export function isBehind(entry: EvaluatedEntry, sort: readonly Sort[], after: readonly SortValue[]): boolean {
  for (const [index, { field, direction }] of sort.entries()) {
    const order = compareValues(fieldValue(entry, field), after[index]);
    if (order !== 0) return direction === "ascending" ? order > 0 : order < 0;
  }
  return false;
}

/**
 * The value under which a unique constraint compares an object, or undefined when it takes no part because one of the fields
 * is null or missing.
 */
export function uniqueValue(entry: EvaluatedEntry, fields: readonly FieldPath[]): readonly Json[] | undefined {
  const values: Json[] = [];
  for (const field of fields) {
    const value = fieldValue(entry, field);
    if (value === undefined || value === null) return undefined;
    values.push(value);
  }
  return values;
}

function compares(operator: string, value: Json | undefined, wanted: Json): boolean {
  if (operator === "ne") return value === undefined || !equal(value, wanted);
  if (value === undefined) return false;
  if (operator === "eq") return equal(value, wanted);
  const order = compareValues(value, wanted);
  switch (operator) {
    case "lt":
      return order < 0;
    case "le":
      return order <= 0;
    case "gt":
      return order > 0;
    default:
      return order >= 0;
  }
}

function equal(a: Json, b: Json): boolean {
  return a === b || compareValues(a, b) === 0;
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
