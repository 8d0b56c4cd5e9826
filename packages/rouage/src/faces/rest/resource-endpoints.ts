/** The endpoints of one resource: requests become operations, results become answers with the stored JSON spliced in. */
import { invalid, type Violation, type ViolationLocation, violationError } from "../../errors.ts";
import type { Json, JsonObject } from "../../json.ts";
import { decide, refusal } from "../../operations/access.ts";
import type {
  DeleteListResult,
  GetResult,
  ListResult,
  PatchDocument,
  ResourceOperations,
  Target,
  WriteResult,
} from "../../operations/operations.ts";
import { type Action, effectiveRules } from "../../operations/rules.ts";
import type { Resource } from "../../resource.ts";
import type { Settings } from "../../settings.ts";
import { type JsonBody, jsonType, readJson } from "./body.ts";
import { endpointDefaults } from "./endpoint.ts";
import type { Answer, Endpoint, Exchange } from "./exchange.ts";
import { fieldsOf } from "./fields.ts";
import type { EndpointKind } from "./headers.ts";
import { parseFields, parseListQuery } from "./list-query.ts";
import type { Nonces } from "./nonces.ts";
import { encodePageToken } from "./page-token.ts";
import { preconditionsOf } from "./preconditions.ts";
import { parseQueryString } from "./query-string.ts";

export interface ResourceEndpointParts {
  readonly settings: Settings;
  /** `/v1` */
  readonly prefix: string;
  readonly nonces: Nonces;
  readonly httpDate: (milliseconds: number) => string;
}

type Params = Readonly<Record<string, string>>;
type Method = NonNullable<Resource["options"]["disabled"]>[number];

