import assert from "node:assert/strict";
import { test } from "node:test";
import { monitorProcess } from "./process.ts";
import { createMetrics } from "./registry.ts";

test("the process's gauges are exposed, and a blocked event loop shows in its delay", async () => {
  using monitor = monitorProcess();
  using second = monitorProcess();
  const metrics = createMetrics();
  monitor.register(metrics);
  const until = performance.now() + 10_000;
  while (monitor.delayMs() < 50 && performance.now() < until) {
    const end = performance.now() + 300;
    while (performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(monitor.delayMs() >= 50);
  assert.equal(second.delayMs(), monitor.delayMs(), "there is one event loop");
  assert.match(metrics.expose(), /nodejs_heap_used_bytes [1-9]\d+/);
  assert.match(metrics.expose(), /process_uptime_seconds \d/);
});
