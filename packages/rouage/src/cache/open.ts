/** Opens the cache that a URL names. Only the composition of a service calls this; everything else is handed a `Cache`. */
import type { Clock } from "../clock.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Cache } from "./cache.ts";

export interface OpenCacheOptions {
  readonly clock: Clock;
  /** Default: nothing is measured. */
  readonly metrics?: Metrics;
  /** Told of connections that are lost and made again. Default: nobody. */
  readonly log?: Logger;
  /** Of the service: what keys in a shared cache begin with unless the URL says. */
  readonly name?: string;
}

const schemes: Readonly<Record<string, (url: string, options: OpenCacheOptions) => Promise<Cache>>> = {
  memory,
  redis,
  rediss: redis,
};

/**
 * `memory:` keeps values in this process, `memory:?max_bytes=N` so many bytes of them; `redis://…` and `rediss://…` in a server that several
 * instances share, see docs/instances.md.
 * @throws Error naming the accepted forms when the URL is none of them
 */
export async function openCache(url: string, options: OpenCacheOptions): Promise<Cache> {
  const scheme = url.slice(0, Math.max(url.indexOf(":"), 0));
  const open = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (open === undefined) throw notCache(url);
  return open(url, options);
}

async function redis(url: string, { log = silentLogger, name }: OpenCacheOptions): Promise<Cache> {
  return (await import("./redis/redis.ts")).redisCache({ url, log, name });
}

async function memory(url: string, options: OpenCacheOptions): Promise<Cache> {
  const { memoryCache } = await import("./memory.ts");
  const [, location, query] = /^memory:(?:\/\/)?([^?]*)\??(.*)$/s.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  const bytes = parameters.get("max_bytes");
  const known = [...parameters.keys()].every((name) => name === "max_bytes") && parameters.size <= 1;
  if (location !== "" || !known || (bytes !== null && !/^[1-9]\d{0,14}$/.test(bytes))) throw notCache(url);
  const evicted = options.metrics?.counter("cache_evictions_total", "Values dropped because room was needed");
  return memoryCache({
    clock: options.clock,
    ...(bytes === null ? {} : { maxBytes: Number(bytes) }),
    ...(evicted === undefined ? {} : { onEvict: (count) => evicted.add(count) }),
  });
}

/** A mistyped URL may carry a password, and this message is logged. */
function notCache(url: string): Error {
  const shown = url.replace(/\/\/[^/@]*@/, "//***@");
  return new Error(
    `not a cache URL: ${JSON.stringify(shown)}; expected "memory:", "memory:?max_bytes=BYTES" or "redis://HOST"`,
  );
}
