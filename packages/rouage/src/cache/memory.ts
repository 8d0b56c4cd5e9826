/** A cache in this process: bounded in bytes, the value used least recently goes first. Looks at the clock and keeps no timers. */
import type { Clock } from "../clock.ts";
import type { Cache } from "./cache.ts";
import { checkTtl, incremented } from "./values.ts";

export interface MemoryCacheOptions {
  readonly clock: Clock;
  /** Most that keys and values take together, as UTF-16, with what each entry costs beside. Default 512 KiB. */
  readonly maxBytes?: number;
  /** Told how many values had to go because room was needed. */
  readonly onEvict?: (count: number) => void;
}

interface Entry {
  value: string;
  /** Milliseconds since the epoch. */
  expires: number;
}

/** @example const cache = memoryCache({ clock: systemClock }); cache.set("a", "1", 60); cache.get("a") */
export function memoryCache({ clock, maxBytes = defaultBytes, onEvict }: MemoryCacheOptions): Cache {
  // In the order of use: a Map keeps the order of insertion, and what is used is inserted again.
  const entries = new Map<string, Entry>();
  let bytes = 0;

  function remove(key: string, entry: Entry): void {
    entries.delete(key);
    bytes -= sizeOf(key, entry.value);
  }

  function live(key: string): Entry | undefined {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expires > clock.now()) return entry;
    remove(key, entry);
    return undefined;
  }

  /** Makes the entry the newest; false where it alone is larger than the cache. */
  function keep(key: string, entry: Entry): boolean {
    const old = entries.get(key);
    if (old !== undefined) remove(key, old);
    const size = sizeOf(key, entry.value);
    if (size > maxBytes) return false;
    entries.set(key, entry);
    bytes += size;
    let evicted = 0;
    for (const [oldest, { value }] of entries) {
      if (bytes <= maxBytes) break;
      entries.delete(oldest);
      bytes -= sizeOf(oldest, value);
      evicted++;
    }
    if (evicted > 0) onEvict?.(evicted);
    return true;
  }

  const expiry = (ttlSeconds: number): number => clock.now() + checkTtl(ttlSeconds) * 1000;

  const cache: Cache = {
    capabilities: { shared: false },
    get(key) {
      const entry = live(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, ttlSeconds) {
      keep(key, { value, expires: expiry(ttlSeconds) });
    },
    add(key, value, ttlSeconds) {
      const expires = expiry(ttlSeconds);
      return live(key) === undefined && keep(key, { value, expires });
    },
    replace(key, old, value, ttlSeconds) {
      const expires = expiry(ttlSeconds);
      return live(key)?.value === old && keep(key, { value, expires });
    },
    delete(key) {
      const entry = live(key);
      if (entry !== undefined) remove(key, entry);
      return entry?.value;
    },
    ttl(key) {
      const entry = live(key);
      return entry === undefined ? undefined : (entry.expires - clock.now()) / 1000;
    },
    expire(key, ttlSeconds) {
      const expires = expiry(ttlSeconds);
      const entry = live(key);
      if (entry !== undefined) entry.expires = expires;
    },
    increment(key, by, ttlSeconds) {
      const expires = expiry(ttlSeconds);
      const entry = live(key);
      const sum = incremented(key, entry?.value, by);
      keep(key, { value: String(sum), expires: entry?.expires ?? expires });
      return sum;
    },
    flush() {
      entries.clear();
      bytes = 0;
    },
    check: async () => {},
    close: async () => {
      entries.clear();
      bytes = 0;
    },
    [Symbol.asyncDispose]: () => cache.close(),
  };
  return cache;
}

/** What the reference keeps as well. */
const defaultBytes = 524_288;

/** Strings take two bytes a unit at most; an entry of a Map with its object about a hundred beside. */
function sizeOf(key: string, value: string): number {
  return 2 * (key.length + value.length) + 100;
}
