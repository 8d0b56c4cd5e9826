/** The metrics interface: counters, gauges and histograms with few labels, read as Prometheus text. */

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(value?: number): void;
}

export interface Histogram {
  /** Records one observation, in seconds for durations and bytes for sizes. */
  observe(value: number): void;
}

/** One metric and everything measured of it, as values: what exporters read. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly series: readonly MetricSeries[];
}

export type MetricSeries =
  | { readonly kind: "value"; readonly labels: Labels; readonly value: number }
  | {
      readonly kind: "distribution";
      readonly labels: Labels;
      /** Upper bounds, ascending; `counts` has one entry more, for what lies above the last. */
      readonly bounds: readonly number[];
      readonly counts: readonly number[];
      readonly sum: number;
    };

export interface Metrics {
  /** The counter for these labels; ask once and keep it where the path is hot. */
  counter(name: string, help: string, labels?: Labels): Counter;
  histogram(name: string, help: string, labels?: Labels, buckets?: readonly number[]): Histogram;
  /** A value read when the metrics are read. */
  gauge(name: string, help: string, read: () => number, labels?: Labels): void;
  /** Prometheus text exposition format 0.0.4. */
  expose(): string;
  /** The same as values. */
  collect(): readonly MetricFamily[];
}
