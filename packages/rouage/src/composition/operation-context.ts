/** The context of operations that no request asked for: tasks, consumers, commands. */
import type { OperationContext } from "../operations/context.ts";
import type { TraceContext } from "../operations/trace.ts";
import type { Principal } from "../principal.ts";
import type { ServiceContext } from "../service-declaration.ts";

/**
 * A context in which `principal` acts.
 * @param requestId correlation id; default: a new one
 * @param trace of the request or message that it is done for
 * @example await operations.get("kittens")?.list(operationContext(context, anonymous), { params: {} }, {})
 */
export function operationContext(
  service: Pick<ServiceContext, "log" | "clock" | "signal">,
  principal: Principal,
  requestId: string = crypto.randomUUID(),
  trace?: TraceContext,
): OperationContext {
  return {
    principal,
    requestId,
    trace,
    signal: service.signal,
    log: service.log.child({ rid: requestId }),
    clock: service.clock,
  };
}
