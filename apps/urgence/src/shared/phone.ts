/** Phone numbers in one form, and the keyed hash they are looked up by. Numbers themselves never appear in URLs, logs or events. */
import { createHmac } from "node:crypto";
import type { CountryCode } from "libphonenumber-js";
import { phoneLibrary } from "./phone-library.ts";

/**
 * The E.164 form (`+33612345678`) of a number as typed, or undefined when it is none. Length and country are checked, not the list of
 * assigned ranges: it is always older than the newest numbers, and lacks those set aside for examples.
 */
export function toE164(typed: string, country: string): string | undefined {
  if (typed.length > 40) return undefined;
  const defaultCountry = isCountry(country) ? { defaultCountry: country } : {};
  const number = phoneLibrary().parsePhoneNumberFromString(typed, { ...defaultCountry, extract: false });
  return number?.isPossible() === true && number.ext === undefined ? number.number : undefined;
}

/** HMAC-SHA-256 of an E.164 number, as base64url: who has the store but not the key can't try all numbers. */
export function phoneHash(key: Uint8Array, e164: string): string {
  return createHmac("sha256", key).update(`phone\n${e164}`).digest("base64url");
}

function isCountry(code: string): code is CountryCode {
  return phoneLibrary().isSupportedCountry(code);
}
