/**
 * Refresh tokens that rotate (RFC 9700 §4.14.2): each is used once; using an old one again means that somebody else has it, and ends the whole family.
 * There is no grace for an answer that got lost, and none for two refreshes at once: clients send one at a time.
 */
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
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
import { equalText, hashSecret, packToken, randomSecret, unpackToken } from "./secrets.ts";

export interface RefreshOptions {
  readonly storage: Storage;
  /** List that holds the families. Default `refresh-family`. */
  readonly resource?: string;
  readonly clock?: Clock;
  /** A family ends when unused for this long. Default 30 days. */
  readonly idleMs?: number;
  /** A family ends at this age in any case. Default 180 days. */
  readonly absoluteMs?: number;
  /** Changes that go into the commit that ends a family, for example an event. */
  readonly ended?: (family: RefreshFamily, reason: EndReason) => readonly Change[];
}

export type EndReason = "signed-out" | "reused" | "expired" | "revoked";

/** One sign-in and the tokens that came from it. */
export interface RefreshFamily {
  readonly id: string;
  readonly subject: string;
  /** What the issuer wanted to remember. */
  readonly data: JsonObject;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly used: number;
  readonly expires: number;
}

export interface RefreshGrant {
  readonly token: string;
  readonly family: RefreshFamily;
}

export interface RefreshTokens {
  /** To be passed to `storage.define` before use. */
  readonly definition: ListDefinition;
  /** Starts a family. `also`: changes for the same commit. */
  issue(subject: string, data?: JsonObject, also?: readonly Change[], context?: CommitContext): Promise<RefreshGrant>;
  /** Trades a token for the next one. @throws ServiceError `invalid-credentials` for any that is not the current one */
  rotate(token: string, context?: CommitContext): Promise<RefreshGrant>;
  get(subject: string, id: string): Promise<RefreshFamily | undefined>;
  list(subject: string): Promise<readonly RefreshFamily[]>;
  /** Ends one family; false when there is none. */
  end(subject: string, id: string, reason?: EndReason, context?: CommitContext): Promise<boolean>;
  /** Ends every family of a subject, except one. */
  endAll(subject: string, reason?: EndReason, except?: string, context?: CommitContext): Promise<number>;
  /** Replaces what was remembered about a family; false when there is none. */
  annotate(subject: string, id: string, data: JsonObject): Promise<boolean>;
  /** Removes what has expired; answers how many. */
  purge(): Promise<number>;
}

export function refreshTokens(options: RefreshOptions): RefreshTokens {
  const { storage, resource = "refresh-family", clock = systemClock, ended = () => [] } = options;
  const { idleMs = 30 * 86_400_000, absoluteMs = 180 * 86_400_000 } = options;
  const key = (subject: string, id: string): ObjectKey => ({ resource, parent: subject, id });

  async function find(subject: string, id: string): Promise<(Stored & { revision: number }) | undefined> {
    const entry = await storage.get(key(subject, id));
    if (entry?.kind !== "object") return undefined;
    return { ...(JSON.parse(entry.body) as Stored), revision: entry.revision };
  }
  async function end(subject: string, id: string, reason: EndReason = "revoked", context?: CommitContext) {
    const stored = await find(subject, id);
    if (stored === undefined) return false;
    const changes = ended(familyOf(subject, id, stored), reason);
    return removeAll(storage, [key(subject, id)], changes, context);
  }
  async function list(subject: string): Promise<readonly RefreshFamily[]> {
    const entries = await storage.list(
      { resource, parent: subject },
      { sort: [{ field: "id", direction: "ascending" }], limit: 10_000 },
    );
    return entries
      .map((entry) => familyOf(subject, entry.id, parseEntry(entry) as unknown as Stored))
      .filter((family) => family.expires > clock.now());
  }

  async function rotate(token: string, context?: CommitContext): Promise<RefreshGrant> {
    const parts = unpackToken(token, 2);
    if (parts === undefined) throw refused("malformed");
    const { subject, id, secrets } = parts;
    const [familySecret = "", secret = ""] = secrets;
    const stored = await find(subject, id);
    // Only who once held a token of this family knows its family secret: a guess can't end other people's sessions.
    if (stored === undefined || !equalText(stored.family_hash, hashSecret(familySecret))) throw refused("unknown");
    if (stored.expires <= clock.now()) throw refused("expired");
    if (!equalText(stored.token_hash, hashSecret(secret))) {
      await end(subject, id, "reused", context);
      throw refused("reused");
    }
    const next = randomSecret();
    const now = clock.now();
    const expires = Math.min(now + idleMs, stored.created + absoluteMs);
    const { revision, ...rest } = stored;
    const renewed: Stored = { ...rest, token_hash: hashSecret(next), used: now, expires };
    try {
      await storage.commit([put(key(subject, id), renewed, { kind: "revision", revision })], context);
    } catch (error) {
      if (!isConflict(error)) throw error;
      // Somebody was faster: the same token again, which the next look will tell, or a note was added.
      return rotate(token, context);
    }
    return { token: packToken(subject, id, familySecret, next), family: familyOf(subject, id, renewed) };
  }

  return {
    definition: { resource, indexes: [["expires"]], unique: [] },

    async issue(subject, data = {}, also = [], context) {
      const [id, familySecret, secret] = [crypto.randomUUID(), randomSecret(16), randomSecret()];
      const now = clock.now();
      const stored: Stored = {
        family_hash: hashSecret(familySecret),
        token_hash: hashSecret(secret),
        data,
        created: now,
        used: now,
        expires: now + Math.min(idleMs, absoluteMs),
      };
      await storage.commit([put(key(subject, id), stored, { kind: "absent" }), ...also], context);
      return { token: packToken(subject, id, familySecret, secret), family: familyOf(subject, id, stored) };
    },

    rotate,

    async get(subject, id) {
      const stored = await find(subject, id);
      return stored === undefined || stored.expires <= clock.now() ? undefined : familyOf(subject, id, stored);
    },
    list,
    end,
    async endAll(subject, reason = "revoked", except, context) {
      const families = (await list(subject)).filter((family) => family.id !== except);
      let count = 0;
      for (const family of families) if (await end(subject, family.id, reason, context)) count += 1;
      return count;
    },
    annotate: (subject, id, data) => annotateRecord(storage, key(subject, id), data),
    purge: () => removeExpired(storage, resource, clock.now()),
  };
}

interface Stored {
  readonly family_hash: string;
  readonly token_hash: string;
  readonly data: JsonObject;
  readonly created: number;
  readonly used: number;
  readonly expires: number;
}

function familyOf(subject: string, id: string, { data, created, used, expires }: Stored): RefreshFamily {
  return { id, subject, data, created, used, expires };
}

function put(key: ObjectKey, stored: Stored, expect: Extract<Change, { kind: "put" }>["expect"]): Change {
  return { kind: "put", key, body: JSON.stringify(stored), expect, logBody: false };
}

function refused(reason: string): ServiceError {
  return new ServiceError("invalid-credentials", { cause: new Error(`refresh token ${reason}`) });
}
