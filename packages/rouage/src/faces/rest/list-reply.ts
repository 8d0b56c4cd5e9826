/** A list that no storage keeps, served by a plain route with the grammar and headers of a resource's: filters, order, pages, totals, ETag. */
import { invalid } from "../../errors.ts";
import type { JsonObject } from "../../json.ts";
import { selectPage } from "../../operations/select-page.ts";
import { completeSort } from "../../operations/sort.ts";
import type { Principal } from "../../principal.ts";
import { type Reply, type RouteContext, reply } from "../../route.ts";
import type { Settings } from "../../settings.ts";
import type { Filter, Sort } from "../../storage/filter.ts";
import { jsonType } from "./body.ts";
import { standardHeaders } from "./headers.ts";
import { parseListQuery } from "./list-query.ts";
import { encodePageToken } from "./page-token.ts";
import { preconditionsOf } from "./preconditions.ts";
import { parseQueryString } from "./query-string.ts";

export interface ListReplyOptions {
  readonly settings: Pick<Settings, "paginate_by" | "storage_max_fetch_size" | "public_origin" | "body_depth">;
  /** Fields that can be filtered and sorted on; others are a 400. */
  readonly fields: readonly string[];
  /** A field that no two objects share: it decides where the others are equal. */
  readonly key: string;
  /** Default order by `key`. */
  readonly direction?: "ascending" | "descending";
  /** Default order, ahead of that by `key`. */
  readonly sort?: readonly Sort[];
  /** What `ETag` shows: changes whenever the list may have. */
  readonly revision: number;
  /** Milliseconds since the epoch, for `Last-Modified`. Default: not sent. */
  readonly lastModified?: number;
  /** Every object of the list; read once, in any order. What the filter says may be used to produce fewer. */
  readonly objects: (filter: Filter | undefined) => Iterable<JsonObject> | AsyncIterable<JsonObject>;
}

/**
 * Answers GET and HEAD of a list.
 * @throws ServiceError `invalid-parameters`
 * @example route("GET", "/newest", { access: [everyone], handler: (context) => listReply(context, { settings, fields: ["id"], key: "id", revision, objects: () => rows }) })
 */
export async function listReply(
  context: Pick<RouteContext<unknown, unknown, unknown>, "request" | "clock" | "principal" | "signal">,
  options: ListReplyOptions,
): Promise<Reply> {
  const { request, clock, principal } = context;
  const { settings, key, direction = "descending", revision } = options;
  const isHead = request.method === "HEAD";
  const headers = {
    "content-type": jsonType,
    "cache-control": "no-cache, no-store",
    etag: `"${revision}"`,
    ...(options.lastModified !== undefined && { "last-modified": new Date(options.lastModified).toUTCString() }),
    "access-control-expose-headers":
      standardHeaders[isHead ? "list-head" : "list"]["access-control-expose-headers"] ?? "",
  };
  if (preconditionsOf(request).ifNoneMatch === revision) return reply(304, undefined, headers);

  const question = request.url.indexOf("?");
  const search = question < 0 ? "" : request.url.slice(question + 1);
  const tieBreak = { field: key, direction };
  const { options: query } = parseListQuery(parseQueryString(search), {
    fields: knownFields(options.fields),
    principal,
    now: Math.max(clock.now(), revision),
    depth: settings.body_depth,
    tieBreak,
    ...(options.sort !== undefined && { sort: options.sort }),
  });
  const sort = completeSort(query.sort ?? [], tieBreak);
  const largest = Math.min(settings.paginate_by ?? settings.storage_max_fetch_size, settings.storage_max_fetch_size);
  const limit = Math.min(query.limit ?? largest, largest);
  const page = await selectPage(options.objects(query.filter), {
    filter: query.filter,
    sort,
    after: query.after,
    limit,
    signal: context.signal,
  });

  const token = page.next === undefined ? undefined : encodePageToken(sort, page.next);
  if (page.next !== undefined && token === undefined) throw unpageable();
  const path = question < 0 ? request.url : request.url.slice(0, question);
  const kept = search.split("&").filter((pair) => pair !== "" && !/^(_limit|_token)(=|$)/.test(pair));
  const next = `${settings.public_origin ?? request.origin}${path}?${[...kept, `_limit=${limit}`, `_token=${token}`].join("&")}`;
  return reply(200, `{"data":${JSON.stringify(page.objects.map((object) => projected(object, query.fields)))}}`, {
    ...headers,
    ...(token !== undefined && { "next-page": next }),
    ...(isHead && { "total-objects": String(page.total), "total-records": String(page.total) }),
  });
}

function knownFields(names: readonly string[]) {
  const known = new Set(names);
  return {
    usable: (path: string, _principal: Principal) => known.has(path.split(".", 1)[0] ?? ""),
    declared: (name: string) => known.has(name),
  };
}

function projected(object: JsonObject, fields: readonly string[] | undefined): JsonObject {
  if (fields === undefined) return object;
  const heads = new Set(fields.map((field) => field.split(".", 1)[0]));
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => name === "id" || name === "last_modified" || heads.has(name)),
  );
}

function unpageable() {
  return invalid({
    location: "querystring",
    name: "_sort",
    description: "_sort has values too long to continue behind them",
    code: "too-long",
  });
}
