/** Which storage and cache an existing Kinto's settings mean here. */
import type { SettingsReader } from "./reader.ts";

export interface Backends {
  readonly storage: string;
  readonly cache: string;
}

/** Where nothing is said: a file that survives the process. */
export const defaultStorage = "sqlite:data-kinto/kinto.db";

/** Objects and permissions are in one store, so that both change in one step: the storage's settings decide. */
export function readBackends(reader: SettingsReader): Backends {
  for (const kind of ["storage", "cache", "permission"])
    for (const name of poolSettings) reader.accept(`${kind}_${name}`);
  return { storage: storageOf(reader), cache: cacheOf(reader) };
}

/** Size and behaviour of pools of connections: there are none. */
const poolSettings = ["pool_size", "max_overflow", "pool_recycle", "pool_timeout", "max_backlog", "max_fetch_size"];

function storageOf(reader: SettingsReader): string {
  const url = reader.text("storage_url");
  const backend = reader.text("storage_backend");
  permissionBackend(reader);
  if (url !== undefined && isOurs(url)) return url;
  if (url !== undefined && isDatabase(url)) return databaseOf(reader, url, backend);
  if (backend !== undefined && /(^|\.)memory$/.test(backend)) return "memory:";
  if (url === undefined && backend === undefined) return defaultStorage;
  const asked = backend ?? schemeOf(url ?? "");
  reader.problem(
    backend === undefined ? "storage_url" : "storage_backend",
    `${asked} is not available here; set storage_url to sqlite:PATH (a file that survives), postgres://USER:PASSWORD@HOST/DATABASE or mongodb://USER:PASSWORD@HOST/DATABASE (a store of its own in a database) or memory: (nothing survives), for example KINTO_STORAGE_URL=${defaultStorage}`,
  );
  return defaultStorage;
}

/**
 * A database of Kinto has the same URL, and tables that we neither read nor write. Who has named Kinto's backend beside it may expect to find them here,
 * and would find an empty server: only a schema in the URL, which Kinto's would not understand, says that ours is meant.
 */
function databaseOf(reader: SettingsReader, url: string, backend: string | undefined): string {
  // Kinto has no backend for MongoDB that one could mean.
  if (backend !== undefined && !/^mongodb|[?&]schema=[^&]/.test(url))
    reader.problem(
      "storage_backend",
      `${backend} has its own tables, which are neither read nor written here; take storage_backend out for a store beside them, in the schema "kinto" of the database, or name a schema in storage_url (?schema=NAME). It is empty at first: see docs/migrate-from-kinto.md`,
    );
  return url;
}

function permissionBackend(reader: SettingsReader): void {
  const backend = reader.text("permission_backend") ?? "";
  const url = reader.text("permission_url");
  if (!/(^|\.)memory$/.test(backend) && (backend !== "" || url !== undefined))
    reader.warn(
      "permission_backend and permission_url: permissions are kept in the storage, in the same transaction as the objects; remove both",
    );
}

function cacheOf(reader: SettingsReader): string {
  const url = reader.text("cache_url");
  const backend = reader.text("cache_backend");
  const bytes = reader.integer("cache_max_size_bytes", { minimum: 1 });
  const prefix = reader.text("cache_prefix");
  reader.accept("cache_hosts");
  if (url?.startsWith("memory:") === true) return url;
  const isMemory = backend !== undefined && /(^|\.)memory$/.test(backend);
  if (!isMemory && url !== undefined && /^rediss?:/.test(url)) return prefixed(url, prefix);
  if (backend !== undefined && /(^|[._])redis([._]|$)/.test(backend)) {
    reader.problem("cache_url", `cache_backend ${backend} needs it: redis://HOST:6379/0, or rediss:// for TLS`);
  } else if (!isMemory && (backend !== undefined || url !== undefined)) {
    reader.warn(
      `cache_backend ${backend ?? schemeOf(url ?? "")} is not available here: the cache is in this process's memory; set cache_url to redis://HOST, or cache_backend to kinto.core.cache.memory`,
    );
  }
  return bytes === undefined ? "memory:" : `memory:?max_bytes=${bytes}`;
}

/** The URL's own word on what keys begin with counts. */
function prefixed(url: string, prefix: string | undefined): string {
  if (prefix === undefined || /[?&]prefix=/.test(url)) return url;
  return `${url}${url.includes("?") ? "&" : "?"}prefix=${encodeURIComponent(prefix)}`;
}

function isOurs(url: string): boolean {
  return /^(sqlite:.|memory:$)/.test(url);
}

function isDatabase(url: string): boolean {
  return /^(postgres|postgresql|mongodb|mongodb\+srv):\/\/./.test(url);
}

/** Of a URL that may hold a password. */
function schemeOf(url: string): string {
  return /^[a-z0-9+.-]+(?=:)/i.exec(url)?.[0] ?? "this URL";
}
