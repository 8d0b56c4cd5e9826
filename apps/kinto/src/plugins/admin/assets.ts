/** The files of a built page, read once: by name, with what a browser has to know of them. Nothing outside of the folder can be asked for. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

export interface Asset {
  readonly bytes: Uint8Array;
  /** Compressed, where that saves anything. */
  readonly gzipped: Uint8Array | undefined;
  readonly type: string;
  readonly etag: string;
  /** The name says what is in it: it never changes. */
  readonly isImmutable: boolean;
}

/** By path below the folder, with slashes; undefined where there is no page. */
export type Assets = ReadonlyMap<string, Asset>;

export async function readAssets(folder: string): Promise<Assets | undefined> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const assets = new Map<string, Asset>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).split(sep).join("/");
    const bytes = await readFile(path);
    const type = types[extname(name)] ?? "application/octet-stream";
    assets.set(name, {
      bytes,
      gzipped: isText.test(type) && bytes.length > 1000 ? await compressed(bytes) : undefined,
      type,
      etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
      isImmutable: hashed.test(name),
    });
  }
  return assets.has("index.html") ? assets : undefined;
}

const compressed = promisify(gzip);

/** As esbuild, Vite and webpack name what they build. */
const hashed = /[-.]([A-Z0-9]{8}|[0-9a-f]{8,64}|(?=[\w-]*\d)[\w-]{8})\.\w+$/;

const isText = /^text\/|json|svg|javascript/;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};
