/**
 * Keys in files: signing key pairs and symmetric secrets, one file for each purpose, made at the first start, readable by their owner only.
 * Rotation adds a new active key; older ones stay to verify what they signed until they retire.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { JWK } from "jose";
import { type Clock, systemClock } from "../clock.ts";

export type SigningAlgorithm = "EdDSA" | "ES256";
export type KeyKind = SigningAlgorithm | "secret";

export interface KeyOptions {
  /** Folder of the key files, made with mode 0700 when missing. */
  readonly folder: string;
  /** What the key is for; also the file's name: lower-case letters, digits and dashes. */
  readonly purpose: string;
  readonly kind: KeyKind;
  /** True: can't be rotated, because what it hashed is looked up by that hash. */
  readonly fixed?: boolean;
  readonly clock?: Clock;
}

/** A JSON Web Key as published: public parts, `kid`, `alg` and `use`. */
export interface PublicJwk extends JWK {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly use: "sig";
}

export interface JsonWebKeySet {
  readonly keys: readonly PublicJwk[];
}

/** What may be told about a key. */
export interface KeyInfo {
  readonly purpose: string;
  readonly id: string;
  readonly kind: KeyKind;
  readonly state: "active" | "verifying" | "retired";
  /** RFC 3339. */
  readonly created: string;
  /** When it stops verifying; absent: never decided. */
  readonly retires?: string;
}

/** The signing keys of one purpose. */
export interface SigningKeys {
  readonly algorithm: SigningAlgorithm;
  /** The key that signs now; `jwk` is private. */
  active(): { readonly kid: string; readonly jwk: JWK };
  /** Public keys of everything that still verifies. */
  jwks(): JsonWebKeySet;
  /** Reads the file again: another process may have rotated. */
  reload(): Promise<void>;
}

/** The symmetric secrets of one purpose; fits `PepperKeys`. */
export interface SecretKeys {
  active(): { readonly id: string; readonly key: Uint8Array };
  find(id: string): Uint8Array | undefined;
  reload(): Promise<void>;
}

/** Opens the signing keys, making the first one when there is none. @throws Error when others may read the file */
export async function openSigningKeys(
  options: Omit<KeyOptions, "kind"> & { readonly kind?: SigningAlgorithm },
): Promise<SigningKeys> {
  const { clock = systemClock } = options;
  const file = await initKeys({ ...options, kind: options.kind ?? "EdDSA" });
  let keys = await read(file);
  if (keys.kind === "secret") throw new Error(`${file} holds secrets, not signing keys`);
  const algorithm = keys.kind;
  return {
    algorithm,
    active() {
      const { id, jwk } = activeKey(keys, file);
      if (jwk === undefined) throw new Error(`${file}: key ${id} has no key pair`);
      return { kid: id, jwk };
    },
    jwks: () => ({
      keys: keys.keys
        .filter((key) => stateOf(key, keys, clock) !== "retired")
        .map(({ id, jwk }) => {
          const { d: _private, ...rest } = jwk ?? {};
          return { ...rest, kid: id, alg: algorithm, use: "sig" };
        }),
    }),
    async reload() {
      keys = await read(file);
    },
  };
}

/** Opens the secrets of a purpose, making the first one when there is none. @throws Error when others may read the file */
export async function openSecretKeys(options: Omit<KeyOptions, "kind">): Promise<SecretKeys> {
  const { clock = systemClock } = options;
  const file = await initKeys({ ...options, kind: "secret" });
  let keys = await read(file);
  return {
    active: () => ({ id: activeKey(keys, file).id, key: secretOf(activeKey(keys, file), file) }),
    find(id) {
      const key = keys.keys.find((candidate) => candidate.id === id);
      return key === undefined || stateOf(key, keys, clock) === "retired" ? undefined : secretOf(key, file);
    },
    async reload() {
      keys = await read(file);
    },
  };
}

