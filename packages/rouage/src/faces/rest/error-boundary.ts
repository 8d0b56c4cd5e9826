/** The outermost error boundary: whatever was thrown becomes a well-formed answer, and what a client may not see goes to the log. */
import { ServiceError } from "../../errors.ts";
import type { HttpResponse } from "../../http.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { standardHeaders } from "./headers.ts";
import { type ErrorRendering, renderError } from "./render-error.ts";

export interface ErrorBoundary {
  /** Never throws. */
  failure(exchange: Exchange, thrown: unknown): Answer;
  /** Something failed where nothing can: the request could not be read, or the answer not be finished. */
  lastResort(error: unknown): HttpResponse;
}

export function errorBoundary(log: Logger, rendering: ErrorRendering): ErrorBoundary {
  function failure(exchange: Exchange, thrown: unknown): Answer {
    try {
      const error = asServiceError(exchange, thrown);
      exchange.errno = error.kind.errno;
      return renderError(error, exchange.negotiated.problem, rendering);
    } catch (error) {
      // Details that JSON cannot carry, a logger that fails.
      const { status, headers, body } = lastResort(error);
      return { status, headers, body };
    }
  }

  function asServiceError(exchange: Exchange, thrown: unknown): ServiceError {
    if (ServiceError.is(thrown)) {
      // What fails because its client went away is nobody's fault.
      if (thrown.kind.status >= 500 && thrown.cause !== undefined && !exchange.request.signal.aborted)
        exchange.log.error({ err: thrown.cause, errno: thrown.kind.errno }, thrown.message);
      return thrown;
    }
    if (exchange.request.signal.aborted) return new ServiceError("request-timeout", { cause: thrown });
    exchange.log.error({ err: thrown }, "unexpected error");
    return new ServiceError("internal", { cause: thrown });
  }

  function lastResort(error: unknown): HttpResponse {
    try {
      log.error({ err: error }, "unexpected error");
    } catch {
      // There is nobody left to tell.
    }
    const { status, headers, body } = renderError(new ServiceError("internal"), false, rendering);
    return { status, headers: { ...standardHeaders.other, ...headers }, body };
  }

  return { failure, lastResort };
}
