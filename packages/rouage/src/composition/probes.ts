/** The unversioned endpoints for the platform a service runs on: liveness, readiness, metrics. */
import { everyone } from "../operations/access.ts";
import { type Route, reply, route } from "../route.ts";
import type { HealthReport } from "../telemetry/health.ts";

export interface ProbeParts {
  readonly health: { report(): Promise<HealthReport> };
  isDraining(): boolean;
}

const common = { access: [everyone], unversioned: true, documented: false, operational: true } as const;
const fresh = { "cache-control": "no-store" };

/** `/livez` answers as long as the process does; `/readyz` says whether requests should be sent here, and why not. */
export function probeRoutes({ health, isDraining }: ProbeParts): readonly Route[] {
  return [
    route("GET", "/livez", { ...common, handler: () => reply(200, {}, fresh) }),
    route("GET", "/readyz", {
      ...common,
      handler: async () => {
        if (isDraining()) return reply(503, { state: "draining", checks: {} }, fresh);
        const report = await health.report();
        return reply(report.state === "unhealthy" ? 503 : 200, report, fresh);
      },
    }),
  ];
}

/** `/metrics`, Prometheus text exposition format. */
export function metricsRoute(expose: () => Promise<string>): Route {
  return route("GET", "/metrics", {
    ...common,
    handler: async () =>
      reply(200, await expose(), { ...fresh, "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  });
}
