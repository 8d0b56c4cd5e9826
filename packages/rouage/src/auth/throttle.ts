/**
 * Throttling of sign-ins by account and by address, in bounded memory. Counts what was tried, never what exists: an unknown account
 * is throttled exactly as a known one.
 */
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";

export interface ThrottleLimit {
  /** Failures free of consequence. */
  readonly free: number;
  /** First lock in milliseconds; each further failure doubles it. */
  readonly lockMs: number;
  readonly maxLockMs: number;
  /** Failures are forgotten when none came for this long. */
  readonly windowMs: number;
}

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
  succeeded(): void;
  /** The try could not be judged (an error of ours, a client gone): it is not counted. */
  abandoned(): void;
}

export interface Throttle {
  /** Registers a try. @throws ServiceError `too-many-requests` with `retry-after` */
  attempt(account: string, address: string | undefined): Attempt;
  /** The owner has proved themselves otherwise, from here: what others do from elsewhere does not hold them up. */
  welcome(account: string, address: string | undefined): void;
  /** Forgets an account: its data was erased. */
  forget(account: string): void;
}

export function throttle(options: ThrottleOptions = {}): Throttle {
  const { clock = systemClock, maxEntries = 100_000 } = options;
  const hour = 3600_000;
  const account = options.account ?? { free: 5, lockMs: 15_000, maxLockMs: 15 * 60_000, windowMs: hour };
  const address = options.address ?? { free: 30, lockMs: 15_000, maxLockMs: hour, windowMs: hour };
  const accounts = counters(account, maxEntries, clock);
  const addresses = counters(address, maxEntries, clock);
  // Where an account signed in lately it stays reachable while others hammer it from elsewhere.
  const familiar = counters({ ...account, windowMs: 30 * 24 * hour }, maxEntries, clock);

  return {
    attempt(name, from) {
      const source = from === undefined ? undefined : networkOf(from);
      const pair = source === undefined ? undefined : `${source}\n${name}`;
      const known = pair !== undefined && familiar.has(pair);
      const checks: [Counters, string][] = [known ? [familiar, pair] : [accounts, name]];
      if (source !== undefined) checks.push([addresses, source]);
      const wait = Math.max(...checks.map(([set, key]) => set.wait(key)));
      if (wait > 0)
        throw new ServiceError("too-many-requests", { headers: { "retry-after": String(Math.ceil(wait / 1000)) } });
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

interface Entry {
  failures: number;
  last: number;
  lockedUntil: number;
}

type Counters = ReturnType<typeof counters>;

function counters(limit: ThrottleLimit, maxEntries: number, clock: Clock) {
  const entries = new Map<string, Entry>();
  const live = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (clock.now() - entry.last < limit.windowMs || entry.lockedUntil > clock.now()) return entry;
    entries.delete(key);
    return undefined;
  };
  const store = (key: string, entry: Entry) => {
    entries.delete(key);
    entries.set(key, entry);
    if (entries.size > maxEntries) {
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    }
  };
  return {
    has: (key: string) => live(key) !== undefined,
    wait: (key: string) => Math.max(0, (live(key)?.lockedUntil ?? 0) - clock.now()),
    /** Counts a failure; the function returned takes it back. */
    fail(key: string): () => void {
      const before = live(key) ?? { failures: 0, last: 0, lockedUntil: 0 };
      const failures = before.failures + 1;
      const over = failures - limit.free;
      const lock = over < 1 ? 0 : Math.min(limit.maxLockMs, limit.lockMs * 2 ** Math.min(over - 1, 30));
      const now = clock.now();
      store(key, { failures, last: now, lockedUntil: Math.max(before.lockedUntil, now + lock) });
      return () => {
        const current = entries.get(key);
        if (current === undefined) return;
        current.failures -= 1;
        if (current.failures <= limit.free) current.lockedUntil = 0;
        if (current.failures <= 0) entries.delete(key);
      };
    },
    reset: (key: string) => store(key, { failures: 0, last: clock.now(), lockedUntil: 0 }),
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
