/** What is left of an answer's body for HEAD. */
import type { Answer } from "./exchange.ts";

/** What HEAD leaves of a body: its length (RFC 9110 §9.3.2). */
export function withoutBody(headers: Record<string, string | readonly string[]>, body: Answer["body"]): void {
  if (typeof body === "string") headers["content-length"] = String(encoder.encode(body).length);
  else if (body instanceof Uint8Array) headers["content-length"] = String(body.byteLength);
  else body?.cancel().catch(() => {});
}

const encoder = new TextEncoder();
