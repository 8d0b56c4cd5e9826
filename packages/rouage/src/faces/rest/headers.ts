/** The headers that every response carries, put together once for each kind of endpoint; and the rules of cross-origin sharing. */
import { invalid } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import type { Settings } from "../../settings.ts";

export type EndpointKind = "list" | "list-head" | "object" | "other";

export type StaticHeaders = Readonly<Record<string, string>>;

/** Standard headers for each kind of endpoint; a response's own headers win over them. */
export const standardHeaders: Readonly<Record<EndpointKind, StaticHeaders>> = Object.freeze({
  list: standard("Next-Page, Last-Modified, ETag, Cache-Control, Expires, Pragma"),
  "list-head": standard("Next-Page, Last-Modified, ETag, Cache-Control, Expires, Pragma, Total-Objects, Total-Records"),
  object: standard("Last-Modified, ETag, Cache-Control, Expires, Pragma"),
  other: standard(),
});

function standard(exposed?: string): StaticHeaders {
  const always = "Backoff, Retry-After, Alert, Content-Length, Content-Type";
  return Object.freeze({
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; ",
    "access-control-expose-headers": exposed === undefined ? always : `${always}, ${exposed}`,
  });
}

export interface Cors {
  /** Headers for a response to a request with this `Origin`; empty when it is not allowed. */
  headersFor(origin: string, request: HttpRequest): StaticHeaders;
  /** @throws ServiceError `invalid-parameters` when the origin may not use the API */
  check(origin: string, request: HttpRequest): void;
  /** Headers of a preflight answer. @throws ServiceError `invalid-parameters` when it is no proper preflight */
  preflight(request: HttpRequest, methods: readonly string[]): StaticHeaders;
}

export function createCors(settings: Settings): Cors {
  const { cors_origins: origins, public_origin: own, cors_max_age_seconds: maxAge } = settings;
  const open = origins.includes("*");
  const listed = new Set(origins);
  const wildcard: StaticHeaders = Object.freeze({ "access-control-allow-origin": "*" });
  const refused: StaticHeaders = Object.freeze({ vary: "Origin" });

  const allowed = (origin: string, request: HttpRequest): boolean =>
    open || listed.has(origin) || origin === (own ?? request.origin);

  const cors: Cors = {
    headersFor(origin, request) {
      if (open) return wildcard;
      return allowed(origin, request) ? { "access-control-allow-origin": origin, vary: "Origin" } : refused;
    },
    check(origin, request) {
      if (!allowed(origin, request))
        throw invalid({ location: "header", name: "Origin", description: `Origin is not allowed`, code: "origin" });
    },
    preflight(request, methods) {
      const origin = request.header("origin");
      const method = request.header("access-control-request-method");
      if (origin === undefined || method === undefined)
        throw invalid({
          location: "header",
          name: origin === undefined ? "Origin" : "Access-Control-Request-Method",
          description: `${origin === undefined ? "Origin" : "Access-Control-Request-Method"} header is missing`,
          code: "required",
        });
      cors.check(origin, request);
      if (!methods.includes(method))
        throw invalid({
          location: "header",
          name: "Access-Control-Request-Method",
          description: "Access-Control-Request-Method is not offered here",
          code: "method",
        });
      const requested = (request.header("access-control-request-headers") ?? "").split(",").map((name) => name.trim());
      const headers = new Map(supportedHeaders.map((name) => [name.toLowerCase(), name]));
      for (const name of requested) if (tokenPattern.test(name)) headers.set(name.toLowerCase(), name);
      return {
        "access-control-allow-methods": methods.join(", "),
        "access-control-allow-headers": [...headers.values()].join(", "),
        "access-control-max-age": String(Math.ceil(maxAge)),
      };
    },
  };
  return cors;
}

/** Request headers that the face understands. */
const supportedHeaders = [
  "Accept",
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-Match",
  "If-None-Match",
  "Last-Event-ID",
  "Response-Behavior",
  "X-Request-ID",
  "traceparent",
];

const tokenPattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
