/**
 * Throttling of sign-ins by account and by address, in bounded memory. Counts what was tried, never what exists: an unknown account
 * is throttled exactly as a known one.
 */
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { afterFailure, afterUndo, type Count, isLive, noCount, type ThrottleLimit, waitOf } from "./throttle-count.ts";

export interface ThrottleOptions {
  readonly clock?: Clock;
  /** Default: 5 failures free, then 15 s doubling up to 15 min, forgotten after an hour. */
  readonly account?: ThrottleLimit;
  /** Default: 30 failures free, then 15 s doubling up to an hour, forgotten after an hour. */
  readonly address?: ThrottleLimit;
  /** Accounts, and addresses, remembered; the least recently tried is forgotten first. Default 100000 each. */
  readonly maxEntries?: number;
}

/** A try under way. It counts as failed from the start, so that tries in parallel can't outrun the count. */
export interface Attempt {
  /** The try was good: the account's failures are forgotten, the address gets its own back. */
  succeeded(): void | Promise<void>;
  /** The try could not be judged (an error of ours, a client gone): it is not counted. */
  abandoned(): void | Promise<void>;
}

/** Answers without a promise where it counts in this process; see `sharedThrottle` for one that counts over several. */
export interface Throttle {
  /** Registers a try. @throws ServiceError `too-many-requests` with `retry-after` */
  attempt(account: string, address: string | undefined): Attempt | Promise<Attempt>;
  /** The owner has proved themselves otherwise, from here: what others do from elsewhere does not hold them up. */
  welcome(account: string, address: string | undefined): void | Promise<void>;
  /** Forgets an account: its data was erased. */
  forget(account: string): void | Promise<void>;
}

/** Counts in this process. */
export interface LocalThrottle extends Throttle {
  attempt(account: string, address: string | undefined): { succeeded(): void; abandoned(): void };
  welcome(account: string, address: string | undefined): void;
  forget(account: string): void;
}

/** What holds for an account, an address, and an account at an address where it signed in lately. */
export function limitsOf(options: Pick<ThrottleOptions, "account" | "address">) {
  const hour = 3600_000;
  const account = options.account ?? { free: 5, lockMs: 15_000, maxLockMs: 15 * 60_000, windowMs: hour };
  const address = options.address ?? { free: 30, lockMs: 15_000, maxLockMs: hour, windowMs: hour };
  return { account, address, familiar: { ...account, windowMs: 30 * 24 * hour } } as const;
}

export function throttle(options: ThrottleOptions = {}): LocalThrottle {
  const { clock = systemClock, maxEntries = 100_000 } = options;
  const limits = limitsOf(options);
  const accounts = counters(limits.account, maxEntries, clock);
  const addresses = counters(limits.address, maxEntries, clock);
  // Where an account signed in lately it stays reachable while others hammer it from elsewhere.
  const familiar = counters(limits.familiar, maxEntries, clock);

  return {
    attempt(name, from) {
      const source = from === undefined ? undefined : networkOf(from);
      const pair = source === undefined ? undefined : `${source}\n${name}`;
      const known = pair !== undefined && familiar.has(pair);
      const checks: [Counters, string][] = [known ? [familiar, pair] : [accounts, name]];
      if (source !== undefined) checks.push([addresses, source]);
      const wait = Math.max(...checks.map(([set, key]) => set.wait(key)));
      if (wait > 0) throw tooManyTries(wait);
      const undo = checks.map(([set, key]) => set.fail(key));
      return {
        succeeded() {
          for (const step of undo) step();
          if (!known) accounts.forget(name);
          if (pair !== undefined) familiar.reset(pair);
        },
        abandoned() {
          for (const step of undo) step();
        },
      };
    },
    welcome(name, from) {
      if (from === undefined) accounts.forget(name);
      else familiar.reset(`${networkOf(from)}\n${name}`);
    },
    forget(name) {
      accounts.forget(name);
      familiar.forgetSuffix(`\n${name}`);
    },
  };
}

/** @param waitMs until the next try */
export function tooManyTries(waitMs: number): ServiceError {
  return new ServiceError("too-many-requests", { headers: { "retry-after": String(Math.ceil(waitMs / 1000)) } });
}

type Counters = ReturnType<typeof counters>;

function counters(limit: ThrottleLimit, maxEntries: number, clock: Clock) {
  const entries = new Map<string, Count>();
  const live = (key: string): Count | undefined => {
    const entry = entries.get(key);
    if (entry === undefined || isLive(limit, entry, clock.now())) return entry;
    entries.delete(key);
    return undefined;
  };
  const store = (key: string, entry: Count) => {
    entries.delete(key);
    entries.set(key, entry);
    if (entries.size > maxEntries) {
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    }
  };
  return {
    has: (key: string) => live(key) !== undefined,
    wait: (key: string) => waitOf(live(key), clock.now()),
    /** Counts a failure; the function returned takes it back. */
    fail(key: string): () => void {
      store(key, afterFailure(limit, live(key), clock.now()));
      return () => {
        const current = entries.get(key);
        if (current === undefined) return;
        const less = afterUndo(limit, current);
        if (less === undefined) entries.delete(key);
        else entries.set(key, less);
      };
    },
    reset: (key: string) => store(key, noCount(clock.now())),
    forget: (key: string) => void entries.delete(key),
    forgetSuffix(suffix: string) {
      for (const key of entries.keys()) if (key.endsWith(suffix)) entries.delete(key);
    },
  };
}

/** What one customer of a provider usually owns: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(address: string): string {
  const plain = (address.split("%")[0] ?? "").toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const rest = tail === "" ? [] : tail.split(":");
    while (groups.length + rest.length < 8) groups.push("0");
    groups.push(...rest);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => (Number.parseInt(group, 16) || 0).toString(16))
    .join(":")}::/64`;
}
