/**
 * The one log line of a request: what it asked for and how it ended. Names of query parameters; their values only where the operator wants them, and
 * those of secrets never.
 */
import type { Clock } from "../../clock.ts";
import type { Logger } from "../../telemetry/log.ts";
import { redact } from "../../telemetry/redact.ts";
import type { Exchange } from "./exchange.ts";
import { parameterNames, parseQueryString } from "./query-string.ts";

export type RequestSummary = (exchange: Exchange, status: number, milliseconds: number) => void;

/**
 * Where the logger takes finished lines, they are put together as text: no object, no walk over its keys. Measured here: 0.5 µs a line
 * against 2.7 µs through the logger's methods.
 * @param details whether values of query parameters are shown (`log_request_details`)
 */
export function requestSummaries(log: Logger, clock: Clock, service: string, details = false): RequestSummary {
  const quoted = quoter(256);
  const quotedUser = quoter(4096);
  const name = JSON.stringify(service);

  function asText(exchange: Exchange, status: number, milliseconds: number, level: string, message: string): string {
    const { request, endpoint, principal, search, traceId, errno } = exchange;
    let line = `{"level":"${level}","time":${clock.now()},"name":${name},"method":${quoted(request.method)},"path":${quotedPath(exchange)}`;
    if (endpoint !== undefined) line += `,"handler":${quoted(endpoint.name)}`;
    if (search !== "") {
      line += `,"query":${JSON.stringify(parameterNames(search))}`;
      if (details) line += `,"querystring":${JSON.stringify(parameterValues(exchange))}`;
    }
    line += `,"code":${status}`;
    if (errno !== undefined) line += `,"errno":${errno}`;
    line += `,"t":${rounded(milliseconds)},"rid":"${exchange.requestId}"`;
    if (exchange.batchSize !== undefined) line += `,"batch_size":${exchange.batchSize}`;
    if (traceId !== undefined) line += `,"trace":"${traceId}"`;
    if (principal.id !== undefined) line += `,"uid":${quotedUser(principal.id)}`;
    if (principal.policy !== undefined) line += `,"authn_type":${quoted(principal.policy)}`;
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
    else log[level](asFields(exchange, status, milliseconds, details), message);
  };
}

function asFields(exchange: Exchange, status: number, milliseconds: number, details: boolean): object {
  const { request, endpoint, principal, search } = exchange;
  return {
    method: request.method,
    path: exchange.shownPath ?? exchange.path,
    handler: endpoint?.name,
    query: search === "" ? undefined : parameterNames(search),
    querystring: search === "" || !details ? undefined : parameterValues(exchange),
    code: status,
    errno: exchange.errno,
    t: rounded(milliseconds),
    rid: exchange.requestId,
    batch_size: exchange.batchSize,
    trace: exchange.traceId,
    uid: principal.id,
    authn_type: principal.policy,
    agent: request.header("user-agent"),
    lang: request.header("accept-language"),
  };
}

/** By name, the last one of a name; what is secret by its name or by its endpoint is hidden. */
function parameterValues({ search, shownPath }: Exchange): Readonly<Record<string, string>> {
  if (shownPath !== undefined) return {};
  const values: Record<string, string> = Object.create(null);
  try {
    for (const [name, value] of parseQueryString(search.split("&", mostParameters).join("&")))
      values[name.slice(0, 64)] = oneTime.has(name) ? "[redacted]" : value.slice(0, longestText);
  } catch {
    // Not decodable, which the request is told.
    return {};
  }
  return redact({ ...values });
}

const mostParameters = 32;

/** What identity providers send with a browser (RFC 6749 §4.1.2). */
const oneTime: ReadonlySet<string> = new Set(["code", "state"]);

/** Milliseconds to the microsecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** What has found its endpoint is printable ASCII (request-target.ts): a look for two characters costs a quarter of `JSON.stringify`. */
function quotedPath({ shownPath, path, endpoint }: Exchange): string {
  const text = shownPath ?? path;
  if (endpoint === undefined || text.includes('"') || text.includes("\\")) return JSON.stringify(text);
  return `"${text}"`;
}

/** JSON strings of values that come again and again; bounded in number and in length. */
function quoter(most: number): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    let json = known.get(text);
    if (json === undefined) {
      const kept = text.length > longestText ? text.slice(0, longestText) : text;
      json = JSON.stringify(kept);
      if (known.size >= most) known.clear();
      if (kept === text) known.set(text, json);
    }
    return json;
  };
}

const longestText = 256;
