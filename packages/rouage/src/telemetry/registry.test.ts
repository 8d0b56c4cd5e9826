import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createMetrics, durationBuckets, mergeExpositions, noMetrics } from "./registry.ts";

describe("exposition", () => {
  test("counters, gauges and histograms are written in the Prometheus text format", () => {
    const metrics = createMetrics({ service: "kittens" });
    metrics.counter("calls_total", "Calls", { handler: "get" }).add();
    metrics.counter("calls_total", "Calls", { handler: "get" }).add(2);
    metrics.gauge("size", "Size\nin bytes", () => 5);
    metrics.histogram("seconds", "Duration", {}, [0.1, 1]).observe(0.5);
    assert.equal(
      metrics.expose(),
      `# HELP calls_total Calls
# TYPE calls_total counter
calls_total{handler="get",service="kittens"} 3
# HELP size Size\\nin bytes
# TYPE size gauge
size{service="kittens"} 5
# HELP seconds Duration
# TYPE seconds histogram
seconds_bucket{service="kittens",le="0.1"} 0
seconds_bucket{service="kittens",le="1"} 1
seconds_bucket{service="kittens",le="+Inf"} 1
seconds_sum{service="kittens"} 0.5
seconds_count{service="kittens"} 1
`,
    );
  });

  test("label values are escaped", () => {
    const metrics = createMetrics();
    metrics.counter("a_total", "", { path: 'a"b\\c\nd' }).add();
    assert.match(metrics.expose(), /a_total\{path="a\\"b\\\\c\\nd"\} 1/);
  });

  test("an observation on a bound belongs to that bucket, as `le` says", () => {
    const metrics = createMetrics();
    metrics.histogram("s", "", {}, [1, 2]).observe(1);
    assert.match(metrics.expose(), /le="1"} 1\n.*le="2"} 1/);
  });

  test("buckets only grow and end with the count, whatever is observed", () => {
    fc.assert(
      fc.property(fc.array(fc.double()), (values) => {
        const metrics = createMetrics();
        const histogram = metrics.histogram("s", "");
        for (const value of values) histogram.observe(value);
        const counts = [...metrics.expose().matchAll(/s_bucket\{le="[^"]+"\} (\d+)/g)].map(([, count]) =>
          Number(count),
        );
        assert.equal(counts.length, durationBuckets.length + 1);
        assert.deepEqual(
          counts,
          counts.toSorted((a, b) => a - b),
        );
        assert.equal(counts.at(-1), values.filter((value) => !Number.isNaN(value)).length);
      }),
    );
  });

  test("a counter never decreases", () => {
    const metrics = createMetrics();
    metrics.counter("a_total", "").add(-1);
    metrics.counter("a_total", "").add(Number.NaN);
    assert.match(metrics.expose(), /a_total 0/);
  });
});

test("a name with two types, and a name that is none, are refused", () => {
  const metrics = createMetrics();
  metrics.counter("a", "");
  assert.throws(() => metrics.histogram("a", ""), /a is a counter/);
  assert.throws(() => metrics.counter("a-b", ""), /no name/);
});

test("too many label values of one metric share one series instead of filling the memory", () => {
  const metrics = createMetrics();
  for (let id = 0; id < 3000; id++) metrics.counter("a_total", "", { id: String(id) }).add();
  const lines = metrics.expose().split("\n");
  assert.ok(lines.length < 2010);
  assert.ok(lines.includes('a_total{overflow="true"} 1000'));
});

test("expositions are merged: each family once, each series once", () => {
  const one = createMetrics({ service: "one" });
  const two = createMetrics({ service: "two" });
  one.counter("a_total", "A").add();
  two.counter("a_total", "A").add(2);
  two.counter("b_total", "B").add(3);
  const text = mergeExpositions([one.expose(), two.expose(), two.expose(), noMetrics.expose()]);
  assert.equal(
    text,
    `# HELP a_total A
# TYPE a_total counter
a_total{service="one"} 1
a_total{service="two"} 2
# HELP b_total B
# TYPE b_total counter
b_total{service="two"} 3
`,
  );
});