export function resourceEndpoints(
  resource: Resource,
  operations: ResourceOperations,
  { settings, prefix, nonces, httpDate }: ResourceEndpointParts,
): readonly Endpoint[] {
  const { options, name } = resource;
  const fields = fieldsOf(resource);
  const rules = effectiveRules(options);
  const limits = { size: settings.body_limit, depth: settings.body_depth };
  const singleton = options.singleton === true;

  /** Revisions of a list may be ahead of a clock that was set back: clients may ask about them all the same. */
  const grammar = (exchange: Exchange, revision = 0) => ({
    fields,
    principal: exchange.principal,
    now: Math.max(exchange.clock.now(), revision),
    depth: settings.body_depth,
  });

  function listOptions(exchange: Exchange, extra: { readonly total?: true; readonly deleting?: true }) {
    return (revision: number) => {
      const {
        options: query,
        token,
        deprecatedTo,
      } = parseListQuery(parseQueryString(exchange.search), grammar(exchange, revision));
      if (deprecatedTo) exchange.deprecation = "_to is now deprecated, you should use _before instead";
      if (extra.deleting !== true) return extra.total === true ? { ...query, total: true } : query;
      if (token !== undefined && (token.nonce === undefined || !nonces.consume(token.nonce)))
        throw invalid({
          location: "querystring",
          name: "_token",
          description: "_token was already used or has expired.",
          code: "used-token",
        });
      const { tombstones: _, ...alive } = query;
      return alive;
    };
  }

  /** Caching is for what everybody sees. A cache on the way must not answer somebody signed in from it. */
  const { cacheSeconds } = options;
  const caching = (exchange: Exchange): Readonly<Record<string, string>> =>
    cacheSeconds === undefined || exchange.principal.id !== undefined
      ? { "cache-control": uncached }
      : {
          "cache-control": `max-age=${cacheSeconds}`,
          expires: httpDate(exchange.clock.now() + cacheSeconds * 1000),
          vary: "Authorization, Cookie",
        };

  const validators = (revision: number) => ({ etag: `"${revision}"`, "last-modified": httpDate(revision) });
  type Next = NonNullable<DeleteListResult["next"]>;
  const nextPage = (exchange: Exchange, { sort, after, limit }: Next) => {
    const token = encodePageToken(sort, after);
    if (token === undefined)
      throw invalid(at("querystring", "_sort", "_sort has values too long to continue behind them", "too-long"));
    return { "next-page": nextPageOf(exchange, settings, limit, token) };
  };
  /** What was deleted does not come back: without a token the same request continues as well. */
  const nextDeletion = (exchange: Exchange, { sort, after, limit }: Next) => ({
    "next-page": nextPageOf(exchange, settings, limit, encodePageToken(sort, after, nonces.issue())),
  });

  function listAnswer(exchange: Exchange, result: ListResult): Answer {
    if (result.kind === "not-modified")
      return { status: 304, headers: { ...validators(result.revision), ...caching(exchange) } };
    const total = result.total === undefined ? undefined : String(result.total);
    return {
      status: 200,
      headers: {
        "content-type": jsonType,
        ...caching(exchange),
        ...validators(result.revision),
        ...(result.next === undefined ? {} : nextPage(exchange, result.next)),
        ...(total === undefined ? {} : { "total-objects": total, "total-records": total }),
      },
      body: `{"data":[${result.items.join(",")}]}`,
    };
  }

  function objectAnswer(result: GetResult): Answer {
    if (result.kind === "not-modified")
      return {
        status: 304,
        headers: {
          etag: `"${result.revision}"`,
          "last-modified": httpDate(result.revision),
          "cache-control": uncached,
        },
      };
    return {
      status: 200,
      headers: {
        "content-type": jsonType,
        etag: `"${result.revision}"`,
        "last-modified": httpDate(result.revision),
        "cache-control": uncached,
      },
      body: `{"data":${result.json}}`,
    };
  }

  function cachedAnswer(exchange: Exchange, result: GetResult): Answer {
    const answer = objectAnswer(result);
    if (cacheSeconds === undefined) return answer;
    return { ...answer, headers: { ...answer.headers, ...caching(exchange) } };
  }

  function writeAnswer(
    { kind, revision, json }: Pick<WriteResult, "kind" | "revision" | "json">,
    location?: string,
  ): Answer {
    return {
      status: kind === "created" ? 201 : 200,
      headers: {
        "content-type": jsonType,
        "cache-control": uncached,
        ...validators(revision),
        ...(location === undefined ? {} : { location }),
      },
      body: `{"data":${json}}`,
    };
  }

  /** A caller who may not write at all is told so, and not what is wrong with the body. */
  async function read(exchange: Exchange, types: readonly string[], actions: readonly Action[]) {
    try {
      return await readJson(exchange, types, limits);
    } catch (error) {
      const { principal } = exchange;
      if (actions.every((action) => decide(rules[action], principal) === false)) throw refusal(principal);
      throw error;
    }
  }

  const handlers: Readonly<Record<Method | "listHead", Endpoint["run"]>> = {
    list: async (exchange, params) =>
      listAnswer(
        exchange,
        await operations.list(
          exchange.context(),
          { params },
          {
            ...preconditionsOf(exchange.request),
            query: listOptions(exchange, {}),
          },
        ),
      ),

    listHead: async (exchange, params) =>
      listAnswer(
        exchange,
        await operations.list(
          exchange.context(),
          { params },
          {
            ...preconditionsOf(exchange.request),
            query: listOptions(exchange, { total: true }),
          },
        ),
      ),

    get(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const request =
        exchange.search === ""
          ? conditions
          : { ...conditions, fields: () => parseFields(parseQueryString(exchange.search), grammar(exchange)) };
      const result = operations.get(exchange, targetOf(params), request);
      if (result instanceof Promise) return result.then((object) => cachedAnswer(exchange, object));
      return cachedAnswer(exchange, result);
    },

    async create(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const data = dataOf(await read(exchange, [jsonType], ["create"]));
      const result = await operations.create(exchange.context(), { params }, { ...conditions, ...data });
      return writeAnswer(
        result,
        result.kind === "created" ? `${exchange.path}/${encodeURIComponent(result.id)}` : undefined,
      );
    },

    async replace(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const data = dataOf(await read(exchange, [jsonType], ["replace", "create"]));
      return writeAnswer(await operations.replace(exchange.context(), targetOf(params), { ...conditions, ...data }));
    },

    async patch(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const behavior = behaviorOf(exchange.request.header("response-behavior"));
      const patch = patchOf(await read(exchange, patchTypes, ["patch"]));
      return writeAnswer(
        await operations.patch(exchange.context(), targetOf(params), {
          ...conditions,
          patch,
          ...(behavior === undefined ? {} : { behavior }),
        }),
      );
    },

    async delete(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const revision = wishedRevision(exchange.search);
      const result = await operations.delete(exchange.context(), targetOf(params), {
        ...conditions,
        ...(revision === undefined ? {} : { revision }),
      });
      return writeAnswer({ kind: "updated", ...result });
    },

    async deleteList(exchange, params) {
      const result = await operations.deleteList(
        exchange.context(),
        { params },
        {
          ...preconditionsOf(exchange.request),
          query: listOptions(exchange, { deleting: true }),
        },
      );
      return {
        status: 200,
        headers: {
          "content-type": jsonType,
          "cache-control": uncached,
          ...validators(result.revision),
          ...(result.next === undefined ? {} : nextDeletion(exchange, result.next)),
        },
        body: `{"data":[${result.items.join(",")}]}`,
      };
    },
  };

  function targetOf(params: Params): Target {
    const { id } = params;
    return id === undefined || singleton ? { params } : { params, id };
  }

  const switchedOff = new Set(settings.disabled_endpoints);
  function endpoint(kind: EndpointKind, method: string, operation: keyof typeof handlers): Endpoint {
    const plural = kind !== "object";
    const action: Method = operation === "listHead" ? "list" : operation;
    const scope = `${plural ? "plural" : "object"}_${name}`;
    const vacant = options.disabled?.includes(action) === true;
    const enabled =
      !vacant &&
      !switchedOff.has(`${scope}_${method.toLowerCase()}`) &&
      !(method === "HEAD" && switchedOff.has(`${scope}_get`)) &&
      !(settings.readonly && method !== "GET" && method !== "HEAD");
    return {
      ...endpointDefaults,
      method,
      path: prefix + (plural ? resource.listPath : resource.objectPath),
      name: `${name}.${action}`,
      declaredBy: `resource ${name}`,
      kind,
      enabled,
      vacant,
      run: handlers[operation],
    };
  }

  return [
    ...(singleton
      ? []
      : [
          endpoint("list", "GET", "list"),
          endpoint("list-head", "HEAD", "listHead"),
          endpoint("list", "POST", "create"),
          endpoint("list", "DELETE", "deleteList"),
        ]),
    endpoint("object", "GET", "get"),
    endpoint("object", "HEAD", "get"),
    endpoint("object", "PUT", "replace"),
    endpoint("object", "PATCH", "patch"),
    endpoint("object", "DELETE", "delete"),
  ];
}

