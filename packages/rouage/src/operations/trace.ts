/**
 * Correlation of what is done on behalf of one request, over services and messages: its id and its W3C trace
 * (https://www.w3.org/TR/trace-context/). No spans are recorded; the trace is passed on whole.
 */
import { createHash, randomBytes } from "node:crypto";

/** The trace that a request or a message belongs to. */
export interface TraceContext {
  /** `00-{trace id}-{id of what is being done here}-{flags}` */
  readonly traceparent: string;
  /** Passed on as it came. */
  readonly tracestate?: string;
}

/** What operation contexts and the contexts of consumers have in common. */
export interface Correlated {
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
}

/**
 * Headers for a call made on behalf of a request or a message: `x-request-id`, `traceparent` with an id of its own for this call, and
 * `tracestate`. Where the caller sent no trace one begins here, whose id follows from the request id, so that all calls share it.
 * @example await fetch(url, { headers: correlationHeaders(context), signal: context.signal });
 */
export function correlationHeaders({ requestId, trace }: Correlated): Record<string, string> {
  const known = trace === undefined ? undefined : parseTraceparent(trace.traceparent);
  const { traceId, flags } = known ?? { traceId: traceIdFrom(requestId), flags: sampled };
  const headers = { "x-request-id": requestId, traceparent: `00-${traceId}-${spanId()}-${flags}` };
  return known === undefined || trace?.tracestate === undefined
    ? headers
    : { ...headers, tracestate: trace.tracestate };
}

/** The trace that a request's headers name, with an id of its own for this request; undefined when they name none. */
export function continueTrace(traceparent: string | undefined, tracestate?: string): TraceContext | undefined {
  const known = parseTraceparent(traceparent);
  if (known === undefined) return undefined;
  const own = `00-${known.traceId}-${spanId()}-${known.flags}`;
  // §3.3.1.5: what is longer may be dropped.
  return tracestate === undefined || tracestate.length > 512 ? { traceparent: own } : { traceparent: own, tracestate };
}

export interface Traceparent {
  readonly traceId: string;
  readonly flags: string;
}

/** Reads a `traceparent` (§3.2); undefined when absent or invalid. Fields of later versions are left off. */
export function parseTraceparent(header: string | undefined): Traceparent | undefined {
  if (header === undefined) return undefined;
  const match = form.exec(header);
  if (match === null) return undefined;
  const [, version, traceId = "", parentId, flags = "00", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (traceId === noTrace || parentId === noSpan) return undefined;
  return { traceId, flags };
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = "0".repeat(32);
const noSpan = "0".repeat(16);

/** Of a trace that begins here, as OpenTelemetry's default has it: who records may drop it later, who is told not to cannot keep it. */
const sampled = "01";

function spanId(): string {
  const id = randomBytes(8).toString("hex");
  return id === noSpan ? spanId() : id;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A UUID is a trace id but for its dashes; another id is hashed. */
function traceIdFrom(requestId: string): string {
  const digits = uuid.test(requestId) ? requestId.replaceAll("-", "").toLowerCase() : noTrace;
  return digits === noTrace ? createHash("sha256").update(requestId).digest("hex").slice(0, 32) : digits;
}
