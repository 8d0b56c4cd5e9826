/** Signatures over the audit's roots and spool lines, with the keys of one purpose from the key ring. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify, type webcrypto } from "node:crypto";
import type { JsonWebKeySet, SigningKeys } from "rouage/auth";
import { canonical } from "./canonical.ts";

export interface Signed {
  readonly kid: string;
  /** base64url. */
  readonly signature: string;
}

export type AuditSigner = <T extends object>(value: T) => T & Signed;
export type AuditVerifier = (value: object & Partial<Signed>) => boolean;

/** Signs the canonical JSON of a value together with the key's id. */
export function auditSigner(keys: SigningKeys): AuditSigner {
  let cached: { readonly kid: string; readonly key: KeyObject } | undefined;
  return (value) => {
    const { kid, jwk } = keys.active();
    if (cached?.kid !== kid)
      cached = { kid, key: createPrivateKey({ key: jwk as webcrypto.JsonWebKey, format: "jwk" }) };
    const text = Buffer.from(canonical({ ...value, kid }));
    const signature = sign(hashName(cached.key), text, { key: cached.key, dsaEncoding: "ieee-p1363" });
    return { ...value, kid, signature: signature.toString("base64url") };
  };
}

/** Checks such signatures; anything unreadable is simply not right. */
export function auditVerifier(keys: JsonWebKeySet): AuditVerifier {
  const known = new Map(
    keys.keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: "jwk" })] as const),
  );
  return ({ signature, ...value }) => {
    const key = known.get(value.kid ?? "");
    if (key === undefined || typeof signature !== "string") return false;
    const text = Buffer.from(canonical(value));
    return verify(hashName(key), text, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
  };
}

/** Ed25519 hashes by itself. */
function hashName(key: KeyObject): string | null {
  return key.asymmetricKeyType === "ed25519" ? null : "sha256";
}
