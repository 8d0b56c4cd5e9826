/** The one log line of a request: what it asked for and how it ended. Names of query parameters, never their values. */
import type { Logger } from "../../telemetry/log.ts";
import type { Exchange } from "./exchange.ts";
import { parameterNames } from "./query-string.ts";

export function requestSummary(log: Logger, exchange: Exchange, status: number, milliseconds: number): void {
  const { request, endpoint, principal, search } = exchange;
  const line = {
    method: request.method,
    path: exchange.shownPath ?? exchange.path,
    handler: endpoint?.name,
    query: search === "" ? undefined : parameterNames(search),
    code: status,
    errno: exchange.errno,
    t: Math.round(milliseconds * 1000) / 1000,
    rid: exchange.requestId,
    trace: exchange.traceId,
    uid: principal.id,
    authn: principal.policy,
    agent: request.header("user-agent"),
    lang: request.header("accept-language"),
  };
  if (endpoint?.operational === true) log.debug(line, "request.summary");
  else log.info(line, "request.summary");
}
