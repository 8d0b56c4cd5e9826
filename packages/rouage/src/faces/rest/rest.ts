/**
 * The REST face: HTTP requests become operations on resources and calls of routes. Whatever happens
 * inside, a client gets a well-formed answer. Knows no storage.
 */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import type { Cache } from "../../cache/cache.ts";
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { HttpRequest, HttpResponse } from "../../http.ts";
import type { ResourceOperations } from "../../operations/operations.ts";
import type { Principal } from "../../principal.ts";
import type { Resource } from "../../resource.ts";
import type { Route } from "../../route.ts";
import type { Settings } from "../../settings.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { batchEndpoint, largestBatch, type Neighbour } from "../batch/batch-endpoint.ts";
import type { Part, Parts } from "../batch/part.ts";
import { notInBatch } from "../batch/sub-response.ts";
import { withStream } from "../stream/stream-endpoint.ts";
import { createStreams } from "../stream/streams.ts";
import { createNegotiator, notAcceptable } from "./accept.ts";
import { createAlerts } from "./alerts.ts";
import { builtinEndpoints } from "./builtin-endpoints.ts";
import { deadlines, type Timed } from "./deadlines.ts";
import { refuseDuplicates, withoutVacant } from "./endpoint-table.ts";
import { errorBoundary } from "./error-boundary.ts";
import { type Answer, type Endpoint, Exchange, type RegisteredEndpoint } from "./exchange.ts";
import { addHeaders } from "./further-headers.ts";
import { handlerMetrics } from "./handler-metrics.ts";
import { withoutBody } from "./head-body.ts";
import { createCors, standardHeaders } from "./headers.ts";
import type { HelloParts } from "./hello.ts";
import { createHttpDate } from "./http-date.ts";
import { createIdempotency, type IdempotencyStore } from "./idempotency.ts";
import { identifier, lenient } from "./identify.ts";
import { createLimits } from "./limits.ts";
import { memoryNonces, type Nonces } from "./nonces.ts";
import { createRateLimits } from "./rate-limit.ts";
import { createRedirects } from "./redirects.ts";
import { renderError } from "./render-error.ts";
import { requestSummaries } from "./request-log.ts";
import { locate, unreadable } from "./request-target.ts";
import { resourceEndpoints } from "./resource-endpoints.ts";
import { routeEndpoint } from "./route-endpoints.ts";
import { createRouter } from "./router.ts";

export interface RestFaceParts {
  readonly name: string;
  readonly version: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly resources: readonly { readonly resource: Resource; readonly operations: ResourceOperations }[];
  readonly routes: readonly Route[];
  readonly authentication: readonly AuthenticationPolicy[];
  /** Where answers to requests with an `Idempotency-Key` are kept. Absent: keys are ignored. */
  readonly idempotency?: IdempotencyStore | undefined;
  /** Where requests are counted for rate limits. Absent: none is enforced. */
  readonly cache?: Pick<Cache, "get" | "increment">;
  /** Shown by the hello view. */
  readonly capabilities: Readonly<Record<string, object>>;
  readonly config?: object | undefined;
  /** What hello shows beside the usual. */
  readonly hello?: HelloParts;
  readonly contribute?: object;
  /** The detailed health answer; 503 unless `ok`. */
  heartbeat(): Promise<{ readonly ok: boolean; readonly body: object }>;
  /** The OpenAPI document; asked for once. */
  openapi(): object;
  /** Runs `work` so that what it writes is taken back when it rejects, for batches; absent: there is nothing to take back. */
  transaction?<T>(work: () => Promise<T>): Promise<T>;
  /** The whole door, interceptors included: where the requests of a batch go. Default: this face. */
  door?(request: HttpRequest): Promise<HttpResponse>;
  /** Behind one door: who else serves a URL. */
  neighbour?(url: string): Neighbour | undefined;
  /** One-time words of plural DELETE; default: in memory. */
  readonly nonces?: Nonces;
  /** Current event-loop delay in milliseconds, for load shedding; default: none is known. */
  readonly eventLoopDelay?: () => number;
  /** Between 0 and 1, for `backoff_percentage`. Default: `Math.random`. */
  readonly random?: () => number;
}

