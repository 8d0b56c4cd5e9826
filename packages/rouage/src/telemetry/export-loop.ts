/** Hands a service's metrics to a receiver at an interval: one export at a time, slower while it fails, once more at the end. */
import type { Logger } from "./log.ts";
import type { Counter, MetricFamily, Metrics } from "./metrics.ts";

/** Where metrics are sent. */
export interface ExportTarget {
  readonly name: "statsd" | "otlp";
  /**
   * Sends one reading. What it answers is something to warn about, although the rest arrived.
   * @throws Error when it did not arrive
   */
  send(families: readonly MetricFamily[], signal: AbortSignal): Promise<string | undefined>;
  close(): void;
}

/** Thrown by a target that was told when to come back. */
export class ExportRefused extends Error {
  override readonly name = "ExportRefused";
  readonly retryAfterMs: number | undefined;
  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

export interface ExportLoopOptions {
  readonly target: ExportTarget;
  readonly collect: () => readonly MetricFamily[];
  readonly intervalMs: number;
  readonly log: Logger;
  /** Counts the exports. */
  readonly metrics: Pick<Metrics, "counter">;
}

export interface ExportLoop {
  /** Sends a last reading, for at most `timeoutMs`, and ends. Never rejects. */
  stop(timeoutMs: number): Promise<void>;
}

const longestExportMs = 10_000;
/** A receiver that was away is tried again at the latest after this. */
const longestPauseMs = 5 * 60_000;

/** Nothing waits for it but `stop`; its timer does not keep the process alive. Nothing is queued: values are cumulative in the registry. */
export function startExportLoop({ target, collect, intervalMs, log, metrics }: ExportLoopOptions): ExportLoop {
  const count = (outcome: string): Counter =>
    metrics.counter("telemetry_exports_total", "Exports of metrics: sent, failed", { exporter: target.name, outcome });
  const sent = count("sent");
  const failed = count("failed");
  const current = new AbortController();
  let failures = 0;
  let retryAfterMs = 0;
  let warned: string | undefined;
  let running: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function once(signal: AbortSignal): Promise<void> {
    try {
      const warning = await target.send(collect(), signal);
      sent.add();
      if (failures > 0) log.info({ exporter: target.name, failures }, "metrics are exported again");
      failures = 0;
      retryAfterMs = 0;
      if (warning !== undefined && warning !== warned)
        log.warn({ exporter: target.name, warning }, "metrics exported in part");
      warned = warning;
    } catch (error) {
      failed.add();
      failures++;
      retryAfterMs = error instanceof ExportRefused ? (error.retryAfterMs ?? 0) : 0;
      // Once, not at every interval: a receiver that is away is no flood of lines.
      if (failures === 1) log.warn({ err: error, exporter: target.name }, "metrics cannot be exported; tried again");
    }
  }

  function schedule(): void {
    const doubled = intervalMs * 2 ** Math.min(failures, 20);
    const ceiling = Math.max(intervalMs, longestPauseMs);
    const pause = Math.min(ceiling, Math.max(doubled, retryAfterMs));
    timer = setTimeout(
      () => {
        const signal = AbortSignal.any([current.signal, AbortSignal.timeout(longestExportMs)]);
        running = once(signal).then(() => {
          running = undefined;
          if (stopped === undefined) schedule();
        });
      },
      failures === 0 ? pause : pause * (0.75 + Math.random() / 2),
    );
    timer.unref();
  }

  async function end(timeoutMs: number): Promise<void> {
    clearTimeout(timer);
    const deadline = setTimeout(() => current.abort(), timeoutMs);
    await running;
    if (!current.signal.aborted) await once(current.signal);
    clearTimeout(deadline);
    target.close();
  }

  schedule();
  return {
    stop(timeoutMs) {
      stopped ??= end(timeoutMs);
      return stopped;
    },
  };
}
