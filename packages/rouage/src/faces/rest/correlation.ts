/** Correlation of a request: its id (kept or made) and the W3C trace it belongs to. */

const wellFormedId = /^[A-Za-z0-9][A-Za-z0-9._~+/=:-]{0,127}$/;

/** The caller's `X-Request-ID` when it is well-formed, otherwise a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && wellFormedId.test(header) ? header : crypto.randomUUID();
}

const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Trace id of a `traceparent` header (W3C Trace Context §3.2); undefined when absent or invalid. */
export function traceIdOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const match = traceparent.exec(header);
  if (match === null) return undefined;
  const [, version, traceId, parentId, , rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (traceId === "0".repeat(32) || parentId === "0".repeat(16)) return undefined;
  return traceId;
}
