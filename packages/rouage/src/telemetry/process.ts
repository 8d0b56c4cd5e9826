/** Metrics of the process itself: event loop, memory, garbage collection, time since start. */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";

/** Watches the process; one is shared by everything that needs to know how late the event loop runs. */
export interface ProcessMonitor extends Disposable {
  /** Delay of the event loop over the last seconds, in milliseconds: mean of the current window. */
  delayMs(): number;
  /** Registers the process's gauges. */
  register(metrics: Metrics): void;
}

const resolutionMs = 10;
const windowMs = 1000;

/** Starts watching. The timers do not keep the process alive. */
export function monitorProcess(): ProcessMonitor {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  let mean = 0;
  let quantile = 0;
  let maximum = 0;
  const timer = setInterval(() => {
    // The histogram measures the time between its own ticks, its resolution included.
    mean = delay(histogram, histogram.mean);
    quantile = delay(histogram, histogram.percentile(99));
    maximum = delay(histogram, histogram.max);
    histogram.reset();
  }, windowMs);
  timer.unref();

  let collections = 0;
  let collectionSeconds = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      collections++;
      collectionSeconds += entry.duration / 1000;
    }
  });
  observer.observe({ entryTypes: ["gc"] });

  return {
    delayMs: () => mean,
    register: (metrics) => {
      metrics.gauge(
        "nodejs_eventloop_delay_mean_seconds",
        "Mean delay of the event loop, last second",
        () => mean / 1000,
      );
      metrics.gauge("nodejs_eventloop_delay_p99_seconds", "99th percentile of the same", () => quantile / 1000);
      metrics.gauge("nodejs_eventloop_delay_max_seconds", "Maximum of the same", () => maximum / 1000);
      metrics.gauge("nodejs_heap_used_bytes", "JavaScript heap in use", () => process.memoryUsage().heapUsed);
      metrics.gauge("nodejs_gc_runs", "Garbage collections since the start", () => collections);
      metrics.gauge("nodejs_gc_seconds", "Time spent in them", () => collectionSeconds);
      metrics.gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
      metrics.gauge("process_uptime_seconds", "Time since the start of the process", () => process.uptime());
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      histogram.disable();
      observer.disconnect();
    },
  };
}

function delay(histogram: ReturnType<typeof monitorEventLoopDelay>, nanoseconds: number): number {
  if (histogram.count === 0) return 0;
  return Math.max(0, nanoseconds / 1e6 - resolutionMs);
}
