/** Where the profiles service keeps what: keys, and the reading and erasing of everything that belongs to one person. */
import { ServiceError } from "rouage";
import { type Change, type EraseScope, type ObjectKey, parseEntry, type Storage } from "rouage/storage";
import { readProfile } from "./migrate.ts";
import type { Profile } from "./schema.ts";

export const lists = { profile: "profile", card: "card", cardTokens: "card-tokens", events: "profile-events" } as const;

const defining = new WeakMap<Storage, Promise<void>>();

/** Declares the lists that are no resources, once for each storage. */
export function defineLists(storage: Storage): Promise<void> {
  const known = defining.get(storage);
  if (known !== undefined) return known;
  const plain = (name: string) => ({ resource: name, indexes: [], unique: [] });
  const made = storage.define([lists.card, lists.cardTokens, lists.events].map(plain));
  defining.set(storage, made);
  return made;
}

/** Profile and card are one object a person, in a list of the person's own. */
export const profileKey = (person: string): ObjectKey => ({ resource: lists.profile, parent: person, id: "profile" });
export const cardKey = (person: string): ObjectKey => ({ resource: lists.card, parent: person, id: "card" });
/** A card is found by the keyed hash of its token. */
export const tokenKey = (hash: string): ObjectKey => ({ resource: lists.cardTokens, parent: "", id: hash });

export interface StoredProfile {
  readonly profile: Profile;
  readonly revision: number;
}

export async function loadProfile(storage: Storage, person: string): Promise<StoredProfile | undefined> {
  const entry = await storage.get(profileKey(person));
  if (entry?.kind !== "object") return undefined;
  return { profile: readProfile(parseEntry(entry)), revision: entry.revision };
}

/** `profile.updated` names the sections that changed, never what they say. */
export function updatedEvent(person: string, sections: readonly string[]): Change {
  const key = { resource: lists.events, parent: person, id: person };
  return { kind: "event", key, type: "profile.updated", data: { person, sections: [...sections] } };
}

export interface ProfileErasure {
  readonly profiles: number;
  /** Versions of the profile in its history. */
  readonly versions: number;
  readonly cards: number;
  /** Log entries blanked, those of the versions included. */
  readonly log_entries: number;
}

/** Erases for good: profile, history, card, the card's token, events. The event `profile.erased` with the id alone stays. */
export async function erasePerson(storage: Storage, person: string, requestId: string): Promise<ProfileErasure> {
  // Commands erase without the tasks of a service that runs.
  await defineLists(storage);
  const card = await storage.get(cardKey(person));
  const scopes: EraseScope[] = [lists.profile, lists.card, lists.events].map((resource) => ({
    resource,
    parent: person,
  }));
  if (card?.kind === "object") {
    const { token_hash } = parseEntry(card);
    if (typeof token_hash === "string") scopes.push({ resource: lists.cardTokens, parent: "", id: token_hash });
  }
  const profile = await storage.get(profileKey(person));
  let versions = 0;
  for await (const entry of storage.log({ resources: [lists.profile], parent: person })) {
    if (entry.body !== undefined) versions += 1;
  }
  const { logEntries } = await storage.erase(scopes);
  const key = { resource: lists.events, parent: "", id: person };
  await storage.commit([{ kind: "event", key, type: "profile.erased", data: { person } }], { requestId });
  return {
    profiles: profile?.kind === "object" ? 1 : 0,
    versions,
    cards: card?.kind === "object" ? 1 : 0,
    log_entries: logEntries,
  };
}

export function notFound(resource: string): ServiceError {
  return new ServiceError("object-not-found", { details: { id: resource, resource_name: resource } });
}
