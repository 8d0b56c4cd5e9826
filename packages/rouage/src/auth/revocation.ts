/**
 * Revoked sessions and subjects, kept until the tokens issued before have expired anyway. Fed by the log of the service that revokes, so that
 * every reader in the process knows within milliseconds.
 */
import { type Clock, systemClock } from "../clock.ts";
import type { LogEntry, Storage } from "../storage/storage.ts";
import type { VerifiedToken } from "./tokens.ts";

/** What a token is refused for: its session (`sid`), its own id (`jti`), or its subject, whose id must never be used again. */
export interface Revocation {
  readonly kind: "sid" | "jti" | "sub";
  readonly id: string;
}

export interface Revocations {
  revoke(revocation: Revocation): void;
  /** What was revoked before this time is not known, in milliseconds since the epoch: tokens issued before it are refused. */
  knowFrom(time: number): void;
  /** For the `revoked` hook of the bearer policy. */
  revoked(claims: VerifiedToken["claims"]): boolean;
  readonly size: number;
  /** Since when revocations elsewhere cannot be learned, in milliseconds since the epoch; undefined while they can. */
  readonly blindSince: number | undefined;
  /** Says whether they can. */
  setBlind(isBlind: boolean): void;
}

export interface RevocationOptions {
  /** Longest life of an access token in milliseconds, with some room for clocks; then a revocation is forgotten. */
  readonly lifetimeMs: number;
  readonly clock?: Clock;
}

export function revocations({ lifetimeMs, clock = systemClock }: RevocationOptions): Revocations {
  // In order of insertion, which is the order of expiry.
  const until = new Map<string, number>();
  let blindSince: number | undefined;
  let knownFrom = 0;
  /** Tokens tell the second that they were issued in. */
  const isOlder = (issued: unknown) => typeof issued === "number" && (issued + 1) * 1000 <= knownFrom;
  const forget = () => {
    for (const [key, time] of until) {
      if (time > clock.now()) return;
      until.delete(key);
    }
  };
  const has = (kind: Revocation["kind"], id: unknown) => typeof id === "string" && until.has(`${kind}\n${id}`);
  return {
    revoke({ kind, id }) {
      forget();
      until.delete(`${kind}\n${id}`);
      until.set(`${kind}\n${id}`, clock.now() + lifetimeMs);
    },
    knowFrom(time) {
      knownFrom = time;
    },
    revoked: ({ sid, jti, sub, iat }) =>
      (until.size > 0 && (has("sid", sid) || has("jti", jti) || has("sub", sub))) || isOlder(iat),
    get blindSince() {
      return blindSince;
    },
    setBlind(isBlind) {
      if (!isBlind) blindSince = undefined;
      else blindSince ??= clock.now();
    },
    get size() {
      forget();
      return until.size;
    },
  };
}

export interface FollowRevocationsOptions {
  readonly log: Pick<Storage, "log" | "position">;
  readonly into: Revocations;
  /** The revocation an entry of the log stands for. */
  readonly read: (entry: LogEntry) => Revocation | undefined;
  readonly lifetimeMs: number;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Only entries of these resources. */
  readonly resources?: readonly string[];
  /** Pause before a log that failed is read again. Default one second. */
  readonly retryMs?: number;
  /** Told of each failure of the log. */
  readonly failed?: (error: unknown) => void;
}

/**
 * Reads what was revoked within `lifetimeMs`, and from when on the log knows: that of a store which was copied begins with the copy. Then goes on
 * reading until the signal aborts. A log that fails later is read again from `lifetimeMs` ago, until it works; meanwhile `into.blindSince` tells.
 * `ready` resolves when the past is read, and rejects when it cannot be; `done` resolves when reading has ended, and rejects with `ready`.
 */
export function followRevocations(options: FollowRevocationsOptions): {
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
} {
  const { log, into, read, lifetimeMs, signal, clock = systemClock, retryMs = 1000, failed = () => {} } = options;
  const only = options.resources === undefined ? {} : { resources: options.resources };
  const take = (entry: LogEntry) => {
    const revocation = read(entry);
    if (revocation !== undefined) into.revoke(revocation);
  };
  async function past(): Promise<number> {
    const start = await log.position();
    into.knowFrom(await began());
    for await (const entry of log.log({ ...only, reverse: true, signal })) {
      if (entry.time < clock.now() - lifetimeMs) break;
      take(entry);
    }
    return start;
  }
  async function began(): Promise<number> {
    for await (const { time } of log.log({ signal })) return time;
    return clock.now();
  }
  async function follow(first: number): Promise<void> {
    let after: number | undefined = first;
    while (!signal.aborted) {
      try {
        after ??= await past();
        into.setBlind(false);
        for await (const entry of log.log({ ...only, after, follow: true, signal })) take(entry);
        if (!signal.aborted) throw new Error("the log ended");
      } catch (error) {
        if (signal.aborted) return;
        into.setBlind(true);
        failed(error);
        after = undefined;
        await pause(retryMs, signal);
      }
    }
  }
  const reading = past();
  const done = reading.then(follow);
  return { ready: reading.then(() => undefined), done };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
