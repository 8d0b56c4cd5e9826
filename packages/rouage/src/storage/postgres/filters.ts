/** Filters as SQL conditions that are true or false, never NULL, so that `not` means what it says. */
import type { Filter } from "../filter.ts";
import { bindable, sortKey } from "../sort-key.ts";
import { among, type Bind, compared, type Operator, sqlField } from "./fields.ts";
import { likePattern } from "./text.ts";

export interface FilterContext {
  readonly bind: Bind;
  readonly declared: ReadonlySet<string>;
  readonly resource: string;
  /** What stands for the list's parent; undefined: all lists. */
  readonly parent: string | undefined;
  /** Collation whose lower case is that of Unicode. */
  readonly unicode: string;
}

const operators = { lt: "<", le: "<=", gt: ">", ge: ">=" } as const;

export function filterSql(filter: Filter, context: FilterContext): string {
  const { bind, declared } = context;
  const part = (inner: Filter): string => filterSql(inner, context);
  switch (filter.kind) {
    case "and":
      return all(filter.filters.map(part));
    case "or":
      return filter.filters.length === 0 ? "false" : `(${filter.filters.map(part).join(" OR ")})`;
    case "not":
      return `NOT (${part(filter.filter)})`;
    case "compare": {
      const field = sqlField(filter.field, declared);
      const { operator, value } = filter;
      if (operator === "eq") return compared(field, "=", value, bind);
      if (operator === "ne") return `NOT (${compared(field, "=", value, bind)})`;
      const sql = compared(field, operators[operator] as Operator, value, bind);
      // Missing is the greatest of all, and matches none.
      return operator === "lt" || operator === "le" || field.column !== undefined
        ? sql
        : `(${sql} AND ${field.head ?? field.key} < '6')`;
    }
    case "in":
      return among(sqlField(filter.field, declared), filter.values, bind);
    case "like": {
      const { text } = sqlField(filter.field, declared);
      return `coalesce(lower(${text} COLLATE ${context.unicode}) LIKE ${bind(likePattern(filter.pattern))}, false)`;
    }
    case "has": {
      const { json } = sqlField(filter.field, declared);
      return `${json} IS ${filter.present ? "NOT NULL" : "NULL"}`;
    }
    case "contains": {
      const { json } = sqlField(filter.field, declared);
      const keys = bind([...new Set(filter.values.map(sortKey))]);
      const items = `(SELECT coalesce(array_agg(rouage_key(item)), '{}') FROM jsonb_array_elements(${json}) AS i (item))`;
      return `CASE WHEN jsonb_typeof(${json}) = 'array' THEN ${items} ${filter.mode === "all" ? "@>" : "&&"} ${keys}::text[] ELSE false END`;
    }
    case "owner":
      return `coalesce(owner = ${bind(bindable(filter.owner))}, false)`;
    case "shared":
      return sharedSql(filter.permissions, filter.principals, context);
  }
}

export function all(parts: readonly string[]): string {
  return parts.length === 0 ? "true" : `(${parts.join(" AND ")})`;
}

/** The ids are found by principal, once for the list: whether they lead to the objects or are asked for each is the planner's to say. */
function sharedSql(
  permissions: readonly string[],
  principals: readonly string[],
  { bind, resource, parent }: FilterContext,
): string {
  const conditions = [
    principalIn("principal", principals, bind),
    `resource = ${bind(resource)}`,
    `permission = ANY (${bind(permissions.map(bindable))}::text[])`,
  ];
  if (parent === undefined) return `(parent, id) IN (SELECT parent, id FROM aces WHERE ${conditions.join(" AND ")})`;
  return `id IN (SELECT id FROM aces WHERE ${conditions.join(" AND ")} AND parent = ${parent})`;
}

/** Searched for by hash, because principals may be longer than an entry of an index. */
export function principalIn(column: string, principals: readonly string[], bind: Bind): string {
  const list = bind(principals.map(bindable));
  return `hashtextextended(${column}, 0) = ANY (ARRAY(SELECT hashtextextended(p, 0) FROM unnest(${list}::text[]) AS u (p))) AND ${column} = ANY (${list}::text[])`;
}
