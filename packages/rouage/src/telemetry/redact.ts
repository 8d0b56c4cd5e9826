/** Hides secrets and personal data in log fields by the names of their keys, wherever they are nested. */
import { errorFields, scrub } from "./scrub.ts";

const hidden = "[redacted]";

/** Compared in lower case without `-` and `_`. A key also counts when it ends with one of the suffixes below. */
const secretKeys = new Set([
  "authorization",
  "proxyauthorization",
  "cookie",
  "setcookie",
  "password",
  "passwd",
  "passphrase",
  "token",
  "secret",
  "apikey",
  "privatekey",
  "otp",
  "totp",
  "csrf",
  "phone",
  "phonenumber",
  "email",
  "mail",
]);
const secretSuffixes = ["password", "token", "secret", "phone", "email"];

const maximumDepth = 6;

/** The fields, with every secret replaced; the same object when there was none. Errors become what may be shown of them. */
export function redact<T extends object>(fields: T): T {
  return walk(fields, 0) as T;
}

function walk(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    if (depth >= maximumDepth) return "[deep]";
    let copy: unknown[] | undefined;
    for (let index = 0; index < value.length; index++) {
      const walked = walk(value[index], depth + 1);
      if (walked === value[index]) continue;
      copy ??= [...value];
      copy[index] = walked;
    }
    return copy ?? value;
  }
  if (value instanceof Error) return errorFields(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof URL) return `${value.protocol}//${value.host}${value.pathname}`;
  // What knows how it is written (dates) is written so; of other instances the properties are looked at.
  if ("toJSON" in value) return value;
  if (depth >= maximumDepth) return "[deep]";

  let copy: Record<string, unknown> | undefined;
  for (const [key, item] of Object.entries(value)) {
    const walked = isSecret(key, item) ? hidden : depth === 0 && isFailure(key) ? failure(item) : walk(item, depth + 1);
    if (walked === item) continue;
    copy ??= { ...value };
    copy[key] = walked;
  }
  return copy ?? value;
}

function isFailure(key: string): boolean {
  return key === "err" || key === "error";
}

/** What was caught: nearly always an Error, but anything can be thrown, an input for example. */
function failure(thrown: unknown): unknown {
  if (thrown instanceof Error) return errorFields(thrown);
  if (typeof thrown === "string") return scrub(thrown);
  if (typeof thrown !== "object" || thrown === null) return thrown;
  return { type: thrown.constructor?.name ?? "object", message: "thrown without being an Error" };
}

const known = new Map<string, boolean>();

function isSecret(key: string, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === "boolean") return false;
  if (key === "code") return isOneTimeCode(value);
  let answer = known.get(key);
  if (answer === undefined) {
    const name = key.toLowerCase().replaceAll(/[-_]/g, "");
    answer = secretKeys.has(name) || secretSuffixes.some((suffix) => name.endsWith(suffix));
    // Keys come from code, but a logged document may bring its own: the cache stays small.
    if (known.size < 1000) known.set(key, answer);
  }
  return answer;
}

/** `code` is also the name of HTTP statuses (404) and system errors (`ECONNRESET`); those are no secrets. */
function isOneTimeCode(value: unknown): boolean {
  if (typeof value === "number") return value < 100 || value > 599;
  return typeof value === "string" && /\d/.test(value);
}
