/** A call between services as the plain request that the other one's door takes: a web `Request` and its `Response` would cost several times the call. */
import { type HttpBody, type HttpRequest, ServiceError } from "rouage";

export interface CallRequestParts {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

export function callRequest({ method, url, headers, body, signal }: CallRequestParts): HttpRequest {
  const bytes = body === undefined ? empty : encoder.encode(body);
  const sent = new Map(Object.entries(headers));
  if (body !== undefined) sent.set("content-length", String(bytes.length));
  return {
    method,
    url: url.pathname + url.search,
    origin: url.origin,
    header: (name) => sent.get(name),
    headers: () => Object.fromEntries(sent),
    body: (limit) =>
      bytes.length > limit ? Promise.reject(new ServiceError("body-too-large")) : Promise.resolve(bytes),
    peer: undefined,
    signal,
  };
}

/** The text of an answer. */
export async function textOf(body: HttpBody): Promise<string> {
  if (body === undefined || typeof body === "string") return body ?? "";
  if (body instanceof Uint8Array) return decoder.decode(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return decoder.decode(Buffer.concat(chunks));
}

const empty = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder();