/** Makes the file with a first key unless it exists; answers its path. Two processes may do this at once: one key wins. */
export async function initKeys({
  folder,
  purpose,
  kind,
  fixed = false,
  clock = systemClock,
}: KeyOptions): Promise<string> {
  const file = pathOf(folder, purpose);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (await exists(file)) return file;
  const temporary = await write(file, { version: 1, kind, ...(fixed ? { fixed } : {}), keys: [newKey(kind, clock)] });
  try {
    // Unlike a rename, a link never replaces what another process made meanwhile.
    await link(temporary, file);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(folder);
  return file;
}

export interface RotateOptions {
  readonly folder: string;
  readonly purpose: string;
  /** How long the key replaced keeps verifying. Default: signing keys a day, secrets until they are retired by hand (Infinity). */
  readonly keepMs?: number;
  readonly clock?: Clock;
}

/** Makes a new active key. Keys retired more than `keepMs` ago leave the file. Answers the new key's id. */
export async function rotateKeys({ folder, purpose, keepMs, clock = systemClock }: RotateOptions): Promise<string> {
  const file = pathOf(folder, purpose);
  await using _lock = await takeLock(`${file}.lock`);
  const before = await read(file);
  if (before.fixed === true)
    throw new Error(`the keys "${purpose}" can't be rotated: what they hashed is looked up by that hash`);
  const now = clock.now();
  const keep = keepMs ?? (before.kind === "secret" ? Number.POSITIVE_INFINITY : 24 * 3600_000);
  const old = before.keys
    .filter((key) => stateOf(key, before, clock) !== "retired")
    .map((key, index, all) =>
      index === all.length - 1 && Number.isFinite(keep) ? { ...key, retires: now + keep } : key,
    );
  const key = newKey(before.kind, clock);
  await rename(await write(file, { ...before, keys: [...old, key] }), file);
  await syncFolder(folder);
  return key.id;
}

/** Every key in the folder, without any secret part. */
export async function listKeys({
  folder,
  clock = systemClock,
}: {
  readonly folder: string;
  readonly clock?: Clock;
}): Promise<readonly KeyInfo[]> {
  const infos: KeyInfo[] = [];
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith(".json")).sort()) {
    const keys = await read(join(folder, name));
    for (const key of keys.keys) {
      const info = { purpose: name.slice(0, -5), id: key.id, kind: keys.kind, state: stateOf(key, keys, clock) };
      const created = new Date(key.created).toISOString();
      infos.push(
        key.retires === undefined
          ? { ...info, created }
          : { ...info, created, retires: new Date(key.retires).toISOString() },
      );
    }
  }
  return infos;
}

interface StoredKey {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly retires?: number;
  /** Private JSON Web Key. */
  readonly jwk?: JWK;
  /** base64url. */
  readonly secret?: string;
}

/** Oldest first; the last one is active. */
interface KeyFile {
  readonly version: 1;
  readonly kind: KeyKind;
  readonly fixed?: boolean;
  readonly keys: readonly StoredKey[];
}

function newKey(kind: KeyKind, clock: Clock): StoredKey {
  const base = { id: randomBytes(9).toString("base64url"), created: clock.now() };
  if (kind === "secret") return { ...base, secret: randomBytes(32).toString("base64url") };
  const { privateKey } =
    kind === "EdDSA" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...base, jwk: privateKey.export({ format: "jwk" }) as JWK };
}

function activeKey({ keys }: KeyFile, file: string): StoredKey {
  const key = keys.at(-1);
  if (key === undefined) throw new Error(`${file} holds no key`);
  return key;
}

function secretOf(key: StoredKey, file: string): Uint8Array {
  if (key.secret === undefined) throw new Error(`${file}: key ${key.id} is no secret`);
  return Buffer.from(key.secret, "base64url");
}

function stateOf(key: StoredKey, { keys }: KeyFile, clock: Clock): KeyInfo["state"] {
  if (key === keys.at(-1)) return "active";
  return key.retires !== undefined && key.retires <= clock.now() ? "retired" : "verifying";
}

function pathOf(folder: string, purpose: string): string {
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(purpose)) throw new Error(`"${purpose}" is no name for keys`);
  return join(folder, `${purpose}.json`);
}

async function read(file: string): Promise<KeyFile> {
  const { mode } = await stat(file);
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    throw new Error(
      `${file} may be read or written by others (mode ${(mode & 0o777).toString(8)}): chmod 600 it first`,
    );
  const content = JSON.parse(await readFile(file, "utf8")) as KeyFile;
  if (content.version !== 1 || !Array.isArray(content.keys) || content.keys.length === 0)
    throw new Error(`${file} is not a key file`);
  return content;
}

/** Writes and syncs a temporary file beside `file`; the caller links or renames it. */
async function write(file: string, content: KeyFile): Promise<string> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(temporary, 0o600);
  return temporary;
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function takeLock(path: string): Promise<AsyncDisposable> {
  try {
    await (await open(path, "wx", 0o600)).close();
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
    throw new Error(`another rotation is under way; if none is, remove ${path}`, { cause: error });
  }
  return { [Symbol.asyncDispose]: () => unlink(path) };
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (isCode(error, "ENOENT")) return false;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
