/** Filters as SQL conditions that are 0 or 1, never NULL, so that `not` means what it says. */
import type { Json } from "../../json.ts";
import { canonicalJson, typeRank } from "../evaluate.ts";
import type { Filter } from "../filter.ts";
import { bound, type FieldSource, isContainer, type Sql, type SqlField, sqlField } from "./fields.ts";

export function filterSql(filter: Filter, source: FieldSource & { readonly owner: string }): Sql {
  switch (filter.kind) {
    case "and":
      return all(filter.filters.map((part) => filterSql(part, source)));
    case "or":
      return any(filter.filters.map((part) => filterSql(part, source)));
    case "not": {
      const part = filterSql(filter.filter, source);
      return { text: `NOT (${part.text})`, values: part.values };
    }
    case "compare":
      return compareSql(sqlField(filter.field, source), filter.operator, filter.value);
    case "in":
      return inSql(sqlField(filter.field, source), filter.values);
    case "like": {
      const { rank, json } = sqlField(filter.field, source);
      // Strings and numbers only; CASE keeps the function from being called with a large array or object.
      return { text: `CASE WHEN ${rank} IN (1, 2) THEN rouage_like(?, ${json}) ELSE 0 END`, values: [filter.pattern] };
    }
    case "has":
      return { text: `${sqlField(filter.field, source).rank} ${filter.present ? "<" : "="} 6`, values: [] };
    case "contains":
      return containsSql(sqlField(filter.field, source), filter.mode, filter.values);
    case "owner":
      return { text: `${source.owner} IS ?`, values: [filter.owner] };
  }
}

/** Joined as a balanced tree: SQLite bounds the depth of an expression, and a chain of a thousand would reach it. */
export function all(parts: readonly Sql[]): Sql {
  return join(parts, "AND", "1");
}

export function any(parts: readonly Sql[]): Sql {
  return join(parts, "OR", "0");
}

function join(parts: readonly Sql[], operator: "AND" | "OR", empty: string): Sql {
  const [first] = parts;
  if (first === undefined) return { text: empty, values: [] };
  if (parts.length === 1) return first;
  if (parts.length <= 8) {
    return {
      text: parts.map(({ text }) => `(${text})`).join(` ${operator} `),
      values: parts.flatMap(({ values }) => values),
    };
  }
  const middle = parts.length >> 1;
  return join(
    [join(parts.slice(0, middle), operator, empty), join(parts.slice(middle), operator, empty)],
    operator,
    empty,
  );
}

function compareSql(field: SqlField, operator: string, value: Json): Sql {
  const rank = typeRank(value);
  if (operator === "eq") return equalSql(field, value);
  if (operator === "ne") {
    const equal = equalSql(field, value);
    return { text: `NOT (${equal.text})`, values: equal.values };
  }
  const less = operator === "lt" || operator === "le";
  const sign = { lt: "<", le: "<=", gt: ">", ge: ">=" }[operator] ?? "=";
  if (field.fixedRank !== undefined) {
    if (field.fixedRank !== rank) return { text: field.fixedRank < rank === less ? "1" : "0", values: [] };
    const { text, values } = bound(value);
    return { text: `${field.value} ${sign} ${text}`, values };
  }
  const present = less ? "" : ` AND ${field.rank} < 6`;
  if (isContainer(value)) {
    return {
      text:
        `${field.rank} ${less ? "<=" : ">="} ${rank}${present} AND ` +
        `CASE WHEN ${field.rank} = ${rank} THEN ${field.canonical} ${sign} ? ELSE 1 END`,
      values: [canonicalJson(value)],
    };
  }
  // One row value, so that an index on (rank, value) is searched for the range.
  const { text, values } = bound(value);
  return { text: `(${field.rank}, ${field.value}) ${sign} (${rank}, ${text})${present}`, values };
}

export function equalSql(field: SqlField, value: Json): Sql {
  const rank = typeRank(value);
  if (field.fixedRank !== undefined) {
    if (field.fixedRank !== rank) return { text: "0", values: [] };
    const { text, values } = bound(value);
    return { text: `${field.value} = ${text}`, values };
  }
  const { text, values } = bound(value);
  const same = `${field.rank} = ${rank} AND ${field.value} = ${text}`;
  if (!isContainer(value)) return { text: same, values };
  return {
    text: `${same} AND CASE WHEN ${field.rank} = ${rank} THEN ${field.canonical} = ? ELSE 0 END`,
    values: [...values, canonicalJson(value)],
  };
}

/** However many values: one bound parameter for the strings, one for the numbers. */
function inSql(field: SqlField, wanted: readonly Json[]): Sql {
  const parts: Sql[] = [];
  for (const type of ["string", "number"] as const) {
    const scalars = wanted.filter((value) => typeof value === type);
    const rank = type === "string" ? 1 : 2;
    if (scalars.length === 0 || (field.fixedRank !== undefined && field.fixedRank !== rank)) continue;
    const ranked = field.fixedRank === undefined ? `${field.rank} = ${rank} AND ` : "";
    parts.push({
      text: `${ranked}${field.value} IN (SELECT value FROM json_each(?))`,
      values: [JSON.stringify(scalars)],
    });
  }
  for (const value of wanted) {
    if (typeof value !== "string" && typeof value !== "number") parts.push(equalSql(field, value));
  }
  return any(parts);
}

function containsSql(field: SqlField, mode: "all" | "any", wanted: readonly Json[]): Sql {
  if (field.fixedRank !== undefined) return { text: "0", values: [] };
  const parts = wanted.map((value): Sql => {
    const { text, values } = itemSql(value);
    return { text: `EXISTS (SELECT 1 FROM ${field.each} AS item WHERE ${text})`, values };
  });
  const found = mode === "all" ? all(parts) : any(parts);
  return { text: `CASE WHEN ${field.rank} = 4 THEN ${found.text} ELSE 0 END`, values: found.values };
}

function itemSql(value: Json): Sql {
  if (value === null) return { text: "item.type = 'null'", values: [] };
  if (typeof value === "boolean") return { text: `item.type = '${value}'`, values: [] };
  if (isContainer(value)) {
    const type = Array.isArray(value) ? "array" : "object";
    return {
      text: `CASE WHEN item.type = '${type}' THEN rouage_canonical(item.value) = ? ELSE 0 END`,
      values: [canonicalJson(value)],
    };
  }
  const types = typeof value === "string" ? "item.type = 'text'" : "item.type IN ('integer', 'real')";
  const { text, values } = bound(value);
  return { text: `${types} AND item.value = ${text}`, values };
}
