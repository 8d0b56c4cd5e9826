/**
 * A field in SQL. Each is two expressions that are never NULL: the rank of its type in the cross-type order, and a value that
 * orders and compares within the rank. Arrays and objects have the value '' and a third expression, their canonical text.
 */
import { createHash } from "node:crypto";
import type { Json } from "../../json.ts";
import { maximumPathDepth, typeRank } from "../evaluate.ts";
import type { FieldPath } from "../filter.ts";

export type SqlValue = string | number | bigint | null;

/** SQL text with the values of its `?`, in order. */
export interface Sql {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

export interface SqlField {
  /** The type's rank where every entry has the same. */
  readonly fixedRank: number | undefined;
  readonly rank: string;
  readonly value: string;
  /** JSON text of the value, NULL when missing. */
  readonly json: string;
  /** Canonical JSON text of an array or object. */
  readonly canonical: string;
  /** `json_each` over the value. */
  readonly each: string;
}

/** Where the fields of an entry are: a column that holds the body, or its literal text. */
export interface FieldSource {
  readonly body: string;
  /** Fields that have columns of their own. */
  readonly declared: ReadonlySet<FieldPath>;
}

export function sqlField(field: FieldPath, source: FieldSource): SqlField {
  const { body, declared } = source;
  if (!declared.has(field)) return expressions(field, source);
  // They are asked for with every list, and are few.
  const known = declaredFields.get(declared) ?? new Map<string, SqlField>();
  declaredFields.set(declared, known);
  const name = `${body} ${field}`;
  const found = known.get(name) ?? expressions(field, source);
  known.set(name, found);
  return found;
}

const declaredFields = new WeakMap<ReadonlySet<FieldPath>, Map<string, SqlField>>();

function expressions(field: FieldPath, { body, declared }: FieldSource): SqlField {
  if (field === "id") return column("id", 1, "json_quote(id)");
  if (field === "last_modified") return column("revision", 2, "CAST(revision AS TEXT)");
  if (field.includes("\0")) {
    // SQLite compares keys up to the first null character only.
    const picked = `rouage_pick(${body}, ${literal(JSON.stringify(field))})`;
    return sqlField("picked", { body: picked, declared: new Set() });
  }
  const path = jsonPath(field, body);
  const json = `(${body} -> ${path})`;
  const own = declared.has(field);
  return {
    fixedRank: undefined,
    rank: own ? columnNames(field).rank : rankExpression(body, path),
    value: own ? columnNames(field).value : valueExpression(body, path),
    json,
    canonical: `rouage_canonical(${json})`,
    each: `json_each(${body}, ${path})`,
  };
}

/** Names of the two generated columns of a declared field. */
export function columnNames(field: FieldPath): { readonly rank: string; readonly value: string } {
  const hash = createHash("sha256").update(field).digest("hex").slice(0, 16);
  return { rank: `r_${hash}`, value: `v_${hash}` };
}

/** Definitions of the two generated columns. They are not stored; only indexes on them are. */
export function columnDefinitions(field: FieldPath): readonly { readonly name: string; readonly sql: string }[] {
  const { rank, value } = columnNames(field);
  const path = jsonPath(field, "body");
  return [
    { name: rank, sql: `${rank} GENERATED ALWAYS AS (${rankExpression("body", path)}) VIRTUAL` },
    { name: value, sql: `${value} GENERATED ALWAYS AS (${valueExpression("body", path)}) VIRTUAL` },
  ];
}

/** The value of a scalar as it is bound, and the SQL that stands for it; containers stand as ''. */
export function bound(value: Json | undefined): Sql {
  if (typeof value === "string") {
    // Node would replace a lone surrogate when binding; SQLite's JSON decoder keeps it, as it does for stored bodies.
    if (value.isWellFormed()) return { text: "?", values: [value] };
    return { text: "json_extract(?, '$')", values: [JSON.stringify(value)] };
  }
  if (typeof value === "number") return { text: "?", values: [boundNumber(value)] };
  if (typeof value === "boolean") return { text: value ? "1" : "0", values: [] };
  return { text: "''", values: [] };
}

export function isContainer(value: Json | undefined): value is Exclude<Json, null | string | number | boolean> {
  return typeRank(value) === 4 || typeRank(value) === 5;
}

/** A literal that is safe for any text: control characters do not occur in what is quoted here. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** SQLite reads the digits of large whole numbers as 64-bit integers; bound values have to be read the same way. */
function boundNumber(value: number): number | bigint {
  if (!Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 1e21) return value;
  const whole = BigInt(JSON.stringify(value));
  return BigInt.asIntN(64, whole) === whole ? whole : value;
}

function column(name: string, fixedRank: number, json: string): SqlField {
  return { fixedRank, rank: String(fixedRank), value: name, json, canonical: "''", each: `json_each('[]')` };
}

function rankExpression(body: string, path: string): string {
  return (
    `CASE json_type(${body}, ${path}) WHEN 'null' THEN 0 WHEN 'text' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2 ` +
    "WHEN 'true' THEN 3 WHEN 'false' THEN 3 WHEN 'array' THEN 4 WHEN 'object' THEN 5 ELSE 6 END"
  );
}

function valueExpression(body: string, path: string): string {
  return (
    `CASE json_type(${body}, ${path}) WHEN 'text' THEN json_extract(${body}, ${path}) ` +
    `WHEN 'integer' THEN json_extract(${body}, ${path}) WHEN 'real' THEN json_extract(${body}, ${path}) ` +
    "WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE '' END"
  );
}

/** SQL for the JSON path of a dotted field: the first reading of it that exists, see `fieldValue` in evaluate.ts. */
function jsonPath(field: FieldPath, body: string): string {
  const readings: string[] = [];
  let descended = "$";
  let rest = field;
  for (let depth = 1; ; depth++) {
    readings.push(literal(`${descended}.${quotedKey(rest)}`));
    const dot = rest.indexOf(".");
    if (dot < 0 || depth === maximumPathDepth) break;
    descended += `.${quotedKey(rest.slice(0, dot))}`;
    rest = rest.slice(dot + 1);
  }
  const last = readings.pop() ?? "'$'";
  if (readings.length === 0) return last;
  const tries = readings.map((reading) => `WHEN json_type(${body}, ${reading}) IS NOT NULL THEN ${reading}`);
  return `CASE ${tries.join(" ")} ELSE ${last} END`;
}

/** A key as a quoted label of a JSON path; JSON's own escapes keep quotes and control characters out. */
function quotedKey(key: string): string {
  return JSON.stringify(key);
}
