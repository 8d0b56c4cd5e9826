/**
 * Tokens of cards. The store finds a card by a keyed hash of its token and shows the token to its owner again from a
 * sealed copy (AES-256-GCM, bound to the person): who has the store but not the key can open no card.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

export interface CardTokens {
  /** 144 random bits as 24 characters of base64url. */
  make(): string;
  hash(token: string): string;
  seal(token: string, person: string): string;
  /** undefined when it was sealed for another person, with another key, or was changed. */
  unseal(sealed: string, person: string): string | undefined;
}

/** What a token looks like; anything else is not looked up. */
export const tokenPattern = /^[A-Za-z0-9_-]{24}$/;

/** @param secret at least 32 bytes; both keys are derived from it (HKDF-SHA-256, RFC 5869) */
export function cardTokens(secret: Uint8Array): CardTokens {
  if (secret.byteLength < 32) throw new RangeError("the card key needs at least 32 bytes");
  const derive = (purpose: string) => Buffer.from(hkdfSync("sha256", secret, "urgence-cards", purpose, 32));
  const [lookupKey, sealKey] = [derive("lookup"), derive("seal")];
  return {
    make: () => randomBytes(18).toString("base64url"),
    hash: (token) => createHmac("sha256", lookupKey).update(token).digest("hex"),
    seal(token, person) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", sealKey, nonce).setAAD(Buffer.from(person));
      const sealed = [nonce, cipher.update(token, "utf8"), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(sealed).toString("base64url");
    },
    unseal(sealed, person) {
      const bytes = Buffer.from(sealed, "base64url");
      if (bytes.length < 28) return undefined;
      try {
        const decipher = createDecipheriv("aes-256-gcm", sealKey, bytes.subarray(0, 12)).setAAD(Buffer.from(person));
        decipher.setAuthTag(bytes.subarray(-16));
        return decipher.update(bytes.subarray(12, -16), undefined, "utf8") + decipher.final("utf8");
      } catch {
        return undefined;
      }
    },
  };
}
