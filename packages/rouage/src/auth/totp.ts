/** One-time codes (RFC 6238: SHA-1, 6 digits, 30 s, what every authenticator app understands) and recovery codes. Stores nothing. */
import { randomInt } from "node:crypto";
import { Secret, TOTP } from "otpauth";
import { hashSecret } from "./secrets.ts";

export interface TotpEnrolment {
  /** Base32, for typing. */
  readonly secret: string;
  /** `otpauth://` URI, for the QR code. */
  readonly uri: string;
}

const period = 30;

/** A new secret for `label` (what the app shows beside the issuer's name). */
export function enrolTotp(issuer: string, label: string): TotpEnrolment {
  const totp = new TOTP({ issuer, label, secret: new Secret({ size: 20 }), period, digits: 6 });
  return { secret: totp.secret.base32, uri: totp.toString() };
}

/**
 * The step a code belongs to when it is valid now, or one step earlier or later; undefined otherwise. A step at or before `lastStep` is
 * refused: the caller stores the step of each accepted code, so that none is accepted twice (RFC 6238 §5.2).
 */
export function verifyTotp(secret: string, code: string, now: number, lastStep = -1): number | undefined {
  if (!/^\d{6}$/.test(code)) return undefined;
  const delta = TOTP.validate({ token: code, secret: Secret.fromBase32(secret), period, timestamp: now, window: 1 });
  if (delta === null) return undefined;
  const step = TOTP.counter({ period, timestamp: now }) + delta;
  return step > lastStep ? step : undefined;
}

/** The code of a moment, for tests and demonstrations. */
export function totpCode(secret: string, now: number): string {
  return TOTP.generate({ secret: Secret.fromBase32(secret), period, timestamp: now });
}

// Crockford's alphabet: nothing that is read wrongly from paper.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** Codes to print, 80 bits each, as `xxxx-xxxx-xxxx-xxxx`; store only their hashes. */
export function recoveryCodes(count = 10): readonly string[] {
  return Array.from({ length: count }, () =>
    Array.from({ length: 4 }, () => Array.from({ length: 4 }, () => alphabet[randomInt(32)]).join("")).join("-"),
  );
}

/** What is stored of a recovery code; forgiving about case, spaces, dashes and look-alike letters. */
export function hashRecoveryCode(code: string): string {
  const plain = code.toLowerCase().replaceAll(/[\s-]/g, "").replaceAll("o", "0").replaceAll(/[il]/g, "1");
  return hashSecret(`recovery:${plain}`);
}

/** The hashes that remain when this code is used; undefined when it is none of them. */
export function useRecoveryCode(hashes: readonly string[], code: string): readonly string[] | undefined {
  const hash = hashRecoveryCode(code);
  return hashes.includes(hash) ? hashes.filter((candidate) => candidate !== hash) : undefined;
}
