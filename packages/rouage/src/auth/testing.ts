/** For tests of authentication policies: requests as plain values, and metrics that go nowhere. */
import type { HttpRequest } from "../http.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export interface TestRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly peer?: string;
  readonly signal?: AbortSignal;
}

/** A GET; header names in lower case. */
export function authRequest({ headers = {}, url = "/", peer = "127.0.0.1", signal }: TestRequest = {}): HttpRequest {
  return {
    method: "GET",
    url,
    origin: "http://localhost:8888",
    header: (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined),
    headers: () => headers,
    body: async () => new Uint8Array(),
    peer,
    signal: signal ?? new AbortController().signal,
  };
}

export const uncounted: Pick<Metrics, "counter"> = { counter: () => ({ add() {} }) };
