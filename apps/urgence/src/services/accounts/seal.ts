/** Seals a small secret that has to be read again (AES-256-GCM), bound to where it is stored. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { SecretKeys } from "rouage/auth";

export function seal(keys: SecretKeys, text: string, context: string): string {
  const { id, key } = keys.active();
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `${id}.${sealed.toString("base64url")}`;
}

/** @throws Error when the text was sealed for another place, with another key, or was changed */
export function unseal(keys: SecretKeys, sealed: string, context: string): string {
  const dot = sealed.indexOf(".");
  const key = keys.find(sealed.slice(0, dot));
  if (key === undefined) throw new Error("the key of a sealed secret is gone");
  const bytes = Buffer.from(sealed.slice(dot + 1), "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12)).setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(-16));
  return decipher.update(bytes.subarray(12, -16), undefined, "utf8") + decipher.final("utf8");
}
