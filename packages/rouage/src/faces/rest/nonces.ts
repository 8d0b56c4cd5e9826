/** One-time words: issued, valid for a while, consumed once. Behind plural DELETE's pages, so that a page is not deleted twice. */
import type { Clock } from "../../clock.ts";

export interface Nonces {
  /** A new nonce. */
  issue(): string;
  /** True exactly once for each nonce that is still valid. */
  consume(nonce: string): boolean;
}

const most = 10_000;

/** Nonces in memory: at most 10,000 at a time, the oldest forgotten first. */
export function memoryNonces(clock: Clock, validitySeconds: number): Nonces {
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
