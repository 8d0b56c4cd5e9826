/** Several running services behind one door, in one process. Knows their paths, not what is behind them. */
import type { AuthenticationPolicy } from "./auth/policy.ts";
import { type Clock, systemClock } from "./clock.ts";
import { createDoorTable } from "./composition/door-table.ts";
import { metricsRoute, probeRoutes } from "./composition/probes.ts";
import { ServiceError } from "./errors.ts";
import { asyncapiDocument } from "./faces/asyncapi/document.ts";
import { mergeAsyncapi } from "./faces/asyncapi/merge.ts";
import { descriptionRoutes } from "./faces/openapi/description-routes.ts";
import { docsRoutes } from "./faces/openapi/docs-routes.ts";
import { openapiDocument } from "./faces/openapi/document.ts";
import { mergeDocuments } from "./faces/openapi/merge-documents.ts";
import { swagger2Document } from "./faces/openapi/swagger2.ts";
import type { Description } from "./faces/openapi/types.ts";
import { toFetch } from "./faces/rest/fetch.ts";
import { createRestFace } from "./faces/rest/rest.ts";
import type { HttpRequest, HttpResponse } from "./http.ts";
import { errorResponse } from "./runtime/error-response.ts";
import { thisWorker } from "./runtime/workers/member.ts";
import type { HealthState, Service } from "./service.ts";
import { readServiceSettings, type Settings } from "./settings.ts";
import { startExporters } from "./telemetry/exporters.ts";
import type { CheckResult, HealthReport } from "./telemetry/health.ts";
import { jsonLogger } from "./telemetry/json-log.ts";
import type { Logger } from "./telemetry/log.ts";
import { monitorProcess } from "./telemetry/process.ts";
import { createMetrics, mergeExpositions, noMetrics } from "./telemetry/registry.ts";

export interface ComposeOptions {
  /** Shown by hello; also the prefix of the door's environment settings. */
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  /** In the order they started; stopped in reverse. Each keeps its own storage, log, limits and settings. */
  readonly services: readonly Service[];
  /** The door's settings: address, limits, hello; storage is not used. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly file?: string | undefined;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Recognises the caller in the hello view. Default: nobody. */
  readonly authentication?: readonly AuthenticationPolicy[];
}

/** Several services as one. */
export interface Door extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  readonly services: readonly Service[];
  readonly context: { readonly settings: Settings; readonly log: Logger; readonly clock: Clock };
  readonly paths: readonly { readonly method: string; readonly path: string }[];
  /** The web-standard door; never rejects. */
  fetch(request: Request): Promise<Response>;
  /** The same door on plain values; never rejects. */
  handle(request: HttpRequest): Promise<HttpResponse>;
  openapi(): Readonly<Record<string, unknown>>;
  /** The worst state of all services, and every check as `{service}.{check}`. */
  health(): Promise<HealthReport>;
  metrics(): string;
  drain(): void;
  stop(timeoutMs?: number): Promise<void>;
}

/**
 * Puts services behind one door: one hello, one API description, one health and one set of metrics. What a service serves below
 * `/internal/` is never reachable through it.
 * @throws Error when two services serve the same path, or have the same name
 * @example const door = compose({ name: "shop", version: "1.0.0", services: [await users.start(), await orders.start()] });
 */
