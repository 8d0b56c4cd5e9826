/**
 * Passwords: argon2id (RFC 9106) over a peppered HMAC, stored as a PHC string; bcrypt hashes of imported users are verified. Hashing runs off the event loop and is bounded,
 * so that a flood of sign-ins is refused instead of eating memory. Knows nothing of accounts.
 */
import { argon2, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import type { ErrorCode } from "../errors.ts";
import { ServiceError } from "../errors.ts";
import { isBcrypt, verifyBcrypt } from "./bcrypt.ts";
import { commonPasswords } from "./common-passwords.ts";

/** Secrets mixed into every hash and kept apart from the hashes, so that a stolen store alone cannot be attacked. */
export interface PepperKeys {
  /** The one used for new hashes. */
  active(): { readonly id: string; readonly key: Uint8Array };
  /** One by the id found in a stored hash; undefined: lost or retired, the hash can't be verified any more. */
  find(id: string): Uint8Array | undefined;
}

export interface PasswordOptions {
  readonly pepper: PepperKeys;
  /** Memory of one hash in KiB. Default 19456 (OWASP's first choice). */
  readonly memory?: number;
  /** Default 2. */
  readonly passes?: number;
  /** Default 1. */
  readonly parallelism?: number;
  /** Hashes computed at the same time. Default: the number of cores, at most 3 of libuv's four threads. */
  readonly concurrency?: number;
  /** Hashes waiting beside those; more are refused with `too-many-requests`. Default 64. */
  readonly queue?: number;
  /** Shortest and longest password in UTF-8 bytes. Default 8 and 1024. */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Passwords never accepted, in lower case without separators. Default: a short list of common ones. */
  readonly blocklist?: ReadonlySet<string>;
  /** For tests: the hash function itself. */
  readonly derive?: Derive;
}

export interface DeriveParameters {
  readonly nonce: Uint8Array;
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly tagLength: number;
}

export type Derive = (message: Uint8Array, parameters: DeriveParameters) => Promise<Uint8Array>;

/** Why a new password is refused. */
export interface PasswordFault {
  /** Kebab-case, for `Violation.code`. */
  readonly code: "min-length" | "max-length" | "common-password" | "contains-account-name" | "not-text";
  readonly description: string;
}

export interface Passwords {
  /** What is wrong with a new password, or undefined. `names`: account name, e-mail address … it must not contain. */
  fault(password: string, names?: readonly string[]): PasswordFault | undefined;
  /** PHC string of a new password. @throws ServiceError too-many-requests when too many wait */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /**
   * Whether the password is the hashed one. Without a hash (unknown user) it does the same work on a dummy and answers false. Never
   * checks the password's format. A bcrypt hash is verified as it is, without pepper. @throws ServiceError too-many-requests
   */
  verify(password: string, hash: string | undefined, signal?: AbortSignal): Promise<boolean>;
  /** True when the hash was made in another way than new hashes are: other parameters, another pepper, bcrypt. */
  needsRehash(hash: string): boolean;
}

export function passwords(options: PasswordOptions): Passwords {
  const { pepper, memory = 19_456, passes = 2, parallelism = 1, minLength = 8, maxLength = 1024 } = options;
  const { blocklist = commonPasswords, derive = argon2id } = options;
  const run = bounded(options.concurrency ?? Math.min(availableParallelism(), 3), options.queue ?? 64);
  const dummySalt = randomBytes(16);

  const derived = (password: string, key: Uint8Array, cost: Cost, salt: Uint8Array, tagLength: number) =>
    derive(createHmac("sha256", key).update(normalise(password)).digest(), { ...cost, nonce: salt, tagLength });
  const cost: Cost = { memory, passes, parallelism };

  return {
    fault(password, names = []) {
      if (!password.isWellFormed()) return { code: "not-text", description: "must be well-formed Unicode text" };
      const bytes = Buffer.byteLength(normalise(password));
      if (bytes < minLength) return { code: "min-length", description: `must have at least ${minLength} bytes` };
      if (bytes > maxLength) return { code: "max-length", description: `must have at most ${maxLength} bytes` };
      const plain = reduce(password);
      if (isCommon(plain, blocklist))
        return { code: "common-password", description: "is among the passwords that are tried first" };
      if (names.some((name) => nameParts(name).some((part) => plain.includes(part))))
        return { code: "contains-account-name", description: "must not contain the account's name" };
      return undefined;
    },

    hash: (password, signal) =>
      run(signal, async () => {
        const { id, key } = pepper.active();
        const salt = randomBytes(16);
        return renderPhc({ ...cost, keyId: id, salt, tag: await derived(password, key, cost, salt, 32) });
      }),

    verify: (password, hash, signal) =>
      run(signal, async () => {
        if (hash !== undefined && isBcrypt(hash)) return verifyBcrypt(password, hash);
        const stored = hash === undefined ? undefined : parsePhc(hash);
        const key = stored === undefined ? undefined : pepper.find(stored.keyId);
        if (stored === undefined || key === undefined) {
          await derived(password, pepper.active().key, cost, dummySalt, 32);
          return false;
        }
        const tag = await derived(password, key, stored, stored.salt, stored.tag.length);
        return timingSafeEqual(tag, stored.tag);
      }),

    needsRehash(hash) {
      const stored = parsePhc(hash);
      return (
        stored === undefined ||
        stored.memory !== memory ||
        stored.passes !== passes ||
        stored.parallelism !== parallelism ||
        stored.keyId !== pepper.active().id
      );
    },
  };
}

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

interface Phc extends Cost {
  readonly keyId: string;
  readonly salt: Uint8Array;
  readonly tag: Uint8Array;
}

// PHC string format; `keyid` is its parameter for exactly this use.
const phcPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3}),keyid=([A-Za-z0-9+/]{1,64})\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{16,86})$/;

