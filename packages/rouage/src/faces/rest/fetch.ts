/** The face behind the web standard: `Request` in, `Response` out. Headers and body are translated when asked for. */
import { invalid, ServiceError } from "../../errors.ts";
import type { HttpRequest, HttpResponse } from "../../http.ts";
import type { Answer } from "./exchange.ts";

/** @example const fetch = toFetch(face.handle); await fetch(new Request("http://local/v1/kittens")) */
export function toFetch(
  handle: (request: HttpRequest) => Promise<HttpResponse>,
): (request: Request) => Promise<Response> {
  return async (request) => toWebResponse(await handle(fromWebRequest(request)));
}

export function fromWebRequest(request: Request): HttpRequest {
  const { origin, pathname, search } = new URL(request.url);
  return {
    method: request.method,
    url: pathname + search,
    origin,
    header: (name) => request.headers.get(name) ?? undefined,
    headers: () => Object.fromEntries(request.headers),
    body: (limit) => readAll(request.body, limit),
    stream: (limit) => limited(request.body, limit),
    peer: undefined,
    signal: request.signal,
  };
}

export function toWebResponse({ status, headers, body }: HttpResponse): Response {
  const list = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string") list.set(name, value);
    else for (const each of value) list.append(name, each);
  }
  // These statuses have no body, and Response insists on it (Fetch §2.2.3).
  const content = status === 204 || status === 205 || status === 304 ? null : (body ?? null);
  return new Response(content as ConstructorParameters<typeof Response>[0], { status, headers: list });
}

/** @throws TypeError when the response is none that can be sent, such as `Response.error()` */
export function fromWebResponse(response: Response): Answer {
  if (response.status < 200) throw new TypeError(`status ${response.status} cannot be sent`);
  const headers: Record<string, string | readonly string[]> = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  return response.body === null
    ? { status: response.status, headers }
    : { status: response.status, headers, body: response.body };
}

async function readAll(stream: ReadableStream<Uint8Array> | null, limit: number): Promise<Uint8Array> {
  if (stream === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += chunk.byteLength;
      if (size > limit) throw new ServiceError("body-too-large");
      chunks.push(chunk);
    }
  } catch (error) {
    throw ServiceError.is(error) ? error : cut();
  }
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/** The same bytes, and an error behind the last that is allowed. */
function limited(stream: ReadableStream<Uint8Array> | null, limit: number): ReadableStream<Uint8Array> {
  const reader = stream?.getReader();
  let size = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await reader?.read().catch(() => Promise.reject(cut()));
        if (next === undefined || next.done) return controller.close();
        size += next.value.byteLength;
        if (size <= limit) return controller.enqueue(next.value);
        const tooLarge = new ServiceError("body-too-large");
        void reader?.cancel(tooLarge).catch(() => {});
        throw tooLarge;
      },
      cancel: (reason) => reader?.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function cut(): ServiceError {
  return invalid({
    location: "body",
    name: null,
    description: "The request ended before its body was complete",
    code: "incomplete",
  });
}
