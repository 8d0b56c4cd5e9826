/** Requests inside a batch as plain requests: what they inherit from the batch, and what they say themselves. */
import { ServiceError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import { jsonType } from "../rest/body.ts";
import type { BatchItem } from "./payload.ts";

/** What every request of one batch inherits. */
export interface Inheritance {
  readonly request: HttpRequest;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** The headers of the batch that hold for its requests as well: not those about its own body, connection or state of things. */
export function inheritance(request: HttpRequest, requestId: string, signal: AbortSignal): Inheritance {
  const kept = Object.entries(request.headers()).filter(([name]) => !ownOfBatch.has(name) && !name.startsWith("if-"));
  const own = { "content-type": jsonType, "x-request-id": requestId };
  return { request, headers: bare({ ...Object.fromEntries(kept), ...own }), signal };
}

/** Without inherited properties: any name may be looked up. */
function bare(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.assign(Object.create(null), headers);
}

const ownOfBatch: ReadonlySet<string> = new Set([
  ...[
    "content-length",
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "transfer-encoding",
  ],
  ...["connection", "keep-alive", "upgrade", "te", "trailer", "expect", "range", "idempotency-key"],
]);

/** Never a request's own to say: they belong to the connection. */
const notSettable: ReadonlySet<string> = new Set([
  ...["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"],
  ...["host", "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"],
  ...["x-request-id", "traceparent", "tracestate"],
  // What a browser says of the page that asks: a page must not say it otherwise.
  ...["origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user"],
]);

export function subRequest(
  { method, headers: own, body }: BatchItem,
  url: string,
  { request, headers: inherited, signal }: Inheritance,
  partOf: object,
): HttpRequest {
  let bytes: Uint8Array | undefined;
  const encoded = (): Uint8Array => {
    bytes ??= body === undefined ? empty : encoder.encode(JSON.stringify(body));
    return bytes;
  };
  const headers = withOwn(inherited, own);
  return {
    method,
    url,
    origin: request.origin,
    header: (name) => (name === "content-length" ? String(encoded().length) : headers[name]),
    headers: () => ({ ...headers, "content-length": String(encoded().length) }),
    body: async (limit) => {
      const content = encoded();
      if (content.length > limit) throw new ServiceError("body-too-large");
      return content;
    },
    peer: request.peer,
    signal,
    partOf,
  };
}

function withOwn(
  inherited: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const settable = Object.entries(own).filter(([name]) => !notSettable.has(name));
  return settable.length === 0 ? inherited : bare({ ...inherited, ...Object.fromEntries(settable) });
}

/** What an authentication policy may look at beside the headers of the batch; equal texts stand for equal callers. */
export function credentialsOf({ method, headers }: BatchItem, url: string): string {
  const own = Object.entries(headers).filter(([name]) => !saysNothing.has(name) && !notSettable.has(name));
  const question = url.indexOf("?");
  if (own.length === 0 && question === -1) return "";
  return JSON.stringify([method, question === -1 ? "" : url.slice(question), own.sort(byName)]);
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Headers that say nothing about who calls. */
const saysNothing: ReadonlySet<string> = new Set([
  ...["accept", "accept-language", "content-type", "if-match", "if-none-match", "response-behavior", "idempotency-key"],
]);

/** As a URL has it: what a client wrote in plain letters is percent-encoded. */
export function encodedPath(path: string): string {
  return path.replaceAll(/[^!-~]+/g, encodeURIComponent);
}

const encoder = new TextEncoder();
const empty = new Uint8Array();
