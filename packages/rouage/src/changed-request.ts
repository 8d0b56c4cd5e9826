/** A request passed on with something else in it. */
import { ServiceError } from "./errors.ts";
import type { HttpRequest } from "./http.ts";

export interface RequestChanges {
  readonly method?: string;
  /** Path and query, starting with `/`. */
  readonly url?: string;
  /** By lower-case name; undefined takes a header away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Instead of the body, which may have been read. */
  readonly body?: Uint8Array;
}

/**
 * The same request with these changes; everything else is the original's, and asked of it when it is asked for.
 * @example intercept: () => (request, next) => next(changedRequest(request, { url: request.url.replace("/mine", "/cats") }))
 */
export function changedRequest(request: HttpRequest, changes: RequestChanges): HttpRequest {
  const { method = request.method, url = request.url, headers, body } = changes;
  const { origin, partOf } = request;
  const abort = request.abort === undefined ? undefined : (reason: unknown) => request.abort?.(reason);
  return {
    method,
    url,
    origin,
    header: (name) => (headers !== undefined && Object.hasOwn(headers, name) ? headers[name] : request.header(name)),
    headers: () => (headers === undefined ? request.headers() : withHeaders(request.headers(), headers)),
    async body(limit) {
      if (body === undefined) return request.body(limit);
      if (body.length > limit) throw new ServiceError("body-too-large");
      return body;
    },
    // Bound: the adapter's is a method.
    ...(request.stream !== undefined && body === undefined && { stream: request.stream.bind(request) }),
    get peer() {
      return request.peer;
    },
    get signal() {
      return request.signal;
    },
    get ended() {
      return request.ended ?? request.signal.aborted;
    },
    ...(abort !== undefined && { abort }),
    ...(partOf !== undefined && { partOf }),
  };
}

function withHeaders(all: Readonly<Record<string, string>>, changes: Readonly<Record<string, string | undefined>>) {
  const changed: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...all, ...changes })) if (value !== undefined) changed[name] = value;
  return changed;
}
