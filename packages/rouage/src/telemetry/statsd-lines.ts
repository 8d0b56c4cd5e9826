/**
 * Metrics as StatsD lines with names `environment.host.service.group.segment.outcome`. Remembers what was sent, because StatsD counts
 * what is new and the registry what there is in all. Format: https://github.com/statsd/statsd/blob/master/docs/metric_types.md
 */
import type { Labels, MetricFamily } from "./metrics.ts";

/** `environment.host.service`, each as it may stand in a name. */
export function statsdPrefix(environment: string, host: string, service: string): string {
  return [environment, host, service].map(part).join(".");
}

/**
 * Group is the first word of the metric's name, outcome the rest of it; segment are the values of its labels, or `all`:
 * `rouage_handler_success_total{handler="GET /kittens"}` becomes `….handler.GET__kittens.success`.
 */
export function statsdName(prefix: string, metric: string, labels: Labels): string {
  const words = metric.replace(/^rouage_/, "").replace(/_(total|seconds)$/, "");
  const end = words.indexOf("_");
  const group = end === -1 ? words : words.slice(0, end);
  const rest = end === -1 ? "" : words.slice(end + 1);
  const { service: _, outcome, ...others } = labels;
  const segment = Object.keys(others)
    .sort()
    .map((label) => others[label] ?? "")
    .join("_");
  const result = [rest, outcome].filter((text) => text !== undefined && text !== "").join("_");
  return `${prefix}.${part(group)}.${part(segment === "" ? "all" : segment)}.${part(result === "" ? "value" : result)}`;
}

/** Makes the lines of one reading after another. */
export function statsdLines(prefix: string): (families: readonly MetricFamily[]) => readonly string[] {
  const sent = new Map<string, readonly number[]>();

  /** What was added to each value since the last reading. */
  function added(name: string, values: readonly number[]): readonly number[] {
    const before = sent.get(name);
    sent.set(name, values);
    return values.map((value, index) => {
      const earlier = before?.[index] ?? 0;
      return value >= earlier ? value - earlier : value;
    });
  }

  return (families) => {
    const lines: string[] = [];
    for (const { name, type, series } of families)
      for (const one of series) {
        const full = statsdName(prefix, name, one.labels);
        if (one.kind === "distribution") {
          const scale = name.endsWith("_seconds") ? 1000 : 1;
          const counts = added(full, one.counts);
          for (const [index, count] of counts.entries())
            if (count > 0) lines.push(`${full}:${decimal(middle(one.bounds, index) * scale)}|ms${rate(count)}`);
        } else if (type === "counter") {
          const [count = 0] = added(full, [one.value]);
          if (count > 0) lines.push(`${full}:${decimal(count)}|c`);
        } else if (Number.isFinite(one.value)) {
          // A sign in front would be a change of the value, not a value.
          if (one.value < 0) lines.push(`${full}:0|g`);
          lines.push(`${full}:${decimal(one.value)}|g`);
        }
      }
    return lines;
  };
}

/** Joins lines to packets of at most `limit` bytes; a line that is longer by itself is left out. */
export function packets(lines: readonly string[], limit: number): readonly string[] {
  const made: string[] = [];
  let packet = "";
  for (const line of lines) {
    // Names and numbers are ASCII: characters are bytes.
    if (line.length > limit) continue;
    if (packet !== "" && packet.length + 1 + line.length > limit) {
      made.push(packet);
      packet = "";
    }
    packet += packet === "" ? line : `\n${line}`;
  }
  if (packet !== "") made.push(packet);
  return made;
}

const longestPart = 100;

/** What is no letter, digit, dash or underscore would end a name or a part of it. */
function part(text: string): string {
  const safe = text.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, longestPart);
  return safe === "" ? "_" : safe;
}

/** A bucket's middle stands for what is in it; its lower bound for what is above the last. */
function middle(bounds: readonly number[], index: number): number {
  const lower = index === 0 ? 0 : (bounds[index - 1] ?? 0);
  const upper = bounds[index];
  return upper === undefined ? lower : (lower + upper) / 2;
}

/** One line for `count` observations. Rounded down: receivers that compute `int(1 / rate)` must not lose one. */
function rate(count: number): string {
  if (count === 1) return "";
  return `|@${(Math.floor(1e9 / count) / 1e9).toFixed(9).replace(/0+$/, "")}`;
}

/** Never in exponential notation, which receivers do not read. */
function decimal(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  return value.toFixed(6).replace(/0+$/, "").replace(/\.$/, "");
}
