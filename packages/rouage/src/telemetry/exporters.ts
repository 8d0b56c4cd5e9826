/** Starts the exporters that a service's settings ask for. */
import { hostname } from "node:os";
import type { Clock } from "../clock.ts";
import type { Settings } from "../settings.ts";
import { type ExportLoop, type ExportTarget, startExportLoop } from "./export-loop.ts";
import type { Logger } from "./log.ts";
import type { MetricFamily, Metrics } from "./metrics.ts";
import { otlpTarget } from "./otlp.ts";
import type { Attributes } from "./otlp-metrics.ts";
import { statsdTarget } from "./statsd.ts";
import { statsdPrefix } from "./statsd-lines.ts";

export interface ExportersOptions {
  readonly name: string;
  readonly version: string;
  readonly settings: Pick<
    Settings,
    | "metrics_enabled"
    | "statsd_url"
    | "otlp_url"
    | "metrics_export_seconds"
    | "deployment_environment"
    | "public_origin"
  >;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Number of this process among several of the service on this host. */
  readonly worker?: number | undefined;
  /** Further metrics to export: the process's. */
  readonly further: Pick<Metrics, "collect">;
  /** What each handler serves. */
  readonly handlers: readonly { readonly name: string; readonly method: string; readonly path: string }[];
}

/** A last export may take this long, within the time the stop has. */
const longestLastExportMs = 2000;

/** The returned function sends the last values and ends the exporters. */
export function startExporters(options: ExportersOptions): (timeoutMs: number) => Promise<void> {
  const { settings, metrics, further, log } = options;
  const targets = targetsOf(options);
  if (targets.length > 0 && !settings.metrics_enabled) {
    log.warn({}, "metrics are switched off, so none are exported");
    return async () => {};
  }
  const collect = (): readonly MetricFamily[] => [...metrics.collect(), ...further.collect()];
  const intervalMs = settings.metrics_export_seconds * 1000;
  const loops = targets.map((target): ExportLoop => startExportLoop({ target, collect, intervalMs, log, metrics }));
  return async (timeoutMs) => {
    await Promise.all(loops.map((loop) => loop.stop(Math.min(timeoutMs, longestLastExportMs))));
  };
}

function targetsOf({ name, version, settings, clock, handlers, worker }: ExportersOptions): ExportTarget[] {
  const targets: ExportTarget[] = [];
  const { statsd_url, otlp_url, deployment_environment: environment } = settings;
  // StatsD keeps one value of a gauge for each name.
  const host = worker === undefined ? hostname() : `${hostname()}-${worker}`;
  if (statsd_url !== undefined)
    targets.push(statsdTarget({ url: statsd_url, prefix: statsdPrefix(environment, host, name) }));
  if (otlp_url !== undefined)
    targets.push(
      otlpTarget({
        url: otlp_url,
        clock,
        startedAt: clock.now(),
        handlers: handlerAttributes(handlers, settings.public_origin?.startsWith("https:") === true ? "https" : "http"),
        resource: {
          "service.name": name,
          "service.version": version,
          "service.instance.id": crypto.randomUUID(),
          "deployment.environment.name": environment,
          "host.name": hostname(),
        },
      }),
    );
  return targets;
}

/** What the conventions require of `http.server.request.duration`; HEAD and QUERY are answered, and counted, by the handler of GET. */
function handlerAttributes(handlers: ExportersOptions["handlers"], scheme: string): ReadonlyMap<string, Attributes> {
  const found = new Map<string, Attributes>();
  for (const { name, method, path } of handlers)
    if (method === "GET" || !found.has(name))
      found.set(name, { "http.request.method": method, "http.route": path, "url.scheme": scheme });
  return found;
}
