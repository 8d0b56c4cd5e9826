/** The optional signature of AML messages: a shared secret proves that a message comes from the network, not from anybody. */
import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * Two forms are known. The header `x-aml-signature` carries the hex HMAC-SHA-256 of the whole body (optionally after `sha256=`). The
 * HTTPS form's own last field `hmac` carries the hex HMAC-SHA-1 of everything before `&hmac=`, as handsets send it.
 */
export function signatureState(
  body: string,
  header: string | undefined,
  secret: string,
): "right" | "wrong" | "missing" {
  if (header !== undefined)
    return same(header.trim().replace(/^sha256=/i, ""), createHmac("sha256", secret).update(body)) ? "right" : "wrong";
  const at = body.lastIndexOf("&hmac=");
  if (at < 0) return "missing";
  const given = body.slice(at + "&hmac=".length).trim();
  return same(given, createHmac("sha1", secret).update(body.slice(0, at))) ? "right" : "wrong";
}

function same(given: string, computed: ReturnType<typeof createHmac>): boolean {
  const expected = computed.digest();
  const bytes = /^[0-9a-f]+$/i.test(given) ? Buffer.from(given, "hex") : Buffer.alloc(0);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}
