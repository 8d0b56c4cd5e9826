/** Metrics of the process itself: event loop, memory, garbage collection, time since start. */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";

/** Watches the process; everything in it that asks shares one watch, which ends with the last. */
export interface ProcessMonitor extends Disposable {
  /** Mean delay of the event loop over the last second, in milliseconds. */
  delayMs(): number;
  /** Registers the process's gauges. */
  register(metrics: Metrics): void;
}

const resolutionMs = 20;
const windowMs = 1000;

/** There is one event loop in a process, hence one watch: sampling it for each service would cost as many wake-ups. */
let shared: { readonly watch: Watch; users: number } | undefined;

/** Starts watching. The timers do not keep the process alive. */
export function monitorProcess(): ProcessMonitor {
  shared ??= { watch: startWatch(), users: 0 };
  const mine = shared;
  mine.users++;
  let isOpen = true;
  const { watch } = mine;
  return {
    delayMs: () => watch.meanMs,
    register: (metrics) => registerGauges(metrics, watch),
    [Symbol.dispose]: () => {
      if (!isOpen) return;
      isOpen = false;
      mine.users--;
      if (mine.users > 0) return;
      watch.stop();
      shared = undefined;
    },
  };
}

interface Watch {
  meanMs: number;
  p99Ms: number;
  maximumMs: number;
  collections: number;
  collectionSeconds: number;
  stop(): void;
}

function startWatch(): Watch {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      watch.collections++;
      watch.collectionSeconds += entry.duration / 1000;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  const timer = setInterval(() => {
    watch.meanMs = delay(histogram, histogram.mean);
    watch.p99Ms = delay(histogram, histogram.percentile(99));
    watch.maximumMs = delay(histogram, histogram.max);
    histogram.reset();
  }, windowMs);
  timer.unref();
  const watch: Watch = {
    meanMs: 0,
    p99Ms: 0,
    maximumMs: 0,
    collections: 0,
    collectionSeconds: 0,
    stop: () => {
      clearInterval(timer);
      histogram.disable();
      observer.disconnect();
    },
  };
  return watch;
}

function registerGauges(metrics: Metrics, watch: Watch): void {
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge(name, help, read);
  gauge("nodejs_eventloop_delay_mean_seconds", "Mean delay of the event loop, last second", () => watch.meanMs / 1000);
  gauge("nodejs_eventloop_delay_p99_seconds", "99th percentile of the same", () => watch.p99Ms / 1000);
  gauge("nodejs_eventloop_delay_max_seconds", "Maximum of the same", () => watch.maximumMs / 1000);
  gauge("nodejs_heap_used_bytes", "JavaScript heap in use", () => process.memoryUsage().heapUsed);
  gauge("nodejs_gc_runs", "Garbage collections since the start", () => watch.collections);
  gauge("nodejs_gc_seconds", "Time spent in them", () => watch.collectionSeconds);
  gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  gauge("process_uptime_seconds", "Time since the start of the process", () => process.uptime());
}

/** The histogram holds the time between its own ticks, in nanoseconds, its resolution included. */
function delay(histogram: ReturnType<typeof monitorEventLoopDelay>, nanoseconds: number): number {
  if (histogram.count === 0) return 0;
  return Math.max(0, nanoseconds / 1e6 - resolutionMs);
}
