/** Makes a client of a definition that `rouage client` wrote: every resource and route as a property, requests by `fetch`. Needs nothing but the web platform. */
import { errorOf } from "./client-error.ts";
import type {
  Answer,
  ApiDefinition,
  CallOptions,
  ClientOptions,
  CreateOptions,
  ListQuery,
  Meta,
  Page,
  ReadOptions,
  ResourceClient,
  ResourceDefinition,
  RouteDefinition,
  SingletonClient,
  Tombstone,
  WriteOptions,
} from "./types.ts";

/**
 * @param definition belongs to the type `Api`; both are generated
 * @throws TypeError when `url` is no URL. Calls throw ClientError for answers that are errors, and what `fetch` throws.
 */
export function connect<Api>(definition: ApiDefinition, options: ClientOptions): Api {
  const send = sender(options);
  const resources = Object.entries(definition.resources).map(([name, resource]) => [
    name,
    clientOf(resource, definition.prefix, send),
  ]);
  const routes = Object.entries(definition.routes).map(([name, route]) => [name, routeOf(route, send)]);
  return Object.fromEntries([...resources, ...routes]) as Api;
}

type Send = (method: string, path: string, request?: SentRequest) => Promise<Response>;

interface SentRequest extends CallOptions {
  readonly body?: unknown;
}

function sender({ url, headers: common = {}, fetch = globalThis.fetch }: ClientOptions): Send {
  const base = new URL(url).href.replace(/\/$/, "");
  return async (method, path, { body, headers = {}, signal } = {}) => {
    const request = new Request(path.startsWith("/") ? base + path : path, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(typeof common === "function" ? await common() : common),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const response = await fetch(request);
    if (response.ok || response.status === 304) return response;
    throw await errorOf(response);
  };
}

type Stored = Meta & Readonly<Record<string, unknown>>;
type Posted = Readonly<Record<string, unknown>>;

function clientOf(definition: ResourceDefinition, base: string, send: Send): unknown {
  const path = base + definition.path;
  const own = definition.singleton === true ? singletonOf(path, send) : resourceOf(path, send);
  const { nested } = definition;
  if (nested === undefined) return own;
  const at = (id: string) =>
    Object.fromEntries(
      Object.entries(nested).map(([name, child]) => [name, clientOf(child, objectPath(path, id), send)]),
    );
  return { ...own, at };
}

function resourceOf(list: string, send: Send): ResourceClient<Stored, Posted> {
  const page = async <T>(method: "GET" | "DELETE", path: string, options?: CallOptions): Promise<Page<T>> => {
    const response = await send(method, path, options);
    const { data } = (await response.json()) as { readonly data: readonly T[] };
    const next = response.headers.get("next-page");
    const current = { data, revision: revisionOf(response) };
    return next === null ? current : { ...current, next: () => page<T>(method, next, options) };
  };
  const client: ResourceClient<Stored, Posted> = {
    list: (query, options) => page("GET", list + search(query), options),
    changes: (since, query, options) => page("GET", list + search(query, { _since: `"${since}"` }), options),
    async *all(query, options) {
      for (let current: Page<Stored> | undefined = await client.list(query, options); current !== undefined; ) {
        yield* current.data;
        current = await current.next?.();
      }
    },
    async count(query, options) {
      const response = await send("HEAD", list + search(query), options);
      return Number(response.headers.get("total-objects"));
    },
    get: ((id: string, options?: ReadOptions) => read(objectPath(list, id), send, options)) as ResourceClient<
      Stored,
      Posted
    >["get"],
    create: (data, options) => write("POST", list, { data }, send, options),
    replace: (id, data, options) => write("PUT", objectPath(list, id), { data }, send, options),
    patch: (id, data, options) => write("PATCH", objectPath(list, id), { data }, send, options),
    delete: (id, options) => write<Tombstone>("DELETE", objectPath(list, id), undefined, send, options),
    deleteAll: (query, options) => page("DELETE", list + search(query), options),
  };
  return client;
}

function singletonOf(path: string, send: Send): SingletonClient<Stored, Posted> {
  return {
    get: ((options?: ReadOptions) => read(path, send, options)) as SingletonClient<Stored, Posted>["get"],
    replace: (data, options) => write("PUT", path, { data }, send, options),
    patch: (data, options) => write("PATCH", path, { data }, send, options),
    delete: (options) => write<Tombstone>("DELETE", path, undefined, send, options),
  };
}

async function read(path: string, send: Send, options: ReadOptions = {}): Promise<Answer<Stored | undefined>> {
  const { ifNoneMatch, fields, ...call } = options;
  const conditions = ifNoneMatch === undefined ? {} : { "if-none-match": `"${ifNoneMatch}"` };
  const query = fields === undefined ? "" : search({ fields });
  const response = await send("GET", path + query, { ...call, headers: { ...conditions, ...call.headers } });
  if (response.status === 304) return { data: undefined, revision: revisionOf(response) };
  return answerOf(response);
}

async function write<T = Stored>(
  method: string,
  path: string,
  body: { readonly data: unknown } | undefined,
  send: Send,
  options: CreateOptions & WriteOptions = {},
): Promise<Answer<T>> {
  const { ifMatch, ifNoneMatch, permissions, idempotencyKey, ...call } = options;
  const headers = {
    ...(ifMatch === undefined ? {} : { "if-match": ifMatch === "*" ? "*" : `"${ifMatch}"` }),
    ...(ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch }),
    ...(idempotencyKey === undefined ? {} : { "idempotency-key": `"${idempotencyKey}"` }),
    ...call.headers,
  };
  const sent = permissions === undefined ? body : { ...body, permissions };
  return answerOf<T>(await send(method, path, { ...call, headers, ...(sent === undefined ? {} : { body: sent }) }));
}

