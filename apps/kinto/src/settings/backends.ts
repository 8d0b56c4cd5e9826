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
  if (backend !== undefined && /(^|\.)memory$/.test(backend)) return "memory:";
  if (url === undefined && backend === undefined) return defaultStorage;
  const asked = backend ?? schemeOf(url ?? "");
  reader.problem(
    backend === undefined ? "storage_url" : "storage_backend",
    `${asked} is not available here; set storage_url to sqlite:PATH (a file that survives) or memory: (nothing survives), for example KINTO_STORAGE_URL=${defaultStorage}`,
  );
  return defaultStorage;
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
  reader.accept("cache_prefix");
  reader.accept("cache_hosts");
  if (url?.startsWith("memory:") === true) return url;
  if ((backend !== undefined && !/(^|\.)memory$/.test(backend)) || url !== undefined)
    reader.warn(
      `cache_backend ${backend ?? schemeOf(url ?? "")} is not available here: the cache is in this process's memory; set cache_backend to kinto.core.cache.memory`,
    );
  return bytes === undefined ? "memory:" : `memory:?max_bytes=${bytes}`;
}

function isOurs(url: string): boolean {
  return /^(sqlite:.|memory:$)/.test(url);
}

/** Of a URL that may hold a password. */
function schemeOf(url: string): string {
  return /^[a-z0-9+.-]+(?=:)/i.exec(url)?.[0] ?? "this URL";
}
