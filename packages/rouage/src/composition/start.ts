/** Starts a service: settings, storage, operations, routes, authentication, face and tasks are made and joined here, and ended in reverse. */
import type { AuthenticationPolicy } from "../auth/policy.ts";
import { systemClock } from "../clock.ts";
import { docsRoutes } from "../faces/openapi/docs-routes.ts";
import { openapiDocument } from "../faces/openapi/document.ts";
import { toFetch } from "../faces/rest/fetch.ts";
import { createRestFace } from "../faces/rest/rest.ts";
import { createAllOperations, definitionOf } from "../operations/create-operations.ts";
import type { Resource } from "../resource.ts";
import type { Service, ServiceContext, ServiceDeclaration, StartOptions } from "../service-declaration.ts";
import { readServiceSettings, type Settings } from "../settings.ts";
import { measuredStorage } from "../storage/measured.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { startExporters } from "../telemetry/exporters.ts";
import { createHealth, type Health } from "../telemetry/health.ts";
import { jsonLogger } from "../telemetry/json-log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { monitorProcess } from "../telemetry/process.ts";
import { createMetrics, mergeExpositions, noMetrics } from "../telemetry/registry.ts";
import { metricsRoute, probeRoutes } from "./probes.ts";
import { startTasks } from "./tasks.ts";

/**
 * @throws SettingsError when settings are unknown or bad
 * @throws Error when declarations contradict each other, the storage cannot be opened, or a task does not start
 */
export async function startService(declaration: ServiceDeclaration, options: StartOptions = {}): Promise<Service> {
  const { name, version, resources = [] } = declaration;
  const { clock = systemClock, environment, file } = options;
  const settings = readServiceSettings(name, { options: options.settings, environment, file });
  const log = options.log ?? jsonLogger({ name, level: settings.log_level, redact: settings.log_redact, clock });
  const metrics = options.metrics ?? (settings.metrics_enabled ? createMetrics({ service: name }) : noMetrics);
  const monitor = monitorProcess();
  const stopping = new AbortController();
  const opened = await Promise.try(
    async () =>
      options.storage ??
      (await openStorage(settings.storage, { clock, log, metrics, queryBudgetMs: settings.storage_query_budget_ms })),
  ).catch((error: unknown) => {
    monitor[Symbol.dispose]();
    throw error;
  });
  const release = async (): Promise<void> => {
    if (options.storage === undefined) await opened.close();
    monitor[Symbol.dispose]();
  };

  try {
    return await assemble(settings.metrics_enabled ? measuredStorage(opened, metrics) : opened);
  } catch (error) {
    await release();
    throw error;
  }

  async function assemble(storage: Storage): Promise<Service> {
    refuseUnknownEndpoints(settings.disabled_endpoints, resources);
    await storage.define(resources.map(definitionOf));
    const operations = createAllOperations(resources, { storage, clock, log, settings: operationSettings(settings) });
    const served = resources.flatMap((resource) => {
      const own = operations.get(resource.name);
      return own === undefined ? [] : [{ resource, operations: own }];
    });
    const { signal } = stopping;
    const context: ServiceContext = { name, settings, clock, log, metrics, storage, operations, signal };

    const health = serviceHealth(declaration, context);
    const processMetrics = createMetrics();
    if (settings.metrics_enabled) monitor.register(processMetrics);
    const expose = (): string => mergeExpositions([metrics.expose(), processMetrics.expose()]);
    let isDraining = false;

    const policies = await policiesOf(declaration.authentication ?? options.fallbackAuthentication ?? [], context);
    const ownRoutes =
      typeof declaration.routes === "function" ? declaration.routes(context) : (declaration.routes ?? []);
    const routes = [
      ...ownRoutes,
      ...docsRoutes(name),
      ...probeRoutes({ health, isDraining: () => isDraining }),
      ...(settings.metrics_enabled && settings.metrics_port === undefined ? [metricsRoute(expose)] : []),
    ];
    let document: Readonly<Record<string, unknown>> | undefined;
    const openapi = (): Readonly<Record<string, unknown>> => {
      document ??= openapiDocument({
        name,
        version,
        summary: declaration.description,
        docsUrl: settings.project_docs,
        origin: settings.public_origin,
        prefix: `/v${Number.parseInt(settings.http_api_version, 10)}`,
        resources,
        routes: ownRoutes,
        policies,
        readonly: settings.readonly,
        disabledEndpoints: settings.disabled_endpoints,
      });
      return document;
    };
    const capabilities = { ...authenticationCapabilities(policies, settings), ...declaration.capabilities };
    const face = createRestFace({
      name,
      version,
      settings,
      clock,
      log,
      metrics,
      resources: served,
      routes,
      authentication: policies,
      capabilities,
      heartbeat: async () => {
        const { checks } = await health.report();
        const body = Object.fromEntries(Object.entries(checks).map(([check, { ok }]) => [check, ok]));
        return { ok: Object.values(checks).every(({ ok }) => ok), body };
      },
      openapi,
      eventLoopDelay: monitor.delayMs,
    });
    registerServiceMetrics(metrics, face.running);

    const stopTasks = await startTasks(options.tasks === false ? [] : (declaration.tasks ?? []), context);
    const stopExporters = startExporters({
      ...{ name, version, settings, clock, log, metrics },
      further: processMetrics,
      handlers: face.handlers,
    });
    let stopped: Promise<void> | undefined;
    const service: Service = {
      name,
      version,
      context,
      operations,
      storage,
      fetch: toFetch(face.handle),
      handle: face.handle,
      paths: face.paths,
      capabilities,
      openapi,
      health: health.report,
      metrics: expose,
      drain: () => {
        isDraining = true;
      },
      stop: (timeoutMs = settings.stop_timeout_seconds * 1000) => {
        stopped ??= end(timeoutMs);
        return stopped;
      },
      [Symbol.asyncDispose]: () => service.stop(),
    };
    return service;

    async function end(timeoutMs: number): Promise<void> {
      isDraining = true;
      const deadline = performance.now() + timeoutMs;
      const rest = (): number => Math.max(0, deadline - performance.now());
      await idle(face.running, rest);
      stopping.abort();
      await stopTasks(rest());
      await stopExporters(rest());
      await release();
      await log.flush?.();
    }
  }
}

