/** A request under another URL, whose body names the bucket by its real id. */
import { changedRequest, type HttpRequest } from "rouage";

export interface Rewriting {
  readonly url: string;
  /** What `data.id` "default" of the body means; undefined: it means itself. */
  readonly id: string | undefined;
  /** Largest body that is read here. Undefined: whoever is given the request reads it. */
  readonly bodyLimit: number | undefined;
}

/**
 * Reads the body where it has to be looked at, or has to be there before something begins that must not wait for its sender.
 * @throws ServiceError `body-too-large`
 */
export async function withRewrittenId(request: HttpRequest, { url, id, bodyLimit }: Rewriting): Promise<HttpRequest> {
  if (bodyLimit === undefined || request.method === "GET" || request.method === "HEAD")
    return changedRequest(request, { url });
  const bytes = await request.body(bodyLimit);
  return changedRequest(request, { url, body: id === undefined ? bytes : rewrittenBody(bytes, id) });
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
