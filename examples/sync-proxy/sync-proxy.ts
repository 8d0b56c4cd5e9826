/**
 * The storage of Firefox Sync, served as collections of records: clients of this protocol read it without knowing the other one. The
 * service keeps nothing; credentials and conditions go through, times, pages and errors are translated.
 */
import { everyone, invalid, type Route, type RouteContext, reply, route, ServiceError, service } from "rouage";
import { Type } from "typebox";
import { type Bso, errorOf, ourHeaders, recordOf, upstreamConditions, upstreamQuery } from "./translate.ts";
import { type Upstream, upstreamAt } from "./upstream.ts";

export interface SyncProxyOptions {
  /** Base of the upstream: `https://sync.example/1.5/42`. */
  readonly upstream: string;
  /** Collections whose records may be written and deleted. Default: none. */
  readonly writable?: readonly string[];
}

const list = "/buckets/sync/collections/{collection}/records";
const name = Type.String({ pattern: "^[a-zA-Z0-9._-]{1,32}$" });
const id = Type.String({ pattern: "^[a-zA-Z0-9_-]{1,64}$" });

export function syncProxy({ upstream: base, writable = [] }: SyncProxyOptions) {
  const upstream = upstreamAt(base);
  const params = { params: Type.Object({ collection: name }), access: [everyone] };
  const objectParams = { params: Type.Object({ collection: name, id }), access: [everyone] };
  const routes: readonly Route[] = [
    route("GET", list, {
      ...params,
      summary: "Records of a collection",
      handler: (context) => readList(upstream, context),
    }),
    route("GET", `${list}/{id}`, { ...objectParams, handler: (context) => readRecord(upstream, context) }),
    route("PUT", `${list}/{id}`, {
      ...objectParams,
      body: Type.Object({
        data: Type.Object({
          id: Type.Optional(id),
          payload: Type.String({ maxLength: 1_000_000 }),
          sortindex: Type.Optional(Type.Integer()),
        }),
      }),
      handler: (context) => {
        assertWritable(context.params.collection, writable);
        return writeRecord(upstream, context, context.body.data);
      },
    }),
    route("DELETE", `${list}/{id}`, {
      ...objectParams,
      handler: async (context) => {
        assertWritable(context.params.collection, writable);
        const { headers } = await call(upstream, context, { method: "DELETE" });
        return reply(204, undefined, headers);
      },
    }),
  ];
  return service({
    name: "sync-proxy",
    version: "1.0.0",
    description: "Firefox Sync storage as collections of records.",
    storage: false,
    routes,
    checks: () => ({
      sync: async () => {
        const { status } = await upstream({ method: "GET", path: "/", headers: {}, signal: AbortSignal.timeout(5000) });
        if (status >= 500) throw new Error(`the upstream answers ${status}`);
      },
    }),
  });
}

export default syncProxy({ upstream: process.env.SYNC_PROXY_UPSTREAM_URL ?? "http://127.0.0.1:5000/1.5/1" });

type Context = Pick<
  RouteContext<unknown, Readonly<Record<string, string>>, { collection: string }>,
  "request" | "query" | "signal"
> & {
  readonly params: { readonly collection: string; readonly id?: string };
};

async function readList(upstream: Upstream, context: Context) {
  const { status, headers, body } = await call(upstream, context, { query: upstreamQuery(context.query) });
  if (status === 304) return reply(304, undefined, headers);
  const bsos = (Array.isArray(body) ? body : []) as readonly Bso[];
  return reply(200, { data: bsos.map(recordOf) }, headers);
}

async function readRecord(upstream: Upstream, context: Context) {
  const { status, headers, body } = await call(upstream, context);
  if (status === 304) return reply(304, undefined, headers);
  return reply(200, { data: recordOf(body as Bso) }, headers);
}

async function writeRecord(
  upstream: Upstream,
  context: Context,
  data: { readonly id?: string; readonly payload: string; readonly sortindex?: number },
) {
  if (data.id !== undefined && data.id !== context.params.id)
    throw invalid({
      location: "body",
      name: "id",
      description: "Object id does not match existing object",
      code: "id-mismatch",
    });
  const { payload, sortindex } = data;
  const sent = JSON.stringify(sortindex === undefined ? { payload } : { payload, sortindex });
  const { headers } = await call(upstream, context, { method: "PUT", body: sent });
  const revision = Number(headers.etag?.replaceAll('"', ""));
  return reply(200, { data: { id: context.params.id, last_modified: revision, ...JSON.parse(sent) } }, headers);
}

/** @throws ServiceError for what the upstream refuses */
async function call(
  upstream: Upstream,
  { request, params, signal }: Context,
  {
    method = "GET",
    query,
    body,
  }: { readonly method?: string; readonly query?: URLSearchParams; readonly body?: string } = {},
) {
  const { collection, id } = params;
  const path = `/storage/${collection}${id === undefined ? "" : `/${id}`}${query === undefined ? "" : `?${query}`}`;
  const authorization = request.header("authorization");
  const answer = await upstream({
    method,
    path,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...upstreamConditions(request.header),
    },
    ...(body === undefined ? {} : { body }),
    signal,
  });
  const headers = ourHeaders(answer.headers, (offset) => pageAt(request, offset));
  if (answer.status >= 400) throw errorOf(answer.status, headers, id);
  return { ...answer, headers };
}

function pageAt({ origin, url }: { readonly origin: string; readonly url: string }, offset: string): string {
  const page = new URL(url, origin);
  page.searchParams.set("_token", offset);
  return page.href;
}

function assertWritable(collection: string, writable: readonly string[]): void {
  if (!writable.includes(collection))
    throw new ServiceError("method-not-allowed", { headers: { allow: "GET, HEAD, OPTIONS" } });
}
