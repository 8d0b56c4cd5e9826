/** Opens the cache that a URL names. Only the composition of a service calls this; everything else is handed a `Cache`. */
import type { Clock } from "../clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Cache } from "./cache.ts";

export interface OpenCacheOptions {
  readonly clock: Clock;
  /** Default: nothing is measured. */
  readonly metrics?: Metrics;
}

const schemes: Readonly<
  Record<string, (location: string, parameters: URLSearchParams, options: OpenCacheOptions) => Promise<Cache>>
> = { memory };

/**
 * `memory:` keeps values in this process, `memory:?max_bytes=N` so many bytes of them.
 * @throws Error naming the accepted forms when the URL is none of them
 */
export async function openCache(url: string, options: OpenCacheOptions): Promise<Cache> {
  const [, scheme = "", location = "", query = ""] = /^([^:]*):(?:\/\/)?([^?]*)\??(.*)$/s.exec(url) ?? [];
  const open = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (open === undefined) throw notCache(url);
  return open(location, new URLSearchParams(query), options);
}

async function memory(location: string, parameters: URLSearchParams, options: OpenCacheOptions): Promise<Cache> {
  const { memoryCache } = await import("./memory.ts");
  const bytes = parameters.get("max_bytes");
  const known = [...parameters.keys()].every((name) => name === "max_bytes") && parameters.size <= 1;
  if (location !== "" || !known || (bytes !== null && !/^[1-9]\d{0,14}$/.test(bytes)))
    throw notCache(`memory:${location}?${parameters}`);
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
  return new Error(`not a cache URL: ${JSON.stringify(shown)}; expected "memory:" or "memory:?max_bytes=BYTES"`);
}
