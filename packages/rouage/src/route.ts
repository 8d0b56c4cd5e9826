/** Plain routes beside resources: typed input, access rules, one handler. They share errors, limits, log and documentation with the rest. */
import type { Static, TSchema } from "typebox";
import type { HttpBody, HttpRequest } from "./http.ts";
import type { Rule } from "./operations/access.ts";
import type { OperationContext } from "./operations/context.ts";

export type RouteMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RouteContext<B, Q, P> extends OperationContext {
  readonly request: HttpRequest;
  /** Parsed and validated body; undefined where the route declares none. */
  readonly body: B;
  /** Parsed and validated query parameters. */
  readonly query: Q;
  /** Path parameters, percent-decoded. */
  readonly params: P;
}

/** An answer with its own status, headers or a body that is not JSON. Made with `reply`. */
export interface Reply {
  readonly kind: "reply";
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: HttpBody;
}

type PathParams<P extends string> = P extends `${string}{${infer Name}}${infer Rest}`
  ? { readonly [K in Name]: string } & PathParams<Rest>
  : unknown;

type InputOf<S, Default> = S extends TSchema ? Static<S> : Default;

export interface RouteOptions<Path extends string, B extends TSchema | undefined, Q extends TSchema | undefined> {
  /** Who may call it; an empty list means nobody. Required on purpose. */
  readonly access: readonly Rule[];
  /** Schema of the JSON body. */
  readonly body?: B;
  /** Other media types of the body, delivered raw: whole by `request.body()`, or as they arrive by `bodyStream(request, limit)` (`multipart/form-data` …). */
  readonly accepts?: readonly string[];
  /** Schema of the query parameters; values arrive as strings and are converted to the schema's types. */
  readonly query?: Q;
  /** Schema of the path parameters, an object of strings: what a parameter must look like. */
  readonly params?: TSchema;
  /** Schema of a 200 answer, for the API description. */
  readonly response?: TSchema;
  /** Largest body in bytes; default: the service's setting. */
  readonly bodyLimit?: number;
  /** True: served at exactly `path`, without the `/v1` prefix. */
  readonly unversioned?: boolean;
  /** False: left out of the API description (pages). */
  readonly documented?: boolean;
  /** True: changes nothing although it is no GET (a search by POST), so it is also served in read-only mode. */
  readonly safe?: boolean;
  /** True: a probe or metrics: callers are not authenticated, it is never limited, shed or ended, and logged as debug. */
  readonly operational?: boolean;
  /**
   * `optional`: credentials that are not valid count as none, for routes where people get credentials: a token that expired must not keep its owner
   * from asking for a new one. Default `verify`: they are a 401, also where none would be needed.
   */
  readonly credentials?: "verify" | "optional";
  /** True: under overload shed only when it is twice as bad as for others. */
  readonly important?: boolean;
  /** It still answers, and every answer says that it should not be used any more: `Deprecation`, `Sunset`, `Link`, `Alert`. */
  readonly deprecated?: {
    /** ISO 8601. */
    readonly since: string;
    /** When it may stop to answer. */
    readonly sunset?: string;
    /** What to read instead. */
    readonly link?: string;
    readonly message?: string;
  };
  /**
   * What becomes of an `Idempotency-Key` (POST and PATCH; never where `safe`). `after`: the answer is kept when the handler is done, and a
   * repetition gets it without the handler. `atomic`: the handler and that are one transaction of the service's storage, for handlers that
   * wait for nothing else. `false`: keys are ignored, for handlers that have to run each time (audited reads, say). Default `after`.
   */
  readonly idempotency?: false | "after" | "atomic";
  /** A limit of its own beside the service's `rate_limit`, for each caller: `10/60`, so many requests in so many seconds. */
  readonly rateLimit?: string;
  /** True: a path parameter is a secret; logs show the path's pattern instead of the path. */
  readonly secretPath?: boolean;
  readonly summary?: string;
  readonly tag?: string;
  /** A plain value becomes a 200 JSON answer, `undefined` a 204; `reply()` and web `Response`s are sent as they are. */
  readonly handler: (
    context: RouteContext<InputOf<B, undefined>, InputOf<Q, Readonly<Record<string, string>>>, PathParams<Path>>,
  ) => unknown | Promise<unknown>;
}

/** A declared route, as faces see it. */
export interface Route {
  readonly kind: "route";
  readonly method: RouteMethod;
  /** With `{name}` parameters, for example `/e/{token}`. */
  readonly path: string;
  readonly options: Omit<RouteOptions<string, TSchema | undefined, TSchema | undefined>, "handler"> & {
    readonly handler: (context: RouteContext<never, never, never>) => unknown;
  };
}

/**
 * Declares a route.
 * @example route("POST", "/search", { access: [everyone], body: Type.Object({ query: Type.String() }), handler: ({ body }) => find(body.query) })
 */
export function route<
  const Path extends string,
  B extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
>(method: RouteMethod, path: Path, options: RouteOptions<Path, B, Q>): Route {
  return { kind: "route", method, path, options: options as unknown as Route["options"] };
}

/** An answer with its own status, headers or body. An object body is sent as JSON. */
export function reply(
  status: number,
  body?: HttpBody | object,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): Reply {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream)
    return { kind: "reply", status, headers, body };
  return {
    kind: "reply",
    status,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
}
