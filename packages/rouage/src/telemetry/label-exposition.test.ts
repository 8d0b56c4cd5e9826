import assert from "node:assert/strict";
import { test } from "node:test";
import { labelExposition } from "./label-exposition.ts";
import { createMetrics, mergeExpositions } from "./registry.ts";

test("every series gets the label, whatever its own labels say, and comments stay as they are", () => {
  const metrics = createMetrics({ service: "kittens" });
  metrics.counter("a_total", 'A "help" {with} b 1', { text: 'x} y "z" \n c 2' }).add(3);
  metrics.gauge("b", "B", () => 1);
  metrics.histogram("c_seconds", "C", {}, [1]).observe(0.5);
  const plain = createMetrics();
  plain.gauge("d", "D", () => 4);
  const text = metrics.expose() + plain.expose();
  const labelled = labelExposition(text, "worker", "2");
  assert.match(labelled, /^a_total{worker="2",service="kittens",text="x} y \\"z\\" \\n c 2"} 3$/m);
  assert.match(labelled, /^c_seconds_bucket{worker="2",.*le="1"} 1$/m);
  assert.match(labelled, /^d{worker="2"} 4$/m);
  const comments = (of: string) => of.split("\n").filter((line) => line.startsWith("#"));
  assert.deepEqual(comments(labelled), comments(text));
  const both = mergeExpositions([labelExposition(text, "worker", "1"), labelled]);
  assert.match(both, /^d{worker="1"} 4\nd{worker="2"} 4$/m);
});
