/** One-time words: issued, valid for a while, consumed once. Behind plural DELETE's pages, so that a page is not deleted twice. */
import type { Cache } from "../../cache/cache.ts";
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";

export interface Nonces {
  /** A new nonce. */
  issue(): string | Promise<string>;
  /** True exactly once for each nonce that is still valid. */
  consume(nonce: string): boolean | Promise<boolean>;
}

/**
 * Nonces in a cache, so that one instance may consume what another issued. Those issued while the cache cannot be reached are this process's own; one
 * that cannot be looked up is not known to be used: `consume` throws `unavailable`.
 */
export function sharedNonces(cache: Pick<Cache, "set" | "delete">, clock: Clock, validitySeconds: number): Nonces {
  const own = memoryNonces(clock, validitySeconds);
  const keyOf = (nonce: string) => `nonce ${nonce}`;
  return {
    async issue() {
      const nonce = crypto.randomUUID();
      try {
        await cache.set(keyOf(nonce), "1", validitySeconds);
        return nonce;
      } catch (error) {
        if (!ServiceError.is(error)) throw error;
        return own.issue();
      }
    },
    async consume(nonce) {
      return own.consume(nonce) || (await cache.delete(keyOf(nonce))) !== undefined;
    },
  };
}

export interface LocalNonces extends Nonces {
  issue(): string;
  consume(nonce: string): boolean;
}

const most = 10_000;

/** Nonces in memory: at most 10,000 at a time, the oldest forgotten first. */
export function memoryNonces(clock: Clock, validitySeconds: number): LocalNonces {
  const expiries = new Map<string, number>();
  return {
    issue() {
      const now = clock.now();
      // Insertion order is expiry order, as all live equally long.
      for (const [nonce, expiry] of expiries) {
        if (expiry > now && expiries.size < most) break;
        expiries.delete(nonce);
      }
      const nonce = crypto.randomUUID();
      expiries.set(nonce, now + validitySeconds * 1000);
      return nonce;
    },
    consume(nonce) {
      const expiry = expiries.get(nonce);
      if (expiry === undefined) return false;
      expiries.delete(nonce);
      return expiry > clock.now();
    },
  };
}
