/**
 * Rights that one process at a time has: a document that its holder renews. Whoever sees it stay the same for long enough, by the own clock, takes
 * it; whoever cannot renew it gives it up sooner than that.
 */
import { randomUUID } from "node:crypto";
import type { Collection } from "mongodb";
import type { Lease } from "../storage.ts";
import { codeOf, duplicateKey } from "./failures.ts";
import type { LeaseDocument } from "./names.ts";

export interface MongoLeases {
  /** Undefined while somebody else has it. */
  take(name: string): Promise<Lease | undefined>;
  /** Gives back all that are held. */
  close(): Promise<void>;
}

export interface MongoLeasesOptions {
  readonly leases: Collection<LeaseDocument>;
  /** How long a lease that nobody renews lasts, as others see it. */
  readonly lastsMs?: number | undefined;
}

export function mongoLeases({ leases, lastsMs = 10_000 }: MongoLeasesOptions): MongoLeases {
  const held = new Set<() => Promise<void>>();
  /** What others hold, and since when it looks as it does. */
  const seen = new Map<string, { readonly holder: string; readonly beat: number; readonly at: number }>();

  /** Takes away a lease that was not renewed for long enough. */
  async function clear(name: string): Promise<boolean> {
    const found = await leases.findOne({ _id: name });
    if (found === null) return true;
    const { holder, beat } = found;
    const before = seen.get(name);
    if (before?.holder !== holder || before.beat !== beat) seen.set(name, { holder, beat, at: performance.now() });
    else if (performance.now() - before.at > lastsMs) {
      return (await leases.deleteOne({ _id: name, holder, beat })).deletedCount === 1;
    }
    return false;
  }

  function begin(name: string, holder: string): Lease {
    const lost = new AbortController();
    let renewed = performance.now();
    let renewing: Promise<void> = Promise.resolve();
    const end = (): boolean => {
      clearInterval(timer);
      return held.delete(release);
    };
    const lose = () => {
      if (end()) lost.abort();
    };
    const timer = setInterval(() => {
      renewing = (async () => {
        const asked = performance.now();
        const { matchedCount } = await leases.updateOne({ _id: name, holder }, { $inc: { beat: 1 } });
        if (matchedCount === 0) lose();
        else renewed = asked;
      })().catch(() => {});
      if (performance.now() - renewed > lastsMs / 2) lose();
    }, lastsMs / 5).unref();
    async function release(): Promise<void> {
      if (!end()) return;
      await renewing;
      await leases.deleteOne({ _id: name, holder }).catch(() => {});
    }
    held.add(release);
    return { lost: lost.signal, release };
  }

  return {
    async take(name) {
      const holder = randomUUID();
      for (const isLast of [false, true]) {
        try {
          await leases.insertOne({ _id: name, holder, beat: 0 });
          return begin(name, holder);
        } catch (error) {
          if (codeOf(error) !== duplicateKey) throw error;
          if (isLast || !(await clear(name))) return undefined;
        }
      }
      return undefined;
    },
    async close() {
      await Promise.all([...held].map((release) => release()));
    },
  };
}