async function answerOf<T>(response: Response): Promise<Answer<T>> {
  const { data, permissions } = (await response.json()) as Answer<T>;
  const answer = { data, revision: revisionOf(response) };
  return permissions === undefined ? answer : { ...answer, permissions };
}

function revisionOf(response: Response): number {
  return Number((response.headers.get("etag") ?? "").replaceAll('"', "") || Number.NaN);
}

function objectPath(list: string, id: string): string {
  return `${list}/${encodeURIComponent(id)}`;
}

/** Values go as JSON, so that a text that looks like a number stays a text. */
function search(
  { where = {}, sort, limit, fields }: ListQuery = {},
  more: Readonly<Record<string, string>> = {},
): string {
  const parameters = new URLSearchParams(more);
  for (const [name, value] of Object.entries(where))
    if (value !== undefined) parameters.append(name, wireValue(name, value));
  if (sort !== undefined) parameters.set("_sort", sort.join(","));
  if (limit !== undefined) parameters.set("_limit", String(limit));
  if (fields !== undefined) parameters.set("_fields", fields.join(","));
  return parameters.size === 0 ? "" : `?${parameters}`;
}

/** `in_` and `exclude_` take a list of values between commas. */
function wireValue(name: string, value: unknown): string {
  if (Array.isArray(value) && /^(in|exclude)_/.test(name)) return value.map((each) => JSON.stringify(each)).join(",");
  return JSON.stringify(value);
}

interface RouteInput extends CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/** JSON answers as values, others as the response itself, 204 as undefined. */
function routeOf({ method, path }: RouteDefinition, send: Send) {
  return async ({ params = {}, query = {}, ...request }: RouteInput = {}): Promise<unknown> => {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
    const response = await send(method, filled + (parameters.size === 0 ? "" : `?${parameters}`), request);
    if (response.status === 204) return undefined;
    const type = response.headers.get("content-type") ?? "";
    return /[/+]json\b/.test(type) ? response.json() : response;
  };
}