const uncached = "no-cache, no-store";
const mergePatch = "application/merge-patch+json";
const jsonPatch = "application/json-patch+json";
const patchTypes = [jsonType, mergePatch, jsonPatch];

/** The original query with where to continue; other parameters stay as they were written. */
function nextPageOf(exchange: Exchange, settings: Settings, limit: number, token: string | undefined): string {
  const kept = exchange.search.split("&").filter((pair) => pair !== "" && !/^(_limit|_token)(=|$)/.test(pair));
  const origin = settings.public_origin ?? exchange.request.origin;
  return `${origin}${exchange.path}?${[...kept, `_limit=${limit}`, ...(token === undefined ? [] : [`_token=${token}`])].join("&")}`;
}

/** `data` of an envelope; empty where the body carries none. */
function dataOf(body: JsonBody | undefined): { readonly data?: JsonObject } {
  if (body === undefined) return {};
  const { data } = envelopeOf(body.value);
  return data === undefined ? {} : { data };
}

function envelopeOf(value: Json): { readonly data?: JsonObject } {
  if (!isObject(value)) throw invalid(inBody(null, "The body must be a JSON object", "type"));
  const violations: Violation[] = [];
  for (const key of Object.keys(value)) {
    // A hostile body may have a hundred thousand of them.
    if (violations.length === 100) break;
    if (key === "permissions")
      violations.push(inBody(key, "permissions cannot be set on this resource", "unknown-field"));
    else if (key !== "data") violations.push(inBody(key, `Unrecognized key in the body: ${key}`, "unknown-field"));
  }
  const { data } = value;
  if (data !== undefined && !isObject(data)) violations.push(inBody("data", "data must be a JSON object", "type"));
  if (violations.length > 0) throw violationError("invalid-parameters", violations);
  return data === undefined ? {} : { data: data as JsonObject };
}

function patchOf(body: JsonBody | undefined): PatchDocument {
  if (body?.type === jsonPatch) {
    if (!Array.isArray(body.value)) throw invalid(inBody(null, "A JSON patch must be an array of operations", "type"));
    return { kind: "json-patch", operations: body.value };
  }
  const { data } = dataOf(body);
  if (data === undefined) throw invalid(inBody(null, "Provide at least one of data or permissions", "required"));
  return { kind: body?.type === mergePatch ? "merge-patch" : "merge", data };
}

function behaviorOf(header: string | undefined): "full" | "light" | "diff" | undefined {
  if (header === undefined) return undefined;
  const value = header.toLowerCase();
  if (value === "full" || value === "light" || value === "diff") return value;
  throw invalid(at("header", "Response-Behavior", "Response-Behavior must be one of full, light, diff", "enum"));
}

/** `?last_modified=` of a single DELETE: an integer, with or without quotes. */
function wishedRevision(search: string): number | undefined {
  if (search === "") return undefined;
  const value = parseQueryString(search).findLast(([name]) => name === "last_modified")?.[1];
  if (value === undefined) return undefined;
  const digits = /^(?:"(\d{1,16})"|(\d{1,16}))$/.exec(value);
  const revision = Number(digits?.[1] ?? digits?.[2] ?? Number.NaN);
  if (!Number.isSafeInteger(revision))
    throw invalid(at("querystring", "last_modified", "Invalid value for last_modified", "invalid-value"));
  return revision;
}

function inBody(name: string | null, description: string, code: string): Violation {
  return at("body", name, description, code);
}

function at(location: ViolationLocation, name: string | null, description: string, code: string): Violation {
  return { location, name, description, code };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