function renderPhc({ memory, passes, parallelism, keyId, salt, tag }: Phc): string {
  const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism},keyid=${encode(Buffer.from(keyId))}$${encode(salt)}$${encode(tag)}`;
}

function parsePhc(text: string): Phc | undefined {
  const match = phcPattern.exec(text);
  if (match === null) return undefined;
  const [, memory = "", passes = "", parallelism = "", keyId = "", salt = "", tag = ""] = match;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    keyId: Buffer.from(keyId, "base64").toString(),
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}

/** NFKC, so that the same password typed on another keyboard has the same bytes (NIST SP 800-63B, 3.1.1.2). */
function normalise(password: string): string {
  return password.normalize("NFKC");
}

function reduce(text: string): string {
  return normalise(text)
    .toLowerCase()
    .replaceAll(/[\s._-]+/g, "");
}

/** What is on the list, also where it was made longer as people do it: figures and marks around it, said twice, a row of digits. */
function isCommon(plain: string, blocklist: ReadonlySet<string>): boolean {
  const unit = /^(.{1,8}?)\1+$/su.exec(plain)?.[1];
  if (unit !== undefined && (unit.length <= 4 || blocklist.has(unit))) return true;
  if (digitRows.some((row) => row.includes(plain))) return true;
  const core = plain.replace(/^[\d\p{P}\p{S}]+/u, "").replace(/[\d\p{P}\p{S}]+$/u, "");
  return blocklist.has(plain) || blocklist.has(core);
}

const digitRows = ["0123456789", "9876543210"].map((digits) => digits.repeat(104));

function nameParts(name: string): string[] {
  const [local = ""] = name.split("@");
  return [reduce(name), reduce(local)].filter((part) => part.length >= 4);
}

const argon2id: Derive = (message, { nonce, memory, passes, parallelism, tagLength }) => {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  argon2("argon2id", { message, nonce, memory, passes, parallelism, tagLength }, (error, tag) =>
    error === null ? resolve(tag) : reject(error),
  );
  return promise;
};

const busy: ErrorCode = "too-many-requests";

/** Runs at most `concurrency` jobs at once, keeps at most `queue` waiting in order, and refuses the rest. */
function bounded(concurrency: number, queue: number) {
  let running = 0;
  const waiting = new Set<() => void>();
  const next = () => {
    running -= 1;
    const [first] = waiting;
    if (first !== undefined) first();
  };
  return async <T>(signal: AbortSignal | undefined, job: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    if (running >= concurrency) {
      if (waiting.size >= queue) throw new ServiceError(busy, { headers: { "retry-after": "2" } });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const start = () => {
        waiting.delete(start);
        running += 1;
        resolve();
      };
      const abort = () => {
        if (waiting.delete(start)) reject(signal?.reason);
      };
      waiting.add(start);
      signal?.addEventListener("abort", abort, { once: true });
      try {
        await promise;
      } finally {
        signal?.removeEventListener("abort", abort);
      }
    } else {
      running += 1;
    }
    try {
      return await job();
    } finally {
      next();
    }
  };
}
