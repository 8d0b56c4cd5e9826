/** Random secrets and what a store keeps of them: a hash. For secrets of full entropy only; passwords go through `passwords.ts`. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** `bytes` random bytes as base64url. */
export function randomSecret(bytes = 32): string {
  return randomBytes(bytes).toString("base64url");
}

/** SHA-256 as base64url: enough for a secret that cannot be guessed. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** HMAC-SHA-256 as base64url. */
export function keyedHash(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text).digest("base64url");
}

/** Compares in a time that does not depend on where the texts differ. */
export function equalText(a: string, b: string): boolean {
  const left = createHash("sha256").update(a).digest();
  const right = createHash("sha256").update(b).digest();
  return timingSafeEqual(left, right);
}

/** An opaque token that says where its record is: `subject.id.secret[.secret]`, each part base64url. */
export function packToken(subject: string, id: string, ...secrets: readonly string[]): string {
  return [encode(subject), encode(id), ...secrets].join(".");
}

/** The parts of a packed token, or undefined when it is none. */
export function unpackToken(
  token: string,
  secrets: number,
): { readonly subject: string; readonly id: string; readonly secrets: readonly string[] } | undefined {
  if (token.length > 1024 || !/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$/.test(token)) return undefined;
  const [subject, id, ...rest] = token.split(".");
  if (subject === undefined || id === undefined || rest.length !== secrets) return undefined;
  const decoded = { subject: decode(subject), id: decode(id), secrets: rest };
  // One spelling of a token only: base64url decoders ignore stray bits.
  return encode(decoded.subject) === subject && encode(decoded.id) === id ? decoded : undefined;
}

function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}

function decode(text: string): string {
  return Buffer.from(text, "base64url").toString("utf8");
}
