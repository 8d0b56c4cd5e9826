/** Puts a running service, or a door of several, behind the ports its settings name. */
import { ServiceError } from "../errors.ts";
import type { Settings } from "../settings.ts";
import type { Logger } from "../telemetry/log.ts";
import { createProfiler, type Profiler } from "../telemetry/profiler.ts";
import { profilerEndpoint } from "../telemetry/profiler-endpoint.ts";
import { type Handler, listen, type Server } from "./node.ts";
import { runUntilSignal } from "./signals.ts";
import { thisWorker } from "./workers/member.ts";
import { sharedPort } from "./workers/shared-port.ts";

/** What a service and a door have in common. */
export interface Runnable extends Handler {
  readonly name: string;
  readonly version: string;
  readonly context: { readonly settings: Settings; readonly log: Logger };
  metrics(): string;
  drain(): void;
  stop(timeoutMs?: number): Promise<void>;
}

/** The open ports of a service. */
export interface RunningServer extends AsyncDisposable {
  readonly origin: string;
  /** Where `/metrics` is, when it has a port of its own. */
  readonly metricsOrigin: string | undefined;
  /** Stops listening, lets requests under way finish, then stops the service. */
  stop(): Promise<void>;
}

/** What stopping costs a worker beside the requests: closing stores, the last lines of the log. */
const graceMs = 5_000;

/**
 * Listens for a service.
 * @throws Error when a port cannot be listened on; the service is stopped then
 */
export async function serve(service: Runnable): Promise<RunningServer> {
  const { settings, log } = service.context;
  const timeoutMs = settings.stop_timeout_seconds * 1000;
  const servers: Server[] = [];
  const stopping = new AbortController();
  const member = thisWorker();
  const common = {
    ...(member === undefined ? {} : { share: sharedPort.bind(undefined, member) }),
    host: settings.host,
    headerLimit: settings.header_limit,
    requestTimeoutMs: settings.request_timeout_seconds * 1000,
    keepAliveTimeoutMs: settings.keep_alive_timeout_seconds * 1000,
    log,
  };
  const stop = async (): Promise<void> => {
    service.drain();
    stopping.abort();
    const start = performance.now();
    await Promise.all(servers.map((server) => server.stop(timeoutMs)));
    await service.stop(Math.max(1000, timeoutMs - (performance.now() - start)));
  };
  try {
    servers.push(
      await listen(service, {
        ...common,
        port: settings.port,
        publicOrigin: settings.public_origin,
        trustedProxies: settings.trusted_proxies,
      }),
    );
    if (settings.metrics_enabled && settings.metrics_port !== undefined)
      servers.push(await listen(privateHandler(service, stopping.signal), { ...common, port: settings.metrics_port }));
    else if (settings.profiler_enabled && settings.profiler_token !== undefined)
      log.warn({}, "profiler_token opens nothing: the profiler is served on metrics_port alone, which is not set");
  } catch (error) {
    await stop();
    throw error;
  }
  const [main, metrics] = servers;
  const origin = main?.origin ?? "";
  const url = `${settings.public_origin ?? origin}/`;
  const metricsUrl = metrics === undefined ? {} : { metrics_url: `${metrics.origin}/metrics` };
  log.info({ version: service.version, url, ...metricsUrl, pid: process.pid }, "listening");
  return { origin, metricsOrigin: metrics?.origin, stop, [Symbol.asyncDispose]: stop };
}

/**
 * The whole of a main program: listens, and ends in order when told to (SIGTERM, SIGINT) or when broken.
 * @example await run(await kittens.start({ environment: process.env }));
 */
export async function run(service: Runnable): Promise<RunningServer> {
  const { settings, log } = service.context;
  const server = await serve(service);
  const member = thisWorker();
  if (member === undefined && settings.workers !== 1)
    log.warn({}, "workers has no effect: this program serves without `supervise`");
  if (settings.profiler_enabled) profileOnSignal(createProfiler(), settings, log);
  runUntilSignal({
    log,
    drain: service.drain,
    drainMs: settings.drain_seconds * 1000,
    stop: server.stop,
    ...(member === undefined ? {} : { told: member.onStop }),
  });
  member?.serving({
    name: service.name,
    logLevel: settings.log_level,
    stopMs: (settings.drain_seconds + settings.stop_timeout_seconds) * 1000 + graceMs,
    profiles: settings.profiler_enabled,
    metrics: service.metrics,
  });
  return server;
}

/** SIGUSR2 (SIGUSR1 is Node.js's own, for its debugger): where the time goes, then what allocates. */
function profileOnSignal(
  profiler: Profiler,
  { profiler_dir: folder, profiler_seconds: seconds }: Settings,
  log: Logger,
): void {
  process.on("SIGUSR2", async () => {
    try {
      for (const kind of ["cpu", "heap"] as const) {
        log.warn({ kind, seconds }, "profile asked for by signal");
        const path = await profiler.save(kind, folder, { seconds });
        log.warn({ kind, path }, "profile written");
      }
    } catch (error) {
      log.error({ err: error }, "profile failed");
    }
  });
}

/** What is served on `metrics_port`: metrics, and the profiler where it is switched on. */
function privateHandler(service: Runnable, signal: AbortSignal): Handler {
  const { settings, log } = service.context;
  const { profiler_enabled: enabled, profiler_token: token, profiler_seconds: seconds } = settings;
  const profile =
    enabled && token !== undefined
      ? profilerEndpoint({ profiler: createProfiler(), token, log, seconds, signal })
      : undefined;
  return {
    async handle(request) {
      const { url, method } = request;
      if ((url === "/metrics" || url.startsWith("/metrics?")) && (method === "GET" || method === "HEAD"))
        return {
          status: 200,
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" },
          body: (await thisWorker()?.allMetrics()) ?? service.metrics(),
        };
      const profiled = profile?.(request);
      if (profiled !== undefined) return profiled;
      throw new ServiceError("route-not-found");
    },
  };
}
