/**
 * Answers kept for the repetition of a request. Each is encrypted with what only the request's sender knows, its key: who reads the
 * store, a backup or a log cannot read the answers in it, and they are gone for good as soon as nobody has the keys.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { HttpRequest } from "../../http.ts";

export type KeptAnswer = { readonly fingerprint: string } & (
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: Readonly<Record<string, string | readonly string[]>>;
      readonly body: string | Uint8Array | undefined;
    }
  /** The request was done; its answer was none to keep. */
  | { readonly kind: "too-large" }
);

/** Where an answer is kept, and what it is encrypted with; neither tells the other. */
export interface Locked {
  readonly id: string;
  readonly secret: Uint8Array;
}

/** @param scope caller, method, path and key of the request */
export function lockFor(scope: readonly string[]): Locked {
  const text = JSON.stringify(scope);
  return { id: hash("id", text).digest("hex"), secret: hash("secret", text).digest() };
}

/** Equal for requests that ask for the same. */
export function fingerprintOf(request: HttpRequest, search: string, body: Uint8Array): string {
  const asked = ["content-type", "response-behavior", "if-match", "if-none-match"].map(
    (name) => request.header(name) ?? null,
  );
  return hash("fingerprint", JSON.stringify([search, ...asked]))
    .update(body)
    .digest("base64");
}

function hash(purpose: string, text: string) {
  return createHash("sha256").update(`idempotency ${purpose}\n${text}\n`);
}

const algorithm = "aes-256-gcm";
const nonceLength = 12;
const tagLength = 16;

export function seal({ secret }: Locked, kept: KeptAnswer): string {
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv(algorithm, secret, nonce);
  const binary =
    kept.kind === "answer" && kept.body instanceof Uint8Array ? { body: base64(kept.body), binary: true } : {};
  const text = JSON.stringify({ ...kept, ...binary });
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

/** @throws Error when it was not sealed with this lock */
export function open({ secret }: Locked, sealed: string): KeptAnswer {
  const bytes = Buffer.from(sealed, "base64");
  const decipher = createDecipheriv(algorithm, secret, bytes.subarray(0, nonceLength));
  decipher.setAuthTag(bytes.subarray(-tagLength));
  const text = decipher.update(bytes.subarray(nonceLength, -tagLength), undefined, "utf8") + decipher.final("utf8");
  const { binary, ...kept } = JSON.parse(text);
  return binary === true ? { ...kept, body: new Uint8Array(Buffer.from(kept.body, "base64")) } : kept;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
