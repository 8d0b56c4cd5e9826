/**
 * Metrics as an OTLP `ExportMetricsServiceRequest` in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Field names
 * in lowerCamelCase, 64-bit integers as strings, enums as numbers.
 */
import { type MetricDefinition, metricList } from "./metric-list.ts";
import type { Labels, MetricFamily, MetricSeries } from "./metrics.ts";

export type Attributes = Readonly<Record<string, string>>;

/** Attributes of the convention that Prometheus labels do not hold, by handler. */
export type HandlerAttributes = ReadonlyMap<string, Attributes>;

export interface OtlpDocumentOptions {
  /** The service, its instance and its host. */
  readonly resource: Attributes;
  readonly handlers: HandlerAttributes;
  /** Milliseconds since the epoch, of the first value counted. */
  readonly startedAt: number;
}

/** The document of one reading, made at `now`. */
export function otlpMetrics(families: readonly MetricFamily[], now: number, options: OtlpDocumentOptions): object {
  const times = { startTimeUnixNano: nanoseconds(options.startedAt), timeUnixNano: nanoseconds(now) };
  const metrics = families.map((family) => metricOf(family, times, options.handlers));
  return {
    resourceMetrics: [
      {
        resource: { attributes: keyValues(options.resource) },
        scopeMetrics: [{ scope: { name: "rouage" }, metrics: metrics.filter((metric) => metric !== undefined) }],
      },
    ],
  };
}

/** AggregationTemporality of the protocol: everything since `startTimeUnixNano`, so that a lost export loses nothing. */
const cumulative = 2;

interface Times {
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
}

const known: ReadonlyMap<string, MetricDefinition> = new Map(metricList.map((metric) => [metric.name, metric]));

function metricOf(family: MetricFamily, times: Times, handlers: HandlerAttributes): object | undefined {
  const { name, help, type, series } = family;
  const definition = known.get(name);
  const head = {
    name: definition?.otlp ?? foreignName(name),
    description: help,
    unit: definition?.unit ?? unitOf(name),
  };
  const attributes = (labels: Labels) => keyValues(attributesOf(labels, handlers));
  if (type === "histogram") {
    const dataPoints = series.flatMap((one) => distribution(one, times, attributes));
    return dataPoints.length === 0
      ? undefined
      : { ...head, histogram: { dataPoints, aggregationTemporality: cumulative } };
  }
  // JSON has no NaN; a point without a value is left out.
  const values = series.flatMap((one) => (one.kind === "value" && Number.isFinite(one.value) ? [one] : []));
  if (values.length === 0) return undefined;
  const summed = type === "counter" || definition?.additive === true;
  const dataPoints = values.map(({ labels, value }) => ({
    attributes: attributes(labels),
    ...(summed ? times : { timeUnixNano: times.timeUnixNano }),
    asDouble: value,
  }));
  if (!summed) return { ...head, gauge: { dataPoints } };
  return { ...head, sum: { dataPoints, aggregationTemporality: cumulative, isMonotonic: type === "counter" } };
}

function distribution(one: MetricSeries, times: Times, attributes: (labels: Labels) => object[]): object[] {
  if (one.kind !== "distribution" || !Number.isFinite(one.sum)) return [];
  const { labels, bounds, counts, sum } = one;
  return [
    {
      attributes: attributes(labels),
      ...times,
      count: String(counts.reduce((total, count) => total + count, 0)),
      sum,
      bucketCounts: counts.map(String),
      explicitBounds: bounds,
    },
  ];
}

/** `service` is the resource's; a handler is what the conventions say about it. */
function attributesOf({ service: _, handler, ...others }: Labels, handlers: HandlerAttributes): Attributes {
  if (handler === undefined) return others;
  return { ...others, "rouage.handler": handler, ...handlers.get(handler) };
}

function keyValues(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } }));
}

/** A service's own metric: without what OpenTelemetry says elsewhere, in its unit and its type. */
function foreignName(name: string): string {
  return name.replace(/_total$/, "").replace(/_(seconds|bytes)$/, "");
}

function unitOf(name: string): string {
  const bare = name.replace(/_total$/, "");
  if (bare.endsWith("_seconds")) return "s";
  return bare.endsWith("_bytes") ? "By" : "1";
}

function nanoseconds(milliseconds: number): string {
  return `${BigInt(Math.round(milliseconds)) * 1_000_000n}`;
}
