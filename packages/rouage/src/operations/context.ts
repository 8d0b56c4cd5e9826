/** What every operation, hook and handler gets beside its input. */
import type { Clock } from "../clock.ts";
import type { Principal } from "../principal.ts";
import type { Logger } from "../telemetry/log.ts";
import type { TraceContext } from "./trace.ts";

export interface OperationContext {
  readonly principal: Principal;
  /** Correlation id of the request, message or job. */
  readonly requestId: string;
  /** The trace it belongs to, where the caller named one. `correlationHeaders(context)` passes both on. */
  readonly trace?: TraceContext | undefined;
  /** Aborts when the caller is gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** Whether `signal` is aborted, without making it. Absent: only `signal` tells. */
  readonly ended?: boolean;
  readonly log: Logger;
  readonly clock: Clock;
}
