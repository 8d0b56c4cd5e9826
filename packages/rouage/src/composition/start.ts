/** Starts a service: settings, backends, operations, routes, authentication, face and tasks are made and joined here, and ended in reverse. */
import type { AuthenticationPolicy } from "../auth/policy.ts";
import { webhookTasks } from "../bus/webhooks.ts";
import { systemClock } from "../clock.ts";
import { asyncapiDocument } from "../faces/asyncapi/document.ts";
import { descriptionRoutes } from "../faces/openapi/description-routes.ts";
import { docsRoutes } from "../faces/openapi/docs-routes.ts";
import { openapiDocument } from "../faces/openapi/document.ts";
import { swagger2Document } from "../faces/openapi/swagger2.ts";
import { toFetch } from "../faces/rest/fetch.ts";
import { sharedNonces } from "../faces/rest/nonces.ts";
import { createRestFace } from "../faces/rest/rest.ts";
import { createAllOperations, definitionOf } from "../operations/create-operations.ts";
import type { ResourceOperations } from "../operations/operations.ts";
import { principalsOf } from "../operations/sharing/caller.ts";
import type { Resource } from "../resource.ts";
import { thisWorker } from "../runtime/workers/member.ts";
import type { Service, ServiceContext, ServiceDeclaration, StartOptions } from "../service-declaration.ts";
import { readServiceSettings, type Settings } from "../settings.ts";
import { startExporters } from "../telemetry/exporters.ts";
import { jsonLogger } from "../telemetry/json-log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { monitorProcess } from "../telemetry/process.ts";
import { createMetrics, mergeExpositions, noMetrics } from "../telemetry/registry.ts";
import { type Backends, openBackends } from "./backends.ts";
import { configFileOf } from "./config-file.ts";
import { helloOf } from "./hello.ts";
import { hookedResources } from "./hooks.ts";
import { housekeepingOf } from "./housekeeping.ts";
import { intercepted } from "./intercept.ts";
import { startOnce } from "./once.ts";
import { parcelsOf } from "./parcels.ts";
import { metricsRoute, probeRoutes } from "./probes.ts";
import { serviceHealth } from "./service-health.ts";
import { startTasks } from "./tasks.ts";

/**
 * @throws SettingsError when settings are unknown or bad
 * @throws Error when declarations contradict each other, the storage cannot be opened, or a task does not start
 */