export interface RestFace {
  /** Never rejects. */
  handle(request: HttpRequest): Promise<HttpResponse>;
  /** Everything served, with version prefix and `{name}` parameters. */
  readonly paths: readonly { readonly method: string; readonly path: string }[];
  /** What each handler serves, by the name that logs and metrics show. */
  readonly handlers: readonly { readonly name: string; readonly method: string; readonly path: string }[];
  /** Requests being answered. */
  running(): number;
  /** Who makes this request, by the authentication policies. @throws ServiceError `invalid-credentials` */
  identify(request: HttpRequest): Principal | Promise<Principal>;
  /** The answer to a request that failed before it came here, as if it had failed here. */
  fail(request: HttpRequest, error: unknown): HttpResponse;
  /** An answer given before the request came here, with what every answer carries, its log line and metrics. */
  complete(request: HttpRequest, answer: HttpResponse): HttpResponse;
  /** Ends the streams and opens no further ones; everything else is answered as before. */
  drain(): void;
}

/** @throws Error when two declarations claim the same method and path, or one cannot be served */
export function createRestFace(parts: RestFaceParts): RestFace {
  const { settings, clock, log } = parts;
  const prefix = `/v${Number.parseInt(settings.http_api_version, 10)}`;
  const httpDate = createHttpDate();
  const nonces = parts.nonces ?? memoryNonces(clock, settings.pagination_token_validity_seconds);
  const negotiate = createNegotiator();
  const cors = createCors(settings);
  const alerts = createAlerts(settings, clock);
  const identify = identifier(parts.authentication, parts.metrics);
  const identifyIfValid = lenient(identify);
  const retryAfter = Math.ceil(settings.retry_after_seconds);
  const summarise = requestSummaries(log, clock, parts.name, settings.log_request_details);
  const limits = createLimits({
    maximum: settings.max_concurrent_requests,
    shedDelayMs: settings.shed_event_loop_delay_ms,
    eventLoopDelay: parts.eventLoopDelay ?? (() => 0),
    retryAfter,
  });
  const rendering = {
    infoLink: settings.error_info_link,
    challenges: [...new Set(parts.authentication.flatMap(({ challenge }) => challenge ?? []))],
    retryAfter,
  };
  const { failure, lastResort } = errorBoundary(log, rendering);
  const { backoff, backoff_percentage: share } = settings;
  const random = parts.random ?? Math.random;
  const streams = createStreams({ settings, metrics: parts.metrics });
  const underWay = deadlines(settings.request_timeout_seconds * 1000);

  const rates = createRateLimits({ cache: parts.cache, clock, log, everywhere: settings.rate_limit });
  const { honouring } = createIdempotency({
    store: parts.idempotency,
    bodyLimit: settings.body_limit,
    identify: identifyIfValid,
    refusal: failure,
  });
  const batches: Parts = new WeakMap();

  const endpoints = withoutVacant([
    honouring(
      batchEndpoint({
        settings,
        prefix,
        identify,
        handle: parts.door ?? handle,
        transaction: parts.transaction,
        neighbour: parts.neighbour,
        exists: (path) => router.all(path).size > 0,
        renderError: (error, { negotiated }) => renderError(error, negotiated.problem, rendering),
        known: batches,
      }),
      "atomic",
      largestBatch(settings),
    ),
    ...builtinEndpoints({ ...parts, prefix, httpDate }).map((endpoint) => rates.limited(endpoint)),
    ...parts.resources.flatMap(({ resource, operations }) =>
      withStream(
        resourceEndpoints(resource, operations, { settings, prefix, nonces, httpDate }),
        resource,
        operations,
        { streams, settings, identify },
      ).map((endpoint) => rates.limited(honouring(endpoint, "atomic"), resource.name, resource.options.rateLimit)),
    ),
    ...parts.routes.flatMap((route) =>
      routeEndpoint(route, settings, prefix).map((endpoint) =>
        rates.limited(honouringRoute(endpoint, route), endpoint.name, route.options.rateLimit),
      ),
    ),
  ]);
  const router = createRouter<RegisteredEndpoint>();
  refuseDuplicates(endpoints);
  const served = endpoints.flatMap((endpoint) =>
    endpoint.stream === undefined ? endpoint : [endpoint, endpoint.stream],
  );
  const metrics = new Map(
    [...new Set(served.map(({ name }) => name)), unmatched].map((name) => [name, handlerMetrics(parts.metrics, name)]),
  );
  const unmatchedMetrics = metrics.get(unmatched);
  const registered = ({ stream, ...endpoint }: Endpoint): RegisteredEndpoint => ({
    ...endpoint,
    metrics: metrics.get(endpoint.name) ?? handlerMetrics(parts.metrics, endpoint.name),
    ...(stream === undefined ? {} : { stream: registered(stream) }),
  });
  for (const endpoint of endpoints) router.add(endpoint.method, endpoint.path, registered(endpoint));
  const anySecretPath = endpoints.some(({ secretPath }) => secretPath);
  const redirects = createRedirects(settings, prefix, httpDate, (path) => router.all(path).size > 0, clock.now);

  return {
    handle,
    paths: endpoints
      .filter(({ enabled, method }) => enabled && method !== "HEAD")
      .map(({ method, path }) => ({ method, path })),
    handlers: served.map(({ name, method, path }) => ({ name, method, path })),
    running: limits.running,
    // Who makes a request of a batch is known since the batch began.
    identify: (request) => partOf(request)?.identify(false) ?? identify(request),
    fail: (request, error) => complete(request, (exchange, problem) => failure(exchange, problem ?? error)),
    complete: (request, answer) => complete(request, () => answer),
    drain: streams.drain,
  };

  function honouringRoute(endpoint: Endpoint, { options }: Route): Endpoint {
    if (options.idempotency === false || options.safe === true) return endpoint;
    return honouring(endpoint, options.idempotency ?? "after", options.bodyLimit);
  }

  function partOf(request: HttpRequest): Part | undefined {
    return request.partOf === undefined ? undefined : batches.get(request.partOf);
  }

  function handle(request: HttpRequest): Promise<HttpResponse> {
    let exchange: Exchange | undefined;
    try {
      exchange = new Exchange(request, clock, log, negotiate(request.header("accept")));
      exchange.part = partOf(request);
      const answer = dispatch(exchange);
      if (answer instanceof Promise)
        return exchange.part === undefined ? settle(exchange, answer) : settlePart(exchange, answer);
      return Promise.resolve(finish(exchange, answer));
    } catch (error) {
      return Promise.resolve(exchange === undefined ? lastResort(error) : finish(exchange, failure(exchange, error)));
    }
  }

  function complete(request: HttpRequest, answered: (exchange: Exchange, problem: unknown) => Answer): HttpResponse {
    try {
      const exchange = new Exchange(request, clock, log, negotiate(request.header("accept")));
      exchange.part = partOf(request);
      if (anySecretPath) exchange.shownPath = "(not routed)";
      const problem = unreadable(exchange);
      if (anySecretPath && problem === undefined) exchange.shownPath = secretPatternOf(exchange.path);
      return finish(exchange, answered(exchange, problem));
    } catch (error) {
      return lastResort(error);
    }
  }

  /** Finds the endpoint and runs it; everything before the endpoint is synchronous where the policies are. */
  function dispatch(exchange: Exchange): Answer | Promise<Answer> {
    const { request } = exchange;
    if (anySecretPath) exchange.shownPath = "(not routed)";
    locate(exchange);
    const match = router.find(request.method, exchange.path);
    if (match === undefined || !match.value.enabled) return elsewhere(exchange);
    const endpoint = (exchange.negotiated.stream ? match.value.stream : undefined) ?? match.value;
    exchange.endpoint = endpoint;
    exchange.shownPath = endpoint.secretPath ? endpoint.path : undefined;
    const { part } = exchange;
    if (part !== undefined && endpoint !== match.value) throw notInBatch("text/event-stream");
    if (!endpoint.operational && part === undefined) {
      alerts.refuseWhenOver(clock);
      const refused = endpoint.ownLimit ? limits.shed(endpoint.important) : limits.enter(endpoint.important);
      if (refused !== undefined) throw refused;
      exchange.admitted = !endpoint.ownLimit;
    }
    if (endpoint.api) {
      const origin = request.header("origin");
      if (origin !== undefined) cors.check(origin, request);
    }
    if (endpoint.jsonOnly && !exchange.negotiated.json) throw notAcceptable();
    if (!endpoint.identify) return endpoint.run(exchange, match.params);
    const principal =
      part === undefined ? (endpoint.lenient ? identifyIfValid : identify)(request) : part.identify(endpoint.lenient);
    if (principal instanceof Promise)
      return principal.then((known) => {
        exchange.principal = known;
        return endpoint.run(exchange, match.params);
      });
    exchange.principal = principal;
    return endpoint.run(exchange, match.params);
  }

  /** Paths and methods that nothing is registered for. */
  function elsewhere(exchange: Exchange): Answer {
    const { request, path } = exchange;
    alerts.refuseWhenOver(clock);
    const known = router.all(path);
    if (anySecretPath) exchange.shownPath = secretPatternOf(path);
    if (known.size === 0) return redirects.answer(request.method, path, exchange.search);
    const methods = [...known].flatMap(([method, { enabled }]) => (enabled ? [method] : []));
    const offered = [...methods, "OPTIONS"].sort();
    if (request.method === "OPTIONS") return { status: 200, headers: cors.preflight(request, offered) };
    throw new ServiceError("method-not-allowed", { headers: { allow: offered.join(", ") } });
  }

  /** A path that leads to a secret one, or would with a slash less or the version prefix, is not logged either. */
  function secretPatternOf(path: string): string | undefined {
    const bare = path.replace(/\/+$/, "");
    for (const meant of [path, bare, prefix + bare])
      for (const { secretPath, path: pattern } of router.all(meant).values()) if (secretPath) return pattern;
    return undefined;
  }

  /** An answer that takes time: bounded by the deadline, whatever the handler does. */
  function settle(exchange: Exchange, pending: Promise<Answer>): Promise<HttpResponse> {
    return new Promise((resolve) => {
      let over = false;
      const done = (answer: Answer) => {
        if (over) {
          if (answer.body instanceof ReadableStream) answer.body.cancel().catch(() => {});
          return;
        }
        over = true;
        underWay.end(timed);
        resolve(finish(exchange, answer));
      };
      const timed: Timed = {
        late() {
          const late = new ServiceError(exchange.reading ? "request-timeout" : "deadline-exceeded");
          exchange.expire(late);
          done(failure(exchange, late));
        },
      };
      underWay.begin(timed);
      pending.then(done, (error) => {
        if (!over) done(failure(exchange, error));
        else if (!ServiceError.is(error)) exchange.log.warn({ err: error }, "failed after its deadline");
      });
    });
  }

  /** What is part of a batch has the batch's deadline. */
  function settlePart(exchange: Exchange, pending: Promise<Answer>): Promise<HttpResponse> {
    return pending.then(
      (answer) => finish(exchange, answer),
      (error) => finish(exchange, failure(exchange, error)),
    );
  }

  function finish(exchange: Exchange, answer: Answer): HttpResponse {
    if (exchange.admitted) {
      exchange.admitted = false;
      limits.leave();
    }
    try {
      return finished(exchange, answer);
    } catch (error) {
      return lastResort(error);
    }
  }

  /** Adds what every response carries, writes the log line and the metrics. */
  function finished(exchange: Exchange, answer: Answer): HttpResponse {
    const { request, endpoint } = exchange;
    if (exchange.part !== undefined) return finishedPart(exchange, exchange.part, answer);
    const headers: Record<string, string | readonly string[]> = {
      ...standardHeaders[endpoint === undefined ? "other" : endpoint.kind],
      ...answer.headers,
      "x-request-id": exchange.requestId,
    };
    const { trace } = exchange;
    if (trace !== undefined) headers.traceparent = trace.traceparent;
    const origin = request.header("origin");
    if (origin !== undefined) {
      const { vary } = headers;
      Object.assign(headers, cors.headersFor(origin, request));
      if (typeof vary === "string" && headers.vary !== vary) headers.vary = `${vary}, ${headers.vary}`;
    }
    if (backoff !== undefined && (share === undefined || random() * 100 < share)) headers.backoff ??= String(backoff);
    alerts.announce(headers, clock, endpoint?.notice, exchange.deprecation);
    if (exchange.further !== undefined) addHeaders(headers, exchange.further);
    const milliseconds = performance.now() - exchange.startedAt;
    (endpoint?.metrics ?? unmatchedMetrics)?.record(answer.status, milliseconds / 1000);
    summarise(exchange, answer.status, milliseconds);
    if (request.method !== "HEAD")
      return answer.body === undefined
        ? { status: answer.status, headers }
        : { status: answer.status, headers, body: answer.body };
    withoutBody(headers, answer.body);
    return { status: answer.status, headers };
  }

  /** What every response carries is said once, by the batch. */
  function finishedPart(exchange: Exchange, part: Part, answer: Answer): HttpResponse {
    const { endpoint } = exchange;
    const headers: Record<string, string | readonly string[]> = { ...answer.headers };
    alerts.announce(headers, clock, endpoint?.notice, exchange.deprecation);
    if (exchange.further !== undefined) addHeaders(headers, exchange.further);
    const milliseconds = performance.now() - exchange.startedAt;
    (endpoint?.metrics ?? unmatchedMetrics)?.record(answer.status, milliseconds / 1000);
    summarise(exchange, answer.status, milliseconds);
    const response = { status: answer.status, headers, body: answer.body };
    // Errors and resources are written here; what routes answer is not.
    if (exchange.errno !== undefined || (endpoint !== undefined && endpoint.kind !== "other")) part.vouched = response;
    return response;
  }
}

const unmatched = "unmatched";
