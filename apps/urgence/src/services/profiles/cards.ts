/** Cards in the store: made, changed, rotated, revoked, found by their token. */
import { type Clock, ServiceError } from "rouage";
import { type Change, CommitConflict, parseEntry, type Storage, type StoredObject } from "rouage/storage";
import type { CardTokens } from "./card-token.ts";
import { tokenPattern } from "./card-token.ts";
import { type CardPart, cardParts } from "./card-view.ts";
import { cardKey, notFound, tokenKey } from "./store.ts";

export interface Card {
  readonly token: string;
  readonly parts: readonly CardPart[];
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Cards {
  /** @throws ServiceError `object-not-found` */
  get(person: string): Promise<Card>;
  /** Makes the card, or changes its public parts; with `rotate` the old token stops working in the same commit. */
  put(person: string, wanted: { readonly parts?: readonly CardPart[]; readonly rotate?: boolean }): Promise<Card>;
  /** @throws ServiceError `object-not-found` */
  revoke(person: string): Promise<void>;
  /** Whose card this is and what it shows; undefined for every token that opens nothing. */
  find(token: string): Promise<{ readonly person: string; readonly parts: readonly CardPart[] } | undefined>;
}

export interface CardsOptions {
  readonly storage: Storage;
  readonly tokens: CardTokens;
  readonly clock: Clock;
}

interface StoredCard {
  readonly token_hash: string;
  readonly sealed: string;
  readonly parts: readonly CardPart[];
  readonly created_at: string;
  readonly updated_at: string;
}

export function cards({ storage, tokens, clock }: CardsOptions): Cards {
  const load = async (person: string) => {
    const entry = await storage.get(cardKey(person));
    return entry?.kind === "object" ? entry : undefined;
  };
  const stored = (entry: StoredObject) => parseEntry(entry) as unknown as StoredCard;

  const shown = (person: string, card: StoredCard): Card => {
    const token = tokens.unseal(card.sealed, person);
    // Sealed with a key that is gone: the card can't be shown again, only replaced.
    if (token === undefined) throw notFound("card");
    return { token, parts: card.parts, created_at: card.created_at, updated_at: card.updated_at };
  };

  return {
    async get(person) {
      const entry = await load(person);
      if (entry === undefined) throw notFound("card");
      return shown(person, stored(entry));
    },

    async put(person, { parts, rotate = false }) {
      const entry = await load(person);
      const old = entry === undefined ? undefined : stored(entry);
      const known = old === undefined ? undefined : tokens.unseal(old.sealed, person);
      const now = new Date(clock.now()).toISOString();
      const keep = known !== undefined && old !== undefined && !rotate;
      const token = keep ? known : tokens.make();
      const card: StoredCard = {
        token_hash: tokens.hash(token),
        sealed: keep ? old.sealed : tokens.seal(token, person),
        parts: cardParts.filter((part) => (parts ?? old?.parts ?? []).includes(part)),
        created_at: keep ? old.created_at : now,
        updated_at: now,
      };
      const changes: Change[] = [
        {
          kind: "put",
          key: cardKey(person),
          body: JSON.stringify(card),
          expect: entry === undefined ? { kind: "absent" } : { kind: "revision", revision: entry.revision },
          logBody: false,
        },
      ];
      if (!keep) {
        const key = tokenKey(card.token_hash);
        changes.push({
          kind: "put",
          key,
          body: JSON.stringify({ person }),
          expect: { kind: "absent" },
          logBody: false,
        });
        if (old !== undefined) changes.push({ kind: "delete", key: tokenKey(old.token_hash), expect: { kind: "any" } });
      }
      await commit(changes);
      return shown(person, card);
    },

    async revoke(person) {
      const entry = await load(person);
      if (entry === undefined) throw notFound("card");
      await commit([
        { kind: "delete", key: cardKey(person), expect: { kind: "revision", revision: entry.revision } },
        { kind: "delete", key: tokenKey(stored(entry).token_hash), expect: { kind: "any" } },
      ]);
    },

    async find(token) {
      if (!tokenPattern.test(token)) return undefined;
      const link = await storage.get(tokenKey(tokens.hash(token)));
      if (link?.kind !== "object") return undefined;
      const { person } = parseEntry(link);
      if (typeof person !== "string") return undefined;
      const entry = await load(person);
      return entry === undefined ? undefined : { person, parts: stored(entry).parts };
    },
  };

  /** Without the person as principal: the log of a token must not say whose it was. */
  async function commit(changes: readonly Change[]): Promise<void> {
    try {
      await storage.commit(changes);
    } catch (error) {
      if (error instanceof CommitConflict) throw new ServiceError("conflict", { headers: { "retry-after": "1" } });
      throw error;
    }
  }
}