export async function startService(declaration: ServiceDeclaration, options: StartOptions = {}): Promise<Service> {
  const { name, version, plugins = [] } = declaration;
  const { clock = systemClock, environment, environmentNames, file } = options;
  const given = readServiceSettings(name, { options: options.settings, environment, environmentNames, file });
  const member = thisWorker();
  if (member !== undefined && given.storage.startsWith("memory:") && declaration.storage !== false)
    throw new Error(
      `${name}: the storage memory: is in one process alone; several workers need sqlite:PATH or a database`,
    );
  const settings = declaration.storage === false ? { ...given, storage: "memory:" } : given;
  const log =
    options.log ??
    jsonLogger({ name, level: settings.log_level, redact: settings.log_redact, clock, worker: member?.number });
  const metrics = options.metrics ?? (settings.metrics_enabled ? createMetrics({ service: name }) : noMetrics);
  const stopping = new AbortController();
  const backends = await openBackends(settings, { clock, log, metrics, name }, options);
  const monitor = monitorProcess();
  const release = async (): Promise<void> => {
    await backends.close();
    monitor[Symbol.dispose]();
  };

  try {
    return await assemble(backends);
  } catch (error) {
    await release();
    throw error;
  }

  async function assemble({ storage, cache }: Backends): Promise<Service> {
    const parcels = parcelsOf(declaration);
    const operations = new Map<string, ResourceOperations>();
    let door: Door = notStarted;
    const context: ServiceContext = {
      ...{ name, settings, clock, log, metrics, storage, cache, operations, signal: stopping.signal },
      resources: parcels.resources,
      identify: (request) => door.identify(request),
      principalsOf: (principal) => principalsOf(storage.permissions, principal),
      handle: (request) => door.handle(request),
    };
    refuseUnknownEndpoints(settings.disabled_endpoints, parcels.resources);
    const resources = hookedResources(parcels.resources, plugins, context);
    const housekeeping = housekeepingOf(context, resources);
    await storage.define([...resources.map(definitionOf), ...housekeeping.lists]);
    for (const [resource, own] of createAllOperations(resources, {
      ...{ storage, clock, log, settings: operationSettings(settings) },
    }))
      operations.set(resource, own);
    const served = resources.flatMap((resource) => {
      const own = operations.get(resource.name);
      return own === undefined ? [] : [{ resource, operations: own }];
    });

    const health = serviceHealth(context, parcels.checks(context), declaration.storage === false);
    const processMetrics = createMetrics();
    if (settings.metrics_enabled) monitor.register(processMetrics);
    const expose = (): string => mergeExpositions([metrics.expose(), processMetrics.expose()]);
    const exposeAll = async (): Promise<string> => (await member?.allMetrics()) ?? expose();
    const prefix = `/v${Number.parseInt(settings.http_api_version, 10)}`;
    let isDraining = false;

    const policies = await parcels.authentication(context, options.fallbackAuthentication ?? []);
    const ownRoutes = parcels.routes(context);
    const routes = [
      ...ownRoutes,
      ...docsRoutes(name),
      ...descriptionRoutes({ swagger: () => swagger2Document(openapi(), prefix), asyncapi: () => asyncapi() }),
      ...probeRoutes({ health, isDraining: () => isDraining }),
      ...(settings.metrics_enabled && settings.metrics_port === undefined ? [metricsRoute(exposeAll)] : []),
    ];
    const asyncapi = (): Readonly<Record<string, unknown>> =>
      asyncapiDocument({
        ...{ name, version, prefix, resources, policies },
        summary: declaration.description,
        docsUrl: settings.project_docs,
        origin: settings.public_origin,
      });
    let document: Readonly<Record<string, unknown>> | undefined;
    const openapi = (): Readonly<Record<string, unknown>> => {
      document ??= openapiDocument({
        name,
        version,
        summary: declaration.description,
        docsUrl: settings.project_docs,
        origin: settings.public_origin,
        prefix,
        resources,
        routes: ownRoutes,
        policies,
        readonly: settings.readonly,
        disabledEndpoints: settings.disabled_endpoints,
      });
      return document;
    };
    const capabilities = { ...authenticationCapabilities(policies, settings), ...parcels.capabilities };
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
      cache,
      ...(cache.capabilities.shared && {
        nonces: sharedNonces(cache, clock, settings.pagination_token_validity_seconds),
      }),
      idempotency: housekeeping.idempotency,
      config: configFileOf(name, options.configFile ?? file, environment),
      hello: helloOf(context, resources, plugins),
      heartbeat: async () => {
        const { checks } = await health.report();
        const body = Object.fromEntries(Object.entries(checks).map(([check, { ok }]) => [check, ok]));
        return { ok: Object.values(checks).every(({ ok }) => ok), body };
      },
      openapi,
      eventLoopDelay: monitor.delayMs,
      transaction: (work) => storage.transaction(work),
      door: (request) => door.handle(request),
    });
    registerServiceMetrics(metrics, face.running);
    const interceptors = plugins.flatMap(({ intercept }) => intercept?.(context) ?? []);
    const handle = intercepted(interceptors, face, 2000 * settings.request_timeout_seconds);
    door = { identify: face.identify, handle };

    // Who delivers keeps a position, which a read-only service may not.
    const webhooks = settings.readonly ? [] : webhookTasks({ webhooks: settings.webhooks });
    const tasks = options.tasks === false ? [] : [...parcels.tasks, ...webhooks, ...housekeeping.tasks];
    const stopOwn = await startTasks(
      tasks.filter(({ once = false }) => !once),
      context,
    );
    const stopOnce = await startOnce(
      tasks.filter(({ once = false }) => once),
      context,
    ).catch(async (error: unknown) => {
      await stopOwn(settings.stop_timeout_seconds * 1000);
      throw error;
    });
    const stopExporters = startExporters({
      ...{ name, version, settings, clock, log, metrics, worker: member?.number },
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
      fetch: toFetch(handle),
      handle,
      paths: face.paths,
      capabilities,
      openapi,
      asyncapi,
      health: health.report,
      metrics: expose,
      drain,
      stop: (timeoutMs = settings.stop_timeout_seconds * 1000) => {
        stopped ??= end(timeoutMs);
        return stopped;
      },
      [Symbol.asyncDispose]: () => service.stop(),
    };
    return service;

    function drain(): void {
      isDraining = true;
      face.drain();
    }

    async function end(timeoutMs: number): Promise<void> {
      drain();
      const deadline = performance.now() + timeoutMs;
      const rest = (): number => Math.max(0, deadline - performance.now());
      await idle(face.running, rest);
      stopping.abort();
      await stopOnce(rest());
      await stopOwn(rest());
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

type Door = Pick<ServiceContext, "identify" | "handle">;

/** What stands in the place of the door as long as there is none. */
const notStarted: Door = {
  identify: tooEarly,
  handle: async () => tooEarly(),
};

function tooEarly(): never {
  throw new Error("identify and handle can be used once the service has started");
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
