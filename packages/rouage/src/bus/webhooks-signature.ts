/** Signatures of webhooks as https://www.standardwebhooks.com has them: HMAC-SHA256 over id, time and body, one for each secret. */
import { createHmac } from "node:crypto";

const form = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

/**
 * The key of a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`; undefined when it is none (24 to 64 bytes in Base64 behind `whsec_`).
 */
export function keyOfSecret(secret: string): Buffer | undefined {
  const key = Buffer.from(form.exec(secret)?.[1] ?? "", "base64");
  return key.length >= 24 && key.length <= 64 ? key : undefined;
}

/** Value of the header `webhook-signature`. `seconds` is that of `webhook-timestamp`. */
export function signatureOf(keys: readonly Buffer[], id: string, seconds: number, body: string): string {
  return keys
    .map((key) => `v1,${createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64")}`)
    .join(" ");
}
