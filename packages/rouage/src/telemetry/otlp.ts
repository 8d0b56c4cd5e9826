/** Sends metrics to an OpenTelemetry collector, as JSON over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp */
import type { Clock } from "../clock.ts";
import { ExportRefused, type ExportTarget } from "./export-loop.ts";
import { type OtlpDocumentOptions, otlpMetrics } from "./otlp-metrics.ts";

export interface OtlpOptions extends OtlpDocumentOptions {
  /** The collector's own URL for metrics: `http://collector:4318/v1/metrics`. */
  readonly url: string;
  readonly clock: Clock;
}

/** Most of an answer that is read; the rest is not wanted. */
const longestAnswer = 16_384;

export function otlpTarget({ url, clock, ...options }: OtlpOptions): ExportTarget {
  return {
    name: "otlp",
    async send(families, signal) {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify(otlpMetrics(families, clock.now(), options)),
        redirect: "error",
        signal,
      });
      const text = await beginning(response);
      if (!response.ok) throw new ExportRefused(`the collector answered ${response.status}`, retryAfter(response));
      return rejected(text);
    },
    close() {},
  };
}

async function beginning({ body }: Response): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  // Leaving the loop cancels what is left of the body.
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > longestAnswer) break;
  }
  return text;
}

/** Seconds only: a date is not worth a second parser here, the loop backs off by itself. */
function retryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

/** A collector may take the request and refuse some of its points (`partial_success`); sending those again would not help. */
function rejected(text: string): string | undefined {
  try {
    const { partialSuccess } = JSON.parse(text) as {
      partialSuccess?: { rejectedDataPoints?: unknown; errorMessage?: unknown };
    };
    const points = Number(partialSuccess?.rejectedDataPoints ?? 0);
    if (!(points > 0)) return undefined;
    return `${points} data points rejected: ${String(partialSuccess?.errorMessage ?? "").slice(0, 200)}`;
  } catch {
    return undefined;
  }
}
