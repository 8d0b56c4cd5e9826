/** Plain routes as endpoints: access, input, handler, answer. */
import type { TSchema } from "typebox";
import { violationError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import { decide, refusal } from "../../operations/access.ts";
import { anonymous } from "../../principal.ts";
import type { Reply, Route, RouteContext } from "../../route.ts";
import { compileSchema } from "../../schema/validator.ts";
import type { Settings } from "../../settings.ts";
import { noticeOf } from "./alerts.ts";
import { jsonType, mediaTypeOf, readJson, unsupported } from "./body.ts";
import { endpointDefaults } from "./endpoint.ts";
import { type Answer, CopyableContext, type Endpoint, type Exchange } from "./exchange.ts";
import { fromWebResponse } from "./fetch.ts";
import { parseQueryString } from "./query-string.ts";
import { parameterReader } from "./route-input.ts";

export function routeEndpoint(route: Route, settings: Settings, prefix: string): readonly Endpoint[] {
  const { method, options } = route;
  const path = options.unversioned === true ? route.path : prefix + route.path;
  const declaredBy = `route ${method} ${route.path}`;
  if (!/^\/[^?#\s]*$/.test(route.path)) throw new Error(`${declaredBy}: a path begins with / and has no query`);
  for (const rule of options.access)
    if (rule.allows !== undefined)
      throw new Error(`${declaredBy}: rule ${rule.name} decides on a stored object, and a route has none`);
  if (options.credentials === "optional" && decide(options.access, anonymous) !== true)
    throw new Error(`${declaredBy}: credentials are optional, but not everyone may call it`);

  const readQuery = parameterReader(options.query, "querystring");
  const deprecatedParameters = deprecatedOf(options.query);
  const readParams = options.params === undefined ? undefined : parameterReader(options.params, "path");
  const readBody = bodyReader(route, settings);
  const handler = options.handler as unknown as (context: RouteContext<unknown, unknown, unknown>) => unknown;

  async function run(exchange: Exchange, params: Readonly<Record<string, string>>): Promise<Answer> {
    if (decide(options.access, exchange.principal) !== true) throw refusal(exchange.principal);
    if (readParams !== undefined) readParams(Object.entries(params));
    const query = readQuery(parseQueryString(exchange.search));
    for (const name of deprecatedParameters)
      if (Object.hasOwn(query, name)) exchange.deprecation = `${name} is deprecated`;
    const body = readBody === undefined ? undefined : await readBody(exchange);
    const context = new EndpointContext(exchange, { body, query, params });
    return answerOf(await handler(context));
  }

  const endpoint: Endpoint = {
    ...endpointDefaults,
    method,
    path,
    name: `${method} ${route.path}`,
    declaredBy,
    enabled: !settings.readonly || method === "GET" || options.safe === true || options.operational === true,
    identify: options.operational !== true,
    lenient: options.credentials === "optional",
    jsonOnly: options.response !== undefined && options.unversioned !== true,
    api: options.unversioned !== true,
    operational: options.operational === true,
    important: options.important === true,
    secretPath: options.secretPath === true,
    notice: noticeOf(route),
    run,
  };
  return method === "GET" ? [endpoint, { ...endpoint, method: "HEAD" }] : [endpoint];
}

function bodyReader(
  { method, options }: Route,
  settings: Settings,
): ((exchange: Exchange) => Promise<unknown>) | undefined {
  const { body: schema, accepts = [] } = options;
  if (method === "GET" || (schema === undefined && accepts.length === 0)) return undefined;
  const limits = { size: options.bodyLimit ?? settings.body_limit, depth: settings.body_depth };
  const compiled = schema === undefined ? undefined : compileSchema(schema, "body");
  const raw = new Set(accepts.map((type) => type.toLowerCase()));
  const types = compiled === undefined ? [...raw] : [jsonType, ...raw];

  return async (exchange) => {
    const type = mediaTypeOf(exchange);
    if (type !== undefined && raw.has(type)) return undefined;
    if (compiled === undefined) {
      if (type === undefined) return undefined;
      throw unsupported(types);
    }
    const body = await readJson(exchange, [jsonType], limits);
    // Nothing sent is the empty object, so that the fields missing are named.
    const value = body === undefined ? (compiled.check(undefined) ? undefined : {}) : body.value;
    const violations = compiled.violations(value);
    if (violations.length > 0) throw violationError("invalid-parameters", violations);
    return value;
  };
}

type RouteInput = Pick<RouteContext<unknown, unknown, unknown>, "body" | "query" | "params">;

class EndpointContext extends CopyableContext implements RouteContext<unknown, unknown, unknown> {
  readonly request: HttpRequest;
  readonly body: unknown;
  readonly query: unknown;
  readonly params: unknown;

  constructor(exchange: Exchange, { body, query, params }: RouteInput) {
    super(exchange);
    this.request = exchange.request;
    this.body = body;
    this.query = query;
    this.params = params;
  }
}

function answerOf(value: unknown): Answer | Promise<Answer> {
  if (value === undefined) return { status: 204, headers: { "cache-control": unstored } };
  if (isReply(value)) return replied(value);
  if (isWebResponse(value)) return fromWebResponse(value);
  const body = JSON.stringify(value);
  if (body === undefined) return { status: 204, headers: { "cache-control": unstored } };
  return { status: 200, headers: { "content-type": jsonType, "cache-control": unstored }, body };
}

/** By its tag first: to ask for `Response` makes Node.js load an HTTP client, TLS and HTTP/2, which many a service never needs. */
function isWebResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === "[object Response]" && value instanceof Response;
}

/** Query parameters that their schema calls deprecated. */
function deprecatedOf(schema: TSchema | undefined): readonly string[] {
  const { properties = {} } = (schema ?? {}) as {
    readonly properties?: Readonly<Record<string, { deprecated?: unknown }>>;
  };
  return Object.entries(properties).flatMap(([name, { deprecated }]) => (deprecated === true ? [name] : []));
}

/** What a handler says nothing about is not to be kept by anyone on the way. */
const unstored = "no-cache, no-store";

/** RFC 9110 §5.1 and §5.5. */
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

function isReply(value: unknown): value is Reply {
  if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "reply") return false;
  return (
    "status" in value && typeof value.status === "number" && "headers" in value && typeof value.headers === "object"
  );
}

/** @throws TypeError when HTTP cannot carry the status or a header: a fault of the handler, found here and not in the adapter */
function replied({ status, headers, body }: Reply): Answer {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new TypeError(`status ${status} cannot be sent`);
  const lower: Record<string, string | readonly string[]> = { "cache-control": unstored };
  for (const [name, value] of Object.entries(headers)) {
    const values = typeof value === "string" ? [value] : value;
    if (!headerName.test(name) || !values.every((each) => headerValue.test(each)))
      throw new TypeError(`header ${JSON.stringify(name)} cannot be sent`);
    lower[name.toLowerCase()] = value;
  }
  return body === undefined ? { status, headers: lower } : { status, headers: lower, body };
}
