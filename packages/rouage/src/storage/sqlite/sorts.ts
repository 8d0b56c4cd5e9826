/** Sorts and keyset pages as SQL. */
import { canonicalJson, typeRank } from "../evaluate.ts";
import type { Sort, SortValue } from "../filter.ts";
import { bound, type FieldSource, isContainer, type Sql, type SqlField, sqlField } from "./fields.ts";
import { all, any } from "./filters.ts";

export interface SortSource extends FieldSource {
  /** Fields known to hold no array and no object, whose order is told by rank and value alone. */
  readonly scalar: ReadonlySet<string>;
}

/** The expressions to order by, each with its direction. */
export function sortKeys(sort: readonly Sort[], source: SortSource): readonly { sql: string; descending: boolean }[] {
  return sort.flatMap(({ field: name, direction }) => {
    const field = sqlField(name, source);
    return expressions(name, field, source).map((sql) => ({ sql, descending: direction === "descending" }));
  });
}

/** Condition for the entries behind the one with these values. */
export function behindSql(sort: readonly Sort[], after: readonly SortValue[], source: SortSource): Sql {
  const first = sort[0];
  if (first === undefined) return { text: "0", values: [] };
  let condition: Sql = { text: "0", values: [] };
  for (let index = sort.length - 1; index >= 0; index--) {
    const term = sort[index];
    if (term === undefined) continue;
    const field = sqlField(term.field, source);
    const beyond = beyondSql(field, after[index], term.direction === "descending");
    condition = condition.text === "0" ? beyond : any([beyond, all([sameSql(field, after[index]), condition])]);
  }
  if (sort.length === 1) return condition;
  // Says again, as one range that an index can be searched for, what the alternatives above imply.
  return all([boundarySql(sqlField(first.field, source), after[0], first.direction === "descending"), condition]);
}

function expressions(name: string, field: SqlField, source: SortSource): readonly string[] {
  if (field.fixedRank !== undefined) return [field.value];
  if (source.scalar.has(name)) return [field.rank, field.value];
  return [field.rank, field.value, `CASE WHEN ${field.rank} IN (4, 5) THEN ${field.canonical} END`];
}

function beyondSql(field: SqlField, value: SortValue, descending: boolean): Sql {
  const sign = descending ? "<" : ">";
  const rank = typeRank(value);
  const { text, values } = bound(value);
  if (field.fixedRank !== undefined) {
    if (field.fixedRank !== rank) return { text: field.fixedRank < rank === descending ? "1" : "0", values: [] };
    return { text: `${field.value} ${sign} ${text}`, values };
  }
  if (isContainer(value)) {
    return {
      text: `CASE WHEN ${field.rank} = ${rank} THEN ${field.canonical} ${sign} ? ELSE ${field.rank} ${sign} ${rank} END`,
      values: [canonicalJson(value)],
    };
  }
  return { text: `(${field.rank}, ${field.value}) ${sign} (${rank}, ${text})`, values };
}

function sameSql(field: SqlField, value: SortValue): Sql {
  const rank = typeRank(value);
  const { text, values } = bound(value);
  if (field.fixedRank !== undefined) {
    return field.fixedRank === rank ? { text: `${field.value} = ${text}`, values } : { text: "0", values: [] };
  }
  if (isContainer(value)) {
    return {
      text: `CASE WHEN ${field.rank} = ${rank} THEN ${field.canonical} = ? ELSE 0 END`,
      values: [canonicalJson(value)],
    };
  }
  return { text: `${field.rank} = ${rank} AND ${field.value} = ${text}`, values };
}

function boundarySql(field: SqlField, value: SortValue, descending: boolean): Sql {
  const sign = descending ? "<=" : ">=";
  const rank = typeRank(value);
  const { text, values } = bound(value);
  if (field.fixedRank === undefined) {
    return { text: `(${field.rank}, ${field.value}) ${sign} (${rank}, ${text})`, values };
  }
  return field.fixedRank === rank ? { text: `${field.value} ${sign} ${text}`, values } : { text: "1", values: [] };
}
