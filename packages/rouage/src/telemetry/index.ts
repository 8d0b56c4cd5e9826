/** `rouage/telemetry`: logs, metrics and health, for programs that hand a service their own. Re-exports only. */
export { createHealth, type Health, type HealthCheck, type HealthOptions, type HealthReport } from "./health.ts";
export {
  type JsonLogger,
  type JsonLoggerOptions,
  jsonLogger,
  type LogDestination,
  standardOutput,
} from "./json-log.ts";
export { type Logger, type LogLevel, silentLogger } from "./log.ts";
export { type MetricDefinition, metricList } from "./metric-list.ts";
export type { Counter, Histogram, Labels, MetricFamily, MetricSeries, Metrics } from "./metrics.ts";
export { monitorProcess, type ProcessMonitor } from "./process.ts";
export { createProfiler, longestProfileSeconds, type Profile, type ProfileKind, type Profiler } from "./profiler.ts";
export { createMetrics, durationBuckets, mergeExpositions, noMetrics, sizeBuckets } from "./registry.ts";
