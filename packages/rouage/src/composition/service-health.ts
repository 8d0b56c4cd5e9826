/** Health of a service: its storage, its cache, and what it and its plugins declare. */
import type { ServiceContext } from "../service-declaration.ts";
import { createHealth, type Health } from "../telemetry/health.ts";

/**
 * @param further checks by name; what they find makes the service degraded at most
 * @param keepsNothing a service without a storage has none to check
 */
export function serviceHealth(
  context: ServiceContext,
  further: Readonly<Record<string, () => Promise<void>>>,
  keepsNothing = false,
): Health {
  const { settings, storage, cache, log, metrics } = context;
  const health = createHealth({
    checks: [
      ...(keepsNothing ? [] : [{ name: "storage", vital: true, check: () => storage.check(settings.readonly) }]),
      { name: "cache", vital: false, check: () => cache.check() },
      ...Object.entries(further).map(([name, check]) => ({ name, vital: false, check })),
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
