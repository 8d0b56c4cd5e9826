/** Metrics in memory, read as Prometheus text: https://prometheus.io/docs/instrumenting/exposition_formats/ (0.0.4). */
import type { Counter, Histogram, Labels, MetricFamily, MetricSeries, Metrics } from "./metrics.ts";

/** Upper bounds in seconds, from 1 ms to 10 s: quantiles 0.5, 0.9 and 0.99 of usual answers fall between narrow ones. */
export const durationBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Upper bounds in bytes, from 256 B to 16 MiB. */
export const sizeBuckets: readonly number[] = [
  256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
];

/** More label combinations than this of one metric are a programming error (an id as label): further ones share one series. */
const maximumSeries = 2000;

/**
 * Makes an empty registry.
 * @param labels added to every series, for example `{ service: "kittens" }`
 */
export function createMetrics(labels: Labels = {}): Metrics {
  const families = new Map<string, Family>();

  function family(name: string, help: string, type: Family["type"]): Family {
    const known = families.get(name);
    if (known !== undefined) {
      if (known.type !== type) throw new Error(`metric ${name} is a ${known.type}, not a ${type}`);
      return known;
    }
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) throw new Error(`${name} is no name for a metric`);
    const made: Family = { name, help, type, series: new Map() };
    families.set(name, made);
    return made;
  }

  function series<T extends Series>(of: Family, own: Labels | undefined, make: (key: string, all: Labels) => T): T {
    let all: Labels = { ...labels, ...own };
    let key = labelText(all);
    let found = of.series.get(key);
    if (found === undefined) {
      if (of.series.size >= maximumSeries) {
        all = { ...labels, overflow: "true" };
        key = labelText(all);
        found = of.series.get(key);
      }
      if (found === undefined) {
        found = make(key, all);
        of.series.set(key, found);
      }
    }
    return found as T;
  }

  return {
    counter: (name, help, own) => series(family(name, help, "counter"), own, (key, all) => counter(name, key, all)),
    histogram: (name, help, own, buckets = durationBuckets) =>
      series(family(name, help, "histogram"), own, (key, all) => histogram(name, key, all, buckets)),
    gauge: (name, help, read, own) => {
      const of = family(name, help, "gauge");
      const all = { ...labels, ...own };
      const key = labelText(all);
      of.series.set(key, {
        text: () => `${name}${braces(key)} ${number(read())}\n`,
        values: () => ({ kind: "value", labels: all, value: read() }),
      });
    },
    expose: () => {
      let text = "";
      for (const { name, help, type, series: all } of families.values()) {
        text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
        for (const one of all.values()) text += one.text();
      }
      return text;
    },
    collect: () =>
      [...families.values()].map(({ name, help, type, series: all }): MetricFamily => {
        return { name, help, type, series: [...all.values()].map((one) => one.values()) };
      }),
  };
}

/** Metrics that are thrown away, for services that switched them off. */
export const noMetrics: Metrics = {
  counter: () => ({ add() {} }),
  histogram: () => ({ observe() {} }),
  gauge() {},
  expose: () => "",
  collect: () => [],
};

/** Several expositions as one: each family once, each series once (the first wins). */
export function mergeExpositions(texts: readonly string[]): string {
  const families = new Map<string, { head: string; readonly lines: Map<string, string> }>();
  for (const text of texts) {
    let current: { head: string; readonly lines: Map<string, string> } | undefined;
    let isNew = false;
    for (const line of text.split("\n")) {
      if (line === "") continue;
      if (line.startsWith("# HELP ")) {
        const name = line.split(" ", 3)[2] ?? "";
        current = families.get(name);
        isNew = current === undefined;
        if (current === undefined) {
          current = { head: "", lines: new Map() };
          families.set(name, current);
        }
      }
      if (current === undefined) continue;
      if (line.startsWith("#")) {
        if (isNew) current.head += `${line}\n`;
        continue;
      }
      const series = line.slice(0, line.lastIndexOf(" "));
      if (!current.lines.has(series)) current.lines.set(series, line);
    }
  }
  return [...families.values()].map(({ head, lines }) => `${head}${[...lines.values()].join("\n")}\n`).join("");
}

interface Series {
  text(): string;
  values(): MetricSeries;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly series: Map<string, Series>;
}

function counter(name: string, key: string, labels: Labels): Counter & Series {
  let total = 0;
  return {
    add: (value = 1) => {
      // A counter never decreases; a negative or broken value would corrupt every rate computed from it.
      if (value >= 0) total += value;
    },
    text: () => `${name}${braces(key)} ${number(total)}\n`,
    values: () => ({ kind: "value", labels, value: total }),
  };
}

function histogram(name: string, key: string, labels: Labels, bounds: readonly number[]): Histogram & Series {
  const sorted = Float64Array.from(bounds).sort();
  const counts = new Float64Array(sorted.length + 1);
  let sum = 0;
  const prefix = key === "" ? "" : `${key},`;
  return {
    observe: (value) => {
      if (Number.isNaN(value)) return;
      let index = 0;
      while (index < sorted.length && value > (sorted[index] ?? 0)) index++;
      counts[index] = (counts[index] ?? 0) + 1;
      sum += value;
    },
    values: () => ({ kind: "distribution", labels, bounds: [...sorted], counts: [...counts], sum }),
    text: () => {
      let text = "";
      let cumulative = 0;
      for (let index = 0; index < counts.length; index++) {
        cumulative += counts[index] ?? 0;
        const bound = index < sorted.length ? number(sorted[index] ?? 0) : "+Inf";
        text += `${name}_bucket{${prefix}le="${bound}"} ${cumulative}\n`;
      }
      return `${text}${name}_sum${braces(key)} ${number(sum)}\n${name}_count${braces(key)} ${cumulative}\n`;
    },
  };
}

function labelText(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((name) => `${name.replaceAll(/[^a-zA-Z0-9_]/g, "_")}="${escapeLabel(labels[name] ?? "")}"`)
    .join(",");
}

const braces = (key: string): string => (key === "" ? "" : `{${key}}`);

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
