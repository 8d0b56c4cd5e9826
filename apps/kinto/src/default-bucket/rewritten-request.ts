/** A request under another URL, whose body names the bucket by its real id. */
import type { HttpRequest } from "rouage";

/** @param id what `data.id` "default" of a body means; undefined: bodies stay as they are */
export function withRewrittenId(request: HttpRequest, url: string, id: string | undefined): HttpRequest {
  return {
    method: request.method,
    url,
    origin: request.origin,
    header: (name) => request.header(name),
    headers: () => request.headers(),
    body: async (limit) => {
      const bytes = await request.body(limit);
      return id === undefined ? bytes : rewrittenBody(bytes, id);
    },
    peer: request.peer,
    get signal() {
      return request.signal;
    },
    ...(request.abort !== undefined && { abort: (reason: unknown) => request.abort?.(reason) }),
  };
}

function rewrittenBody(bytes: Uint8Array, id: string): Uint8Array {
  const text = Buffer.from(bytes).toString("utf8");
  if (!text.includes('"default"')) return bytes;
  try {
    const body = JSON.parse(text);
    if (body?.data?.id !== "default") return bytes;
    body.data.id = id;
    return new Uint8Array(Buffer.from(JSON.stringify(body)));
  } catch {
    // Not JSON: whoever reads it says so.
    return bytes;
  }
}
