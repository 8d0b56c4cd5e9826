/**
 * Requests and responses as plain values. The REST face works on these, so that the Node.js adapter need not build web
 * objects per request; `Service.fetch` translates to and from the web standard.
 */

export interface HttpRequest {
  /** Upper case. */
  readonly method: string;
  /** Path and query as received, starting with `/`. */
  readonly url: string;
  /** Absolute origin of the request, `http://host:port`, for links. */
  readonly origin: string;
  /** A header's value by lower-case name; several values joined with `, `. */
  header(name: string): string | undefined;
  /** All headers, lower-case names. */
  headers(): Readonly<Record<string, string>>;
  /** The whole body; throws `body-too-large` as soon as more than `limit` bytes arrived. Callable once. */
  body(limit: number): Promise<Uint8Array>;
  /**
   * The body as it arrives, instead of `body`, for what must not be held whole: fails with `body-too-large` as soon as more than `limit` bytes
   * arrived. Absent: it is there whole already. `bodyStream` asks for either.
   */
  stream?(limit: number): ReadableStream<Uint8Array>;
  /** Address of the peer, when known. */
  readonly peer: string | undefined;
  /** Aborts when the client goes away or the deadline passes. */
  readonly signal: AbortSignal;
  /** Whether `signal` is aborted, without making it: a signal costs more than most of what asks for it. Absent: only `signal` tells. */
  readonly ended?: boolean;
  /** Aborts `signal`. Absent: others own it, and who has to end the request makes a signal of its own. */
  abort?(reason: unknown): void;
  /** The batch that this request is part of, for the face that made it; absent for all others. Whoever passes a request on keeps it. */
  readonly partOf?: object;
}

export type HttpBody = string | Uint8Array | ReadableStream<Uint8Array> | undefined;

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. An array gives the header several times (`set-cookie`). */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: HttpBody;
}

/**
 * The body of a request, piece by piece; whole in one piece where somebody has read it already. Callable once, instead of `body`.
 * @example for await (const bytes of bodyStream(request, 1_000_000)) hash.update(bytes);
 */
export function bodyStream(request: HttpRequest, limit: number): ReadableStream<Uint8Array> {
  if (request.stream !== undefined) return request.stream(limit);
  return new ReadableStream({
    async start(controller) {
      const bytes = await request.body(limit);
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
