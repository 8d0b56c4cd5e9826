/**
 * Browser sessions: an opaque random secret in a `__Host-` cookie, hashed at rest, with idle and absolute expiry, and the CSRF token that
 * belongs to it. Knows nothing of pages or sign-in.
 */
import { type Clock, systemClock } from "../clock.ts";
import type { JsonObject } from "../json.ts";
import {
  type Change,
  type CommitContext,
  type ListDefinition,
  type ObjectKey,
  parseEntry,
  type Storage,
} from "../storage/storage.ts";
import { annotateRecord, isConflict, removeAll, removeExpired } from "./records.ts";
import type { EndReason } from "./refresh.ts";
import { equalText, hashSecret, keyedHash, packToken, randomSecret, unpackToken } from "./secrets.ts";

export interface SessionOptions {
  readonly storage: Storage;
  /** List that holds the sessions. Default `browser-session`. */
  readonly resource?: string;
  /** Binds CSRF tokens to sessions. */
  readonly csrfKey: Uint8Array;
  readonly clock?: Clock;
  /** A session ends when unused for this long. Default 30 minutes. */
  readonly idleMs?: number;
  /** A session ends at this age in any case. Default 12 hours. */
  readonly absoluteMs?: number;
  /** Changes that go into the commit that ends a session, for example an event. */
  readonly ended?: (session: BrowserSession, reason: EndReason) => readonly Change[];
}

export interface BrowserSession {
  readonly id: string;
  readonly subject: string;
  readonly data: JsonObject;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly used: number;
  readonly expires: number;
  readonly csrf: string;
}

export interface BrowserSessions {
  /** To be passed to `storage.define` before use. */
  readonly definition: ListDefinition;
  /** Starts a session; `secret` is the cookie's value and is known to the browser only. */
  start(
    subject: string,
    data?: JsonObject,
    also?: readonly Change[],
    context?: CommitContext,
  ): Promise<{ readonly secret: string; readonly session: BrowserSession }>;
  /** The session of a cookie; undefined when there is none, or none any more. Being used keeps it from going idle. */
  resolve(secret: string): Promise<BrowserSession | undefined>;
  list(subject: string): Promise<readonly BrowserSession[]>;
  end(subject: string, id: string, reason?: EndReason, context?: CommitContext): Promise<boolean>;
  endAll(subject: string, reason?: EndReason, except?: string, context?: CommitContext): Promise<number>;
  /** Compares a form's token in constant time. */
  csrfMatches(session: BrowserSession, token: string): boolean;
  /** Replaces what was remembered about a session; false when there is none. */
  annotate(subject: string, id: string, data: JsonObject): Promise<boolean>;
  /** Removes what has expired; answers how many. */
  purge(): Promise<number>;
}

export function browserSessions(options: SessionOptions): BrowserSessions {
  const { storage, resource = "browser-session", csrfKey, clock = systemClock, ended = () => [] } = options;
  const { idleMs = 30 * 60_000, absoluteMs = 12 * 3600_000 } = options;
  const key = (subject: string, id: string): ObjectKey => ({ resource, parent: subject, id });
  const sessionOf = (subject: string, id: string, { data, created, used, expires }: Stored): BrowserSession => ({
    id,
    subject,
    data,
    created,
    used,
    expires,
    csrf: keyedHash(csrfKey, `csrf\n${subject}\n${id}`),
  });
  const expiry = (created: number, used: number) => Math.min(used + idleMs, created + absoluteMs);

  async function find(subject: string, id: string): Promise<(Stored & { revision: number }) | undefined> {
    const entry = await storage.get(key(subject, id));
    if (entry?.kind !== "object") return undefined;
    const stored = JSON.parse(entry.body) as Stored;
    return stored.expires > clock.now() ? { ...stored, revision: entry.revision } : undefined;
  }
  async function end(subject: string, id: string, reason: EndReason = "revoked", context?: CommitContext) {
    const stored = await find(subject, id);
    if (stored === undefined) return false;
    return removeAll(storage, [key(subject, id)], ended(sessionOf(subject, id, stored), reason), context);
  }
  async function list(subject: string): Promise<readonly BrowserSession[]> {
    const entries = await storage.list(
      { resource, parent: subject },
      { sort: [{ field: "id", direction: "ascending" }], limit: 10_000 },
    );
    return entries
      .map((entry) => sessionOf(subject, entry.id, parseEntry(entry) as unknown as Stored))
      .filter((session) => session.expires > clock.now());
  }

  return {
    definition: { resource, indexes: [["expires"]], unique: [] },

    async start(subject, data = {}, also = [], context) {
      const [id, secret, now] = [crypto.randomUUID(), randomSecret(), clock.now()];
      const stored = { secret_hash: hashSecret(secret), data, created: now, used: now, expires: expiry(now, now) };
      await storage.commit(
        [
          {
            kind: "put",
            key: key(subject, id),
            body: JSON.stringify(stored),
            expect: { kind: "absent" },
            logBody: false,
          },
          ...also,
        ],
        context,
      );
      return { secret: packToken(subject, id, secret), session: sessionOf(subject, id, stored) };
    },

    async resolve(secret) {
      const parts = unpackToken(secret, 1);
      if (parts === undefined) return undefined;
      const { subject, id } = parts;
      const stored = await find(subject, id);
      if (stored === undefined || !equalText(stored.secret_hash, hashSecret(parts.secrets[0] ?? ""))) return undefined;
      const { revision, ...rest } = stored;
      const now = clock.now();
      // One write for many requests: the idle time is kept to within a tenth.
      if (now - stored.used < idleMs / 10) return sessionOf(subject, id, stored);
      const touched = { ...rest, used: now, expires: expiry(stored.created, now) };
      const body = JSON.stringify(touched);
      try {
        await storage.commit([
          { kind: "put", key: key(subject, id), body, expect: { kind: "revision", revision }, logBody: false },
        ]);
      } catch (error) {
        if (!isConflict(error)) throw error;
        // Touched by another request, or ended: the store knows.
        const current = await find(subject, id);
        return current === undefined ? undefined : sessionOf(subject, id, current);
      }
      return sessionOf(subject, id, touched);
    },

    list,
    end,
    async endAll(subject, reason = "revoked", except, context) {
      let count = 0;
      for (const { id } of await list(subject))
        if (id !== except && (await end(subject, id, reason, context))) count += 1;
      return count;
    },
    csrfMatches: (session, token) => equalText(session.csrf, token),
    annotate: (subject, id, data) => annotateRecord(storage, key(subject, id), data),
    purge: () => removeExpired(storage, resource, clock.now()),
  };
}

interface Stored {
  readonly secret_hash: string;
  readonly data: JsonObject;
  readonly created: number;
  readonly used: number;
  readonly expires: number;
}
