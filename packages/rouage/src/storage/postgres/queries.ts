/** Lists, counts and scans as statements: filtering, ordering and paging all happen in PostgreSQL. */

import type { Filter, Sort, SortValue } from "../filter.ts";
import { bindable } from "../sort-key.ts";
import type { ListQuery, ScanQuery, StoredEntry } from "../storage.ts";
import { withinSize } from "../within-size.ts";
import type { Connection, Statement } from "./connection.ts";
import { type Bind, binding, compared, type SqlField, sqlField } from "./fields.ts";
import { all, filterSql } from "./filters.ts";
import type { PostgresResource } from "./resources.ts";
import { type StoredRow, storedEntry } from "./rows.ts";
import { headLength } from "./text.ts";

type Run = Pick<Connection, "run">;

export async function listEntries(
  { run }: Run,
  resource: PostgresResource,
  parent: string,
  query: ListQuery,
): Promise<readonly StoredEntry[]> {
  const quick = listSql(resource, parent, query, false);
  let { rows } = await run(quick);
  // Long values that begin alike are in no order yet.
  if (quick.isApproximate && rows.some((row) => row[4] === true))
    ({ rows } = await run(listSql(resource, parent, query, true)));
  const entries = rows.map((row) => storedEntry(row as StoredRow));
  return query.size === undefined ? entries : withinSize(entries, query.size);
}

export async function countObjects(
  { run }: Run,
  resource: PostgresResource,
  parent: string,
  filter: Filter | undefined,
): Promise<number> {
  const { bind, values } = binding();
  const conditions = conditionsOf(resource, bind(bindable(parent)), filter, false, bind);
  const { rows } = await run({ text: `SELECT count(*) FROM ${resource.table} WHERE ${all(conditions)}`, values });
  return Number(rows[0]?.[0]);
}

export type Place = readonly [parent: string, id: string];

/** Entries of one scanned page. */
const scanPage = 500;

/** The next entries in key order, at most about a megabyte of them and `scanPage`. */
export async function scanEntries(
  { run }: Run,
  resource: PostgresResource,
  { filter, tombstones = false }: ScanQuery,
  behind: Place | undefined,
): Promise<readonly (StoredEntry & { readonly parent: string })[]> {
  const { bind, values } = binding();
  const conditions: string[] = tombstones ? [] : ["body IS NOT NULL"];
  if (behind !== undefined) conditions.push(`(parent, id) > (${bind(behind[0])}, ${bind(behind[1])})`);
  if (filter !== undefined)
    conditions.push(filterSql(filter, { ...resource, resource: resource.name, bind, parent: undefined }));
  const page = `SELECT id, revision, body, owner, parent FROM ${resource.table} WHERE ${all(conditions)} ORDER BY parent, id LIMIT ${scanPage}`;
  const { rows } = await run({ text: cut(page, "id, revision, body, owner, parent", bind(1_000_000)), values });
  return rows.map((row) => ({ ...storedEntry(row as StoredRow), parent: row[4] as string }));
}

export interface ListStatement extends Statement {
  readonly text: string;
  /** True: values that are longer than what an index holds may be in a wrong order, and the fifth column says where there are any. */
  readonly isApproximate: boolean;
}

/** The statement of a list; exported for tests that look at its plan. */
export function listSql(
  resource: PostgresResource,
  parent: string,
  { filter, sort, limit, size, after, tombstones = false }: ListQuery,
  exact: boolean,
): ListStatement {
  const { bind, values } = binding();
  const conditions = conditionsOf(resource, bind(bindable(parent)), filter, tombstones, bind);
  if (after !== undefined) conditions.push(behindSql(sort, after, resource.declared, bind));
  const fields = sort.map(({ field }) => sqlField(field, resource.declared));
  const heads = exact ? [] : fields.flatMap(({ head }) => (head === undefined ? [] : [head]));
  const order = sort.flatMap(({ direction }, index) =>
    orderBy(fields[index], exact).map((sql) => `${sql}${direction === "descending" ? " DESC" : ""}`),
  );
  const isLong = heads.map((head) => `length(${head}) >= ${headLength}`).join(" OR ");
  const columns = `id, revision, body, owner${isLong === "" ? "" : `, ${isLong} AS long`}`;
  const page =
    `SELECT ${columns} FROM ${resource.table} WHERE ${all(conditions)}` +
    `${order.length === 0 ? "" : ` ORDER BY ${order.join(", ")}`} LIMIT ${bind(Math.min(Math.max(limit, 0), Number.MAX_SAFE_INTEGER))}`;
  // A character of `size` is at most three bytes: what is read is bounded, the exact end is found by who reads.
  const text =
    size === undefined
      ? page
      : cut(
          page,
          `id, revision, body, owner${isLong === "" ? "" : ", long"}`,
          bind(Math.min(size * 3, Number.MAX_SAFE_INTEGER)),
        );
  return { text, values, isApproximate: isLong !== "" };
}

/** The rows up to the one with which the bodies are together longer than `most` bytes. Rows come as the page has ordered them. */
function cut(page: string, columns: string, most: string): string {
  const before =
    "sum(coalesce(octet_length(body), 0)) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - coalesce(octet_length(body), 0)";
  return `SELECT ${columns} FROM (SELECT *, ${before} AS before FROM (${page}) AS page) AS measured WHERE before <= ${most}`;
}

function conditionsOf(
  resource: PostgresResource,
  parent: string,
  filter: Filter | undefined,
  tombstones: boolean,
  bind: Bind,
): string[] {
  const conditions = [`parent = ${parent}`];
  if (!tombstones) conditions.push("body IS NOT NULL");
  if (filter !== undefined) conditions.push(filterSql(filter, { ...resource, resource: resource.name, bind, parent }));
  return conditions;
}

function orderBy(field: SqlField | undefined, exact: boolean): readonly string[] {
  if (field === undefined) return [];
  if (field.column !== undefined) return [field.column];
  if (field.head === undefined) return [field.key];
  return exact ? [field.head, field.key] : [field.head];
}

/** Condition for the entries behind the one with these values. */
function behindSql(
  sort: readonly Sort[],
  after: readonly SortValue[],
  declared: ReadonlySet<string>,
  bind: Bind,
): string {
  let condition: string | undefined;
  for (let index = sort.length - 1; index >= 0; index--) {
    const term = sort[index];
    if (term === undefined) continue;
    const field = sqlField(term.field, declared);
    const value = after[index];
    const beyond = compared(field, term.direction === "descending" ? "<" : ">", value, bind);
    condition =
      condition === undefined ? beyond : `(${beyond} OR (${compared(field, "=", value, bind)} AND ${condition}))`;
  }
  const [first] = sort;
  if (first === undefined || condition === undefined) return "false";
  if (sort.length === 1) return condition;
  // Says again, as one range that an index can be searched for, what the alternatives above imply.
  const range = compared(
    sqlField(first.field, declared),
    first.direction === "descending" ? "<=" : ">=",
    after[0],
    bind,
  );
  return `(${range} AND ${condition})`;
}