function operationSettings(settings: Settings) {
  return {
    pageSize: settings.paginate_by,
    maxFetch: settings.storage_max_fetch_size,
    bodyLimit: settings.body_limit,
    bodyDepth: settings.body_depth,
    retryAfterSeconds: settings.retry_after_seconds,
    readonly: settings.readonly,
  };
}

function serviceHealth(declaration: ServiceDeclaration, context: ServiceContext): Health {
  const { settings, storage, log, metrics } = context;
  const own = declaration.checks?.(context) ?? {};
  const health = createHealth({
    checks: [
      { name: "storage", vital: true, check: () => storage.check(settings.readonly) },
      ...Object.entries(own).map(([name, check]) => ({ name, vital: false, check })),
    ],
    timeoutMs: settings.heartbeat_timeout_seconds * 1000,
    serviceLevelMs: settings.service_level_ms,
    onChange: (state, failing) => log.warn({ state, failing }, "health changed"),
  });
  const levels = { healthy: 0, degraded: 1, unhealthy: 2 };
  metrics.gauge(
    "service_health_state",
    "Judgement of the last health checks: 0 healthy, 1 degraded, 2 unhealthy",
    () => levels[health.state()],
  );
  return health;
}

async function policiesOf(
  authentication: NonNullable<ServiceDeclaration["authentication"]>,
  context: ServiceContext,
): Promise<readonly AuthenticationPolicy[]> {
  const policies = typeof authentication === "function" ? await authentication(context) : authentication;
  const seen = new Set<string>();
  for (const { name } of policies) {
    if (seen.has(name)) throw new Error(`service ${context.name}: authentication policy ${name} is listed twice`);
    seen.add(name);
  }
  return policies;
}

function authenticationCapabilities(policies: readonly AuthenticationPolicy[], settings: Settings) {
  return Object.fromEntries(
    policies.map(({ name, securityScheme }) => [
      name,
      { description: String(securityScheme.description ?? `Authentication by ${name}.`), url: settings.project_docs },
    ]),
  );
}

function registerServiceMetrics(metrics: Metrics, running: () => number): void {
  metrics.gauge("service_requests_running", "Requests being answered", running);
}

/** Requests end by themselves within their deadline; asking now and then costs the hot path nothing. */
async function idle(running: () => number, rest: () => number): Promise<void> {
  while (running() > 0 && rest() > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(10, rest())));
}

/** A misspelt name would leave the endpoint open. */
function refuseUnknownEndpoints(names: readonly string[], resources: readonly Resource[]): void {
  const unknown = names.filter(
    (endpoint) => !resources.some(({ name }) => endpoint.replace(/^[a-z]+_/, "").replace(/_[a-z]+$/, "") === name),
  );
  if (unknown.length > 0)
    throw new Error(
      `setting disabled_endpoints: no such resource: ${unknown.join(", ")}; expected {plural|object}_{resource}_{method}`,
    );
}
