/** Filters as SQL conditions that are 0 or 1, never NULL, so that `not` means what it says. */
import type { Json } from "../../json.ts";
import { canonicalJson, typeRank } from "../evaluate.ts";
import type { Filter } from "../filter.ts";
import { bound, type FieldSource, isContainer, type Sql, type SqlField, sqlField } from "./fields.ts";

export interface FilterSource extends FieldSource {
  readonly owner: string;
  /** Whose permission entries are meant; undefined: those asked about have none. */
  readonly shared: { readonly resource: string; readonly table: string } | undefined;
}

export function filterSql(filter: Filter, source: FilterSource): Sql {
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
    case "shared":
      return sharedSql(filter.permissions, filter.principals, source.shared);
  }
}

function sharedSql(permissions: readonly string[], principals: readonly string[], shared: FilterSource["shared"]): Sql {
  if (shared === undefined) return { text: "0", values: [] };
  // The object's own entries are looked at, and `+` keeps thousands of principals from being searched for one by one.
  const { resource, table } = shared;
  return {
    text:
      `EXISTS (SELECT 1 FROM aces INDEXED BY aces_object WHERE resource = ? AND parent = ${table}.parent AND id = ${table}.id` +
      " AND +permission IN (SELECT value FROM json_each(?)) AND +principal IN (SELECT value FROM json_each(?)))",
    values: [resource, JSON.stringify(permissions), JSON.stringify(principals)],
  };
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

/** Values as few conditions, however many they are: those of one type share a bound parameter. */
interface Wanted {
  /** Condition on (type, value) that an entry's or an item's value is one of these. */
  readonly condition: (value: ValueSql) => Sql;
  /** How many different values it stands for. */
  readonly count: number;
}

/** The SQL of a value whose equality with others is asked. */
interface ValueSql {
  readonly is: (type: "null" | "text" | "number" | "true" | "false" | "container") => string;
  readonly value: string;
  /** Canonical text; only ever evaluated for arrays and objects. */
  readonly canonical: string;
}

function wantedValues(values: readonly Json[]): readonly Wanted[] {
  const wanted: Wanted[] = [];
  for (const [type, text] of [
    ["string", "text"],
    ["number", "number"],
  ] as const) {
    const scalars = new Set(values.filter((value) => typeof value === type));
    const list = JSON.stringify([...scalars]);
    if (scalars.size > 0) wanted.push({ count: scalars.size, condition: (of) => among(of.is(text), of.value, list) });
  }
  const containers = new Set(values.filter(isContainer).map(canonicalJson));
  if (containers.size > 0) {
    const list = JSON.stringify([...containers]);
    wanted.push({ count: containers.size, condition: (of) => among(of.is("container"), of.canonical, list) });
  }
  for (const [value, type] of [
    [null, "null"],
    [true, "true"],
    [false, "false"],
  ] as const) {
    if (values.includes(value)) wanted.push({ count: 1, condition: (of) => ({ text: of.is(type), values: [] }) });
  }
  return wanted;
}

function among(type: string, value: string, list: string): Sql {
  return { text: `${type} AND ${value} IN (SELECT value FROM json_each(?))`, values: [list] };
}

function inSql(field: SqlField, values: readonly Json[]): Sql {
  const { fixedRank, rank, value } = field;
  const ranks = { null: 0, text: 1, number: 2, true: 3, false: 3, container: 4 };
  return any(
    wantedValues(values).map(({ condition }) =>
      condition({
        value,
        canonical: `CASE WHEN ${rank} IN (4, 5) THEN ${field.canonical} END`,
        is: (type) => {
          if (fixedRank !== undefined) return fixedRank === ranks[type] ? "1" : "0";
          if (type === "container") return `${rank} IN (4, 5)`;
          const scalar = type === "true" || type === "false" ? ` AND ${value} = ${type === "true" ? 1 : 0}` : "";
          return `${rank} = ${ranks[type]}${scalar}`;
        },
      }),
    ),
  );
}

function containsSql(field: SqlField, mode: "all" | "any", values: readonly Json[]): Sql {
  if (field.fixedRank !== undefined) return { text: "0", values: [] };
  const canonical = "CASE WHEN item.type IN ('array', 'object') THEN rouage_canonical(item.value) END";
  const item: ValueSql = {
    value: "item.value",
    canonical,
    is: (type) => {
      if (type === "number") return "item.type IN ('integer', 'real')";
      return type === "container" ? "item.type IN ('array', 'object')" : `item.type = '${type}'`;
    },
  };
  const wanted = wantedValues(values);
  const parts = wanted.map(({ condition, count }): Sql => {
    const { text, values: bindings } = condition(item);
    const from = `FROM ${field.each} AS item WHERE ${text}`;
    if (mode === "any" || count === 1) return { text: `EXISTS (SELECT 1 ${from})`, values: bindings };
    return { text: `(SELECT count(DISTINCT coalesce(${canonical}, item.value)) ${from}) = ${count}`, values: bindings };
  });
  const found = mode === "all" ? all(parts) : any(parts);
  return { text: `CASE WHEN ${field.rank} = 4 THEN ${found.text} ELSE 0 END`, values: found.values };
}
