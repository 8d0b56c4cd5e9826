/** Lists, counts and scans as statements: filtering, ordering and paging all happen in SQLite. */
import type { Filter } from "../filter.ts";
import type { ListKey, ListQuery, ScanQuery, StoredEntry } from "../storage.ts";
import type { Database } from "./database.ts";
import { type Sql, type SqlValue, sqlField } from "./fields.ts";
import { all, type FilterSource, filterSql } from "./filters.ts";
import type { SqliteResource } from "./resources.ts";
import { batch, many, one, type Row, storedEntry } from "./rows.ts";
import { namesIds, withSharedIds } from "./shared.ts";
import { behindSql, type SortSource, sortKeys } from "./sorts.ts";

export function listEntries(
  { prepare }: Pick<Database, "prepare">,
  resource: SqliteResource,
  key: ListKey,
  asked: ListQuery,
): readonly StoredEntry[] {
  const { parent } = key;
  const query =
    asked.filter === undefined ? asked : { ...asked, filter: withSharedIds({ prepare }, key, asked.filter) };
  const { text, values } = listSql(resource, parent, query, scalarFields({ prepare }, resource, parent, query));
  const statement = prepare(text);
  const { size } = query;
  if (size === undefined) return many(statement, ...values).map(storedEntry);
  return batch(statement, values, bodyLength, { most: size, limit: query.limit }).rows.map(storedEntry);
}

function bodyLength([, , body]: Row): number {
  return typeof body === "string" ? body.length : 0;
}

export function countObjects(
  { prepare }: Pick<Database, "prepare">,
  resource: SqliteResource,
  key: ListKey,
  asked: Filter | undefined,
): number {
  const filter = asked && withSharedIds({ prepare }, key, asked);
  const { text, values } = condition(objects(resource), key.parent, filter, filter !== undefined);
  return one(prepare(`SELECT count(*) FROM ${resource.table} WHERE ${text}`), ...values)?.[0] as number;
}

/** The next entries in key order behind (parent, id), at most about a megabyte of them. */
export function scanEntries(
  { prepare }: Pick<Database, "prepare">,
  resource: SqliteResource,
  { filter, tombstones = false }: ScanQuery,
  behind: readonly [parent: string, id: string] | undefined,
): readonly (StoredEntry & { readonly parent: string })[] {
  const parts = (tombstones ? [objects(resource), tombs(resource)] : [objects(resource)]).map((source) => {
    const conditions: Sql[] = [source.all];
    if (behind !== undefined) conditions.push({ text: "(parent, id) > (?, ?)", values: [...behind] });
    if (filter !== undefined) conditions.push(filterSql(filter, source));
    const { text, values } = all(conditions);
    return { text: `SELECT ${source.columns}, parent FROM ${source.from} WHERE ${text}`, values };
  });
  const { text, values } = union(parts);
  // Five columns: id, revision, body, owner, parent.
  const { rows } = batch(prepare(`${text} ORDER BY 5, 1 LIMIT 500`), values, (row) => String(row[2]).length + 100);
  return rows.map((row) => ({ ...storedEntry(row), parent: row[4] as string }));
}

/** The statement of a list; exported for tests that look at its plan. */
export function listSql(
  resource: SqliteResource,
  parent: string,
  { filter, sort, limit, after, tombstones = false }: ListQuery,
  scalar: ReadonlySet<string>,
): Sql {
  const live = objects(resource, filter);
  const parts = (tombstones ? [live, tombs(resource)] : [live]).map((source) => {
    const sortSource = { ...source, scalar };
    const base = condition(source, parent, filter, mayBeCostly({ ...(filter && { filter }), sort }));
    const { text, values } = after === undefined ? base : all([base, behindSql(sort, after, sortSource)]);
    const keys = sortKeys(sort, sortSource);
    // A union can only be ordered by its columns.
    const columns = tombstones ? [source.columns, ...keys.map(({ sql }) => sql)].join(", ") : source.columns;
    return { text: `SELECT ${columns} FROM ${source.from} WHERE ${text}`, values, keys };
  });
  const keys = parts[0]?.keys ?? [];
  const order = keys.map(({ sql, descending }, index) => `${tombstones ? index + 5 : sql}${descending ? " DESC" : ""}`);
  const { text, values } = union(parts);
  const ordered = order.length === 0 ? text : `${text} ORDER BY ${order.join(", ")}`;
  const limited = `${ordered} LIMIT ?`;
  // The keys stay inside: a whole number beyond 2^53 among them could not be read.
  const page = tombstones ? `SELECT id, revision, body, owner FROM (${limited})` : limited;
  return { text: page, values: [...values, Math.min(Math.max(limit, 0), Number.MAX_SAFE_INTEGER)] };
}

interface Source extends Omit<SortSource, "scalar">, FilterSource {
  readonly from: string;
  /** id, revision, body, owner. */
  readonly columns: string;
  /** Condition for everything of the resource. */
  readonly all: Sql;
}

function objects({ name, table, declared }: SqliteResource, filter?: Filter): Source {
  return {
    // Else an index that has the order of the page is preferred, and the whole list read to find a few.
    from: namesIds(filter) ? `${table} INDEXED BY ${table}_id` : table,
    columns: "id, revision, body, owner",
    all: { text: "1", values: [] },
    body: "body",
    owner: "owner",
    shared: { resource: name, table },
    declared,
  };
}

function tombs({ name }: SqliteResource): Source {
  return {
    from: "tombstones",
    columns: "id, revision, NULL AS body, NULL AS owner",
    all: { text: "resource = ?", values: [name] },
    body: `'{"deleted":true}'`,
    owner: "NULL",
    shared: undefined,
    declared: new Set(),
  };
}

function condition(source: Source, parent: string, filter: Filter | undefined, isBounded: boolean): Sql {
  const list: Sql = { text: "parent = ?", values: [parent] };
  const conditions = all([source.all, list, ...(filter === undefined ? [] : [filterSql(filter, source)])]);
  // First, because SQLite evaluates conditions from left to right, and to the first that is false.
  return isBounded ? { text: `rouage_within() AND ${conditions.text}`, values: conditions.values } : conditions;
}

/** Whether every row of the list may be read although few are asked for: then the time it takes is bounded. */
function mayBeCostly({ filter, sort }: Pick<ListQuery, "filter" | "sort">): boolean {
  return filter !== undefined || sort.some(({ field }) => field !== "last_modified" && field !== "id");
}

function union(parts: readonly Sql[]): Sql {
  return {
    text: parts.map(({ text }) => text).join(" UNION ALL "),
    values: parts.flatMap(({ values }): readonly SqlValue[] => values),
  };
}

/**
 * Declared sort fields under which this list has no array and no object: asked of the index, so that the index alone can
 * answer the sort.
 */
function scalarFields(
  { prepare }: Pick<Database, "prepare">,
  resource: SqliteResource,
  parent: string,
  { sort }: ListQuery,
): ReadonlySet<string> {
  const scalar = new Set<string>();
  for (const { field } of sort) {
    const leading = [...resource.definition.indexes, ...resource.definition.unique].some(([first]) => first === field);
    if (!leading || !resource.declared.has(field)) continue;
    const { rank } = sqlField(field, { body: "body", declared: resource.declared });
    const found = one(
      prepare(`SELECT 1 FROM ${resource.table} WHERE parent = ? AND ${rank} IN (4, 5) LIMIT 1`),
      parent,
    );
    if (found === undefined) scalar.add(field);
  }
  return scalar;
}
