/** Filters as conditions of the server, exactly what `evaluate.ts` says of them; nothing is filtered in this process. */
import type { Json } from "../../json.ts";
import type { FieldPath, Filter, SortValue } from "../filter.ts";
import { bindable, sortKey, storable } from "../sort-key.ts";
import { pairOf } from "./documents.ts";
import { keyOf, nameOfField, turned } from "./fields.ts";

export type Condition = Readonly<Record<string, unknown>>;

export const always: Condition = {};
export const never: Condition = { _id: { $in: [] } };

type Operator = Extract<Filter, { kind: "compare" }>["operator"];

/** @param without principals that are struck out of everything stored, in the transaction that asks */
export function conditionOf(filter: Filter, without?: ReadonlySet<string>): Condition {
  const part = (each: Filter) => conditionOf(each, without);
  switch (filter.kind) {
    case "and":
      return all(filter.filters.map(part));
    case "or":
      return any(filter.filters.map(part));
    case "not":
      return { $nor: [part(filter.filter)] };
    case "compare":
      return compared(filter.field, filter.operator, filter.value);
    case "in":
      return among(filter.field, filter.values);
    case "like":
      return { [`t.${nameOfField(filter.field)}`]: { $regex: patternOf(filter.pattern) } };
    case "has":
      if (own.get(filter.field) !== undefined) return filter.present ? always : never;
      return { [nameOf(filter.field)]: { $exists: filter.present } };
    case "contains": {
      if (own.get(filter.field) !== undefined) return never;
      const items = `e.${nameOfField(filter.field)}`;
      const keys = [...new Set(filter.values.map(keyOf))];
      if (keys.length === 0) return filter.mode === "all" ? { [items]: { $exists: true } } : never;
      return { [items]: filter.mode === "all" ? { $all: keys } : { $in: keys } };
    }
    case "owner":
      return { o: bindable(filter.owner) };
    case "shared": {
      const principals = filter.principals.filter((principal) => without?.has(principal) !== true);
      const pairs = filter.permissions.flatMap((name) => principals.map((principal) => pairOf(name, principal)));
      return pairs.length === 0 ? never : { g: { $in: [...new Set(pairs)] } };
    }
  }
}

export function all(parts: readonly Condition[]): Condition {
  const some = parts.filter((part) => part !== always);
  return some.length === 0 ? always : some.length === 1 ? (some[0] ?? always) : { $and: some };
}

export function any(parts: readonly Condition[]): Condition {
  return parts.length === 0 ? never : parts.length === 1 ? (parts[0] ?? never) : { $or: parts };
}

/** Fields that are the entry's own, of one type and never missing: where they are, and the rank of their type. */
const own: ReadonlyMap<FieldPath, { readonly name: string; readonly rank: string }> = new Map([
  ["id", { name: "i", rank: "1" }],
  ["last_modified", { name: "r", rank: "2" }],
]);

/** Where a field's order is, and whether it is turned round there. */
export function placeOf(field: FieldPath): { readonly name: string; readonly isTurned: boolean } {
  const found = own.get(field);
  return found === undefined ? { name: nameOf(field), isTurned: true } : { name: found.name, isTurned: false };
}

const nameOf = (field: FieldPath): string => `k.${nameOfField(field)}`;

/** In the order of values; `turned` in that of their keys. */
const operators = {
  lt: { straight: "$lt", turned: "$gt" },
  le: { straight: "$lte", turned: "$gte" },
  gt: { straight: "$gt", turned: "$lt" },
  ge: { straight: "$gte", turned: "$lte" },
} as const;

function compared(field: FieldPath, operator: Operator, value: Json): Condition {
  const found = own.get(field);
  if (found === undefined) {
    const key = keyOf(value);
    if (operator === "eq") return { [nameOf(field)]: key };
    if (operator === "ne") return { [nameOf(field)]: { $ne: key } };
    return { [nameOf(field)]: { [operators[operator].turned]: key } };
  }
  const rank = sortKey(value)[0] ?? "";
  const isAlike = rank === found.rank;
  const wanted = typeof value === "string" ? bindable(value) : value;
  if (operator === "eq") return isAlike ? { [found.name]: wanted } : never;
  if (operator === "ne") return isAlike ? { [found.name]: { $ne: wanted } } : always;
  if (isAlike) return { [found.name]: { [operators[operator].straight]: wanted } };
  return found.rank < rank === (operator === "lt" || operator === "le") ? always : never;
}

function among(field: FieldPath, values: readonly Json[]): Condition {
  const found = own.get(field);
  if (found === undefined) return { [nameOf(field)]: { $in: [...new Set(values.map(keyOf))] } };
  const alike = values.filter((value) => sortKey(value)[0] === found.rank);
  return { [found.name]: { $in: alike.map((value) => (typeof value === "string" ? bindable(value) : value)) } };
}

/** Condition for the entries that have this value; undefined: that lack the field. */
export function equalTo(field: FieldPath, value: SortValue): Condition {
  if (value !== undefined) return compared(field, "eq", value);
  return own.get(field) === undefined ? { [nameOf(field)]: { $exists: false } } : never;
}

/** Condition for the entries that come behind this value, or (`orEqual`) that do not come before it. */
export function beyond(field: FieldPath, descending: boolean, value: SortValue, orEqual: boolean): Condition {
  const found = own.get(field);
  if (found !== undefined) {
    // Nothing comes behind what is missing, and everything before it.
    if (value === undefined) return descending ? always : never;
    return compared(field, descending ? (orEqual ? "le" : "lt") : orEqual ? "ge" : "gt", value);
  }
  const name = nameOf(field);
  if (value === undefined) {
    if (descending) return orEqual ? always : { [name]: { $exists: true } };
    return orEqual ? { [name]: { $exists: false } } : never;
  }
  const key = turned(sortKey(value));
  // Ascending, what lacks the field comes last.
  return descending
    ? { [name]: { [orEqual ? "$gte" : "$gt"]: key } }
    : { [name]: { $not: { [orEqual ? "$gt" : "$gte"]: key } } };
}

/** A pattern of `like` as a regular expression over text in lower case. */
function patternOf(pattern: string): string {
  const parts = pattern
    .toLowerCase()
    .split("*")
    .map((part) => storable(part).replaceAll(/[\\^$.|?*+()[\]{}]/g, "\\$&"));
  return parts.length === 1 ? (parts[0] ?? "") : `^${parts.join("[\\s\\S]*")}\\z`;
}
