/**
 * Work that one of several instances does at a time, agreed on in the cache that they share. It keeps others from doing the same in vain and is no lock: a
 * cache that is away, or emptied, lets several work, so the work itself has to bear that.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Cache } from "../cache/cache.ts";

export interface LeaseOptions {
  readonly cache: Cache;
  readonly name: string;
  /** Ends it all. */
  readonly signal: AbortSignal;
  /** Told now and then that another instance works. */
  readonly idle?: () => void | Promise<void>;
  /** Seconds until others take over from an instance that died. Default 10. */
  readonly seconds?: number;
}

/**
 * Does the work until it ends or the signal aborts, while no other instance does; waits for its turn as long as one does, and again when it was lost.
 * @param work ends soon after the signal that it is given aborts
 */
export async function leased(options: LeaseOptions, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { cache, name, signal, idle, seconds = 10 } = options;
  if (!cache.capabilities.shared) return work(signal);
  const key = `lease ${name}`;
  const holder = crypto.randomUUID();
  const roundMs = (seconds * 1000) / 10;

  /** True also where nobody can say. */
  async function isOurs(): Promise<boolean> {
    try {
      return (await cache.replace(key, holder, holder, seconds)) || (await cache.add(key, holder, seconds));
    } catch {
      return true;
    }
  }

  async function term(): Promise<boolean> {
    const lost = new AbortController();
    const ended = new AbortController();
    const renewing = (async () => {
      while (await pause(2 * roundMs, ended.signal)) if (!(await isOurs())) return lost.abort();
    })();
    try {
      await work(AbortSignal.any([signal, lost.signal]));
    } finally {
      ended.abort();
      await renewing;
    }
    return lost.signal.aborted;
  }

  while (!signal.aborted) {
    if (await isOurs()) {
      if (!(await term())) break;
    } else {
      await idle?.();
      await pause(roundMs, signal);
    }
  }
  // Others need not wait until it runs out.
  await Promise.try(() => cache.replace(key, holder, holder, 0.001)).catch(() => undefined);
}

/** False: the signal has aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
  return !signal.aborted;
}
