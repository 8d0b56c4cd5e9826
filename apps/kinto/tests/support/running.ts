/** A running Kinto for tests: in this process, on a port of its own, on each storage. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Service, silentLogger } from "rouage";
import { listen } from "rouage/runtime/node";
import { verifyStorage } from "rouage/storage/tools";
import { type StorageKind, testStorages, testStore } from "../../../../scripts/test-stores.ts";
import { type KintoOptions, startKinto } from "../../src/app.ts";

export interface Running {
  readonly kinto: Service;
  /** With the version: `http://127.0.0.1:40123/v1`. */
  readonly remote: string;
  /** Asks by `fetch` on the service itself, without a socket. */
  readonly ask: Ask;
}

export type Ask = (method: string, path: string, options?: AskOptions) => Promise<Answer>;

export interface AskOptions {
  /** `name` or `name:password` for HTTP Basic. */
  readonly as?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever JSON came
  readonly body: any;
}

/** Enough for anybody to sign in by any name and password. */
export const basicSettings = {
  "multiauth.policies": "basicauth",
  userid_hmac_secret: "secret of the tests",
  log_level: "silent",
} as const;

/** Registers a test for each storage. */
export function kintoTest(
  name: string,
  settings: Readonly<Record<string, unknown>>,
  run: (running: Running) => Promise<void>,
  on: readonly StorageKind[] = testStorages,
): void {
  for (const storage of on) test(`${name} (${storage})`, () => withKinto(storage, settings, run));
}

export async function withKinto(
  storage: StorageKind,
  settings: Readonly<Record<string, unknown>>,
  run: (running: Running) => Promise<void>,
  options: KintoOptions = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kinto-"));
  // A storage that is handed over is its owner's.
  await using store = await testStore(options.storage === undefined ? storage : "memory", join(folder, "kinto.db"));
  const base = { "attachment.base_path": join(folder, "attachments") };
  try {
    await using kinto = await startKinto(
      { overrides: { ...basicSettings, ...base, storage_url: store.url, ...settings } },
      { log: silentLogger, ...options },
    );
    const server = await listen(kinto);
    try {
      await run({ kinto, remote: `${server.origin}/v1`, ask: asking(kinto) });
      // Whatever a test has done, the store keeps what a storage promises.
      assert.deepEqual((await verifyStorage(kinto.storage)).violations, []);
    } finally {
      // Connections that clients keep open are nobody's any more.
      await server.stop(10);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function asking(kinto: Pick<Service, "fetch">): Ask {
  return async (method, path, { as, body, headers = {} } = {}) => {
    const response = await kinto.fetch(
      new Request(`http://kinto.test/v1${path}`, {
        method,
        headers: {
          ...(as !== undefined && { authorization: authorizationOf(as) }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
}

export function authorizationOf(as: string): string {
  return `Basic ${Buffer.from(as.includes(":") ? as : `${as}:password of ${as}`).toString("base64")}`;
}