export function compose(options: ComposeOptions): Door {
  const { name, version, services, clock = systemClock, authentication = [] } = options;
  const settings = readServiceSettings(name, {
    options: options.settings,
    environment: options.environment,
    file: options.file,
  });
  const member = thisWorker();
  const log =
    options.log ??
    jsonLogger({ name, level: settings.log_level, redact: settings.log_redact, clock, worker: member?.number });
  const prefix = `/v${Number.parseInt(settings.http_api_version, 10)}`;
  refuseSameNames(services);

  const own = settings.metrics_enabled ? createMetrics({ service: name }) : noMetrics;
  const processMetrics = createMetrics();
  const monitor = monitorProcess();
  if (settings.metrics_enabled) monitor.register(processMetrics);
  const metrics = (): string =>
    mergeExpositions([own.expose(), ...services.map((service) => service.metrics()), processMetrics.expose()]);

  const allMetrics = async (): Promise<string> => (await member?.allMetrics()) ?? metrics();

  let isDraining = false;
  const health = (): Promise<HealthReport> => aggregate(services);
  let document: Readonly<Record<string, unknown>> | undefined;
  const openapi = (): Readonly<Record<string, unknown>> => {
    document ??= describe(options, ownDescription(options, settings, prefix));
    return document;
  };
  const face = createRestFace({
    name,
    version,
    settings,
    clock,
    log,
    metrics: own,
    resources: [],
    routes: [
      ...docsRoutes(name),
      ...descriptionRoutes({
        swagger: () => swagger2Document(openapi(), prefix),
        asyncapi: () => describeStreams(options, ownDescription(options, settings, prefix)),
      }),
      ...probeRoutes({ health: { report: health }, isDraining: () => isDraining }),
      ...(settings.metrics_enabled && settings.metrics_port === undefined ? [metricsRoute(allMetrics)] : []),
    ],
    authentication,
    capabilities: Object.assign({}, ...services.map((service) => service.capabilities)),
    heartbeat: async () => {
      const { checks } = await health();
      const body = Object.fromEntries(Object.entries(checks).map(([check, { ok }]) => [check, ok]));
      return { ok: Object.values(checks).every(({ ok }) => ok), body };
    },
    openapi,
    eventLoopDelay: monitor.delayMs,
    door: (request) => handle(request),
    neighbour: (url) => {
      const place = table.find(url);
      return place === "internal" ? undefined : place;
    },
  });
  const table = createDoorTable(services, face.paths, prefix);

  const handle = (request: HttpRequest): Promise<HttpResponse> => {
    const place = table.find(request.url);
    if (place === "internal") {
      log.warn({ method: request.method, path: "/internal/…", code: 404, peer: request.peer }, "internal path refused");
      return Promise.resolve(errorResponse(new ServiceError("route-not-found")));
    }
    return place === undefined ? face.handle(request) : place.handle(request);
  };
  const stopExporters = startExporters({
    ...{ name, version, settings, clock, log, metrics: own, worker: member?.number },
    further: processMetrics,
    handlers: face.handlers,
  });
  let stopped: Promise<void> | undefined;
  const door: Door = {
    name,
    version,
    services,
    context: { settings, log, clock },
    paths: [...face.paths, ...table.paths],
    fetch: toFetch(handle),
    handle,
    openapi,
    health,
    metrics,
    drain: () => {
      isDraining = true;
      for (const service of services) service.drain();
    },
    stop: (timeoutMs = settings.stop_timeout_seconds * 1000) => {
      door.drain();
      stopped ??= stopAll(services, timeoutMs).finally(async () => {
        await stopExporters(longestLastExportMs);
        monitor[Symbol.dispose]();
        await log.flush?.();
      });
      return stopped;
    },
    [Symbol.asyncDispose]: () => door.stop(),
  };
  return door;
}

/** The door has no requests of its own to wait for: its last values get a second. */
const longestLastExportMs = 1000;

function refuseSameNames(services: readonly Service[]): void {
  const seen = new Set<string>();
  for (const { name } of services) {
    if (seen.has(name)) throw new Error(`two of the services to compose are called ${name}`);
    seen.add(name);
  }
}

const severity: readonly HealthState[] = ["healthy", "degraded", "unhealthy"];

async function aggregate(services: readonly Service[]): Promise<HealthReport> {
  const reports = await Promise.all(services.map((service) => service.health()));
  const checks: Record<string, CheckResult> = {};
  let worst = 0;
  for (const [index, report] of reports.entries()) {
    worst = Math.max(worst, severity.indexOf(report.state));
    for (const [check, result] of Object.entries(report.checks)) checks[`${services[index]?.name}.${check}`] = result;
  }
  return { state: severity[worst] ?? "unhealthy", checks };
}

/** What the door itself serves, for the descriptions. */
function ownDescription(options: ComposeOptions, settings: Settings, prefix: string): Description {
  const { name, version, description, authentication = [] } = options;
  return {
    name,
    version,
    summary: description,
    docsUrl: settings.project_docs,
    origin: settings.public_origin,
    prefix,
    resources: [],
    routes: [],
    policies: authentication,
    readonly: settings.readonly,
    disabledEndpoints: [],
  };
}

function describe({ services }: ComposeOptions, own: Description): Readonly<Record<string, unknown>> {
  return mergeDocuments(own, [
    { source: own.name, document: openapiDocument(own) },
    ...services.map((service) => ({ source: service.name, document: service.openapi() })),
  ]);
}

function describeStreams({ services }: ComposeOptions, own: Description): Readonly<Record<string, unknown>> {
  return mergeAsyncapi([
    { source: own.name, document: asyncapiDocument(own) },
    ...services.map((service) => ({ source: service.name, document: service.asyncapi() })),
  ]);
}

/** The other way round than they started: who calls a neighbour stops before it. */
async function stopAll(services: readonly Service[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const failures: unknown[] = [];
  for (const service of services.toReversed()) {
    try {
      await service.stop(Math.max(0, deadline - performance.now()));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "services failed to stop");
}
