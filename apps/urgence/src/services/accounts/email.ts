/** E-mail addresses: what is accepted, the one form that is stored, and the keyed hash they are found by. */
import { domainToASCII } from "node:url";
import { keyedHash } from "rouage/auth";

// The HTML standard's pattern, with at least one dot in the domain. No quoting, no comments, no line breaks.
const local = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}$/;
const domain = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** The address trimmed, its domain in lower case and ASCII, its local part as typed; undefined when it is none. */
export function parseEmail(typed: string): string | undefined {
  const trimmed = typed.trim();
  const at = trimmed.lastIndexOf("@");
  const host = domainToASCII(trimmed.slice(at + 1)).toLowerCase();
  const email = `${trimmed.slice(0, Math.max(at, 0))}@${host}`;
  if (email.length > 254 || !local.test(trimmed.slice(0, Math.max(at, 0))) || !domain.test(host)) return undefined;
  return email;
}

/** Finds the account of an address however its case is typed. What is no address hashes too, and is nobody's. */
export function emailHash(key: Uint8Array, typed: string): string {
  return keyedHash(key, `email\n${(parseEmail(typed) ?? typed.trim()).toLowerCase()}`);
}
