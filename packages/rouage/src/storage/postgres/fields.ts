/**
 * A field in SQL: one text that is never NULL, by which its values are compared and ordered (see `sortKey`). Declared fields have the
 * beginning of that text in an index.
 */
import type { Json } from "../../json.ts";
import { maximumPathDepth } from "../evaluate.ts";
import type { FieldPath, SortValue } from "../filter.ts";
import { bindable, sortKey, storable } from "../sort-key.ts";
import type { SqlValue } from "./connection.ts";
import { literal } from "./quote.ts";
import { headLength } from "./text.ts";

/** Adds a value to those of a statement and answers what stands for it. */
export type Bind = (value: SqlValue) => string;

export interface Bound {
  readonly bind: Bind;
  readonly values: readonly SqlValue[];
}

export function binding(): Bound {
  const values: SqlValue[] = [];
  return { values, bind: (value) => `$${values.push(value)}` };
}

export interface SqlField {
  /** A column with values of one type, compared as they are. */
  readonly column: string | undefined;
  /** JSON of the value, NULL where missing. */
  readonly json: string;
  readonly key: string;
  /** The beginning of `key`, where an index has it. */
  readonly head: string | undefined;
  /** What patterns are compared with. */
  readonly text: string;
}

export function sqlField(field: FieldPath, declared: ReadonlySet<FieldPath>): SqlField {
  if (field === "id") {
    return { column: "id", json: "to_jsonb(id)", key: "('1' || id)", head: undefined, text: "id" };
  }
  if (field === "last_modified") {
    const json = "to_jsonb(revision)";
    return { column: "revision", json, key: `rouage_key(${json})`, head: undefined, text: "revision::text" };
  }
  const json = jsonOf(field);
  const key = `rouage_key(${json})`;
  return {
    column: undefined,
    json,
    key: `(${key} COLLATE "C")`,
    head: declared.has(field) ? `(left(${key}, ${headLength}) COLLATE "C")` : undefined,
    text: `rouage_text(${json})`,
  };
}

/** What an index holds of a field. */
export function indexed(field: FieldPath): string {
  if (field === "id") return "id";
  if (field === "last_modified") return "revision";
  return `(left(rouage_key(${jsonOf(field)}), ${headLength})) COLLATE "C"`;
}

export type Operator = "=" | "<" | "<=" | ">" | ">=";

const orEqual = { "=": "=", "<": "<=", "<=": "<=", ">": ">=", ">=": ">=" } as const;

/** Compares a field with a value by the cross-type order; missing is the greatest of all. */
export function compared(field: SqlField, operator: Operator, value: SortValue, bind: Bind): string {
  const key = sortKey(value);
  if (field.column !== undefined) {
    const rank = field.column === "id" ? "1" : "2";
    if (key[0] !== rank)
      return operator !== "=" && rank < (key[0] ?? "") === (operator === "<" || operator === "<=") ? "true" : "false";
    if (typeof value === "string") return `id ${operator} ${bind(bindable(value))}`;
    return `revision ${operator} ${bind(String(value))}::numeric`;
  }
  if (field.head === undefined) return `${field.key} ${operator} ${bind(key)}`;
  // A key shorter than what the index holds is decided there.
  if (key.length < headLength) return `${field.head} ${operator} ${bind(key)}`;
  const head = `${field.head} ${orEqual[operator]} left(${bind(key)}, ${headLength})`;
  return `(${head} AND ${field.key} ${operator} ${bind(key)})`;
}

/** One of the values. */
export function among(field: SqlField, values: readonly Json[], bind: Bind): string {
  const keys = [...new Set(values.map(sortKey))];
  if (field.column === "id") {
    return `id = ANY (${bind(values.filter((value) => typeof value === "string").map(bindable))}::text[])`;
  }
  if (field.column === "revision") {
    const numbers = values.filter((value) => typeof value === "number" && Number.isSafeInteger(value));
    return `revision = ANY (${bind(numbers.map(String))}::bigint[])`;
  }
  if (field.head === undefined) return `${field.key} = ANY (${bind(keys)}::text[])`;
  const long = keys.filter((key) => key.length >= headLength);
  const short = `${field.head} = ANY (${bind(keys.filter((key) => key.length < headLength))}::text[])`;
  if (long.length === 0) return short;
  const heads = bind(long.map((key) => [...key].slice(0, headLength).join("")));
  return `(${short} OR (${field.head} = ANY (${heads}::text[]) AND ${field.key} = ANY (${bind(long)}::text[])))`;
}

/** The first reading of a dotted field that there is, see `fieldValue` in evaluate.ts. */
function jsonOf(field: FieldPath): string {
  const readings: string[] = [];
  let descended = "json";
  let rest = field;
  for (let depth = 1; ; depth++) {
    readings.push(`${descended} -> ${literal(storable(rest))}`);
    const dot = rest.indexOf(".");
    if (dot < 0 || depth === maximumPathDepth) break;
    descended += ` -> ${literal(storable(rest.slice(0, dot)))}`;
    rest = rest.slice(dot + 1);
  }
  return readings.length === 1 ? `(${readings[0]})` : `coalesce(${readings.join(", ")})`;
}
