/** Correlation of a request: its id (kept or made) and the W3C trace it belongs to. */
import { randomId } from "../../ids.ts";
import { parseTraceparent } from "../../operations/trace.ts";

const wellFormedId = /^[A-Za-z0-9][A-Za-z0-9._~+/=:-]{0,127}$/;

/** The caller's `X-Request-ID` when it is well-formed, otherwise a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && wellFormedId.test(header) ? header : randomId();
}

/** Trace id of a `traceparent` header; undefined when absent or invalid. */
export function traceIdOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : parseTraceparent(header)?.traceId;
}
