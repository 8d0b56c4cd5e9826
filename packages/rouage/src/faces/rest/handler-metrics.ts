/** Metrics of one handler: called, success, refused, failure and duration. Made at start, so that a request only adds. */
import type { Metrics } from "../../telemetry/metrics.ts";

export interface HandlerMetrics {
  /** Records one answered request. */
  record(status: number, seconds: number): void;
}

export function handlerMetrics(metrics: Metrics, handler: string): HandlerMetrics {
  const labels = { handler };
  const called = metrics.counter("rouage_handler_called_total", "Requests that reached a handler.", labels);
  const success = metrics.counter("rouage_handler_success_total", "Requests answered with 1xx to 3xx.", labels);
  const refused = metrics.counter("rouage_handler_refused_total", "Requests answered with 4xx.", labels);
  const failure = metrics.counter("rouage_handler_failure_total", "Requests answered with 5xx.", labels);
  const duration = metrics.histogram(
    "rouage_handler_duration_seconds",
    "Time from the arrival of a request to its answer.",
    labels,
  );
  return {
    record(status, seconds) {
      called.add();
      if (status < 400) success.add();
      else if (status < 500) refused.add();
      else failure.add();
      duration.observe(seconds);
    },
  };
}
