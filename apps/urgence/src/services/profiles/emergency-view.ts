/**
 * What a rescuer sees: a pure function of the profile and the time. It orders and ages what the person said and decides
 * nothing: what is concluded from an item says so (`derived`) and names the item.
 */
import { ageOn, monthsSince } from "./dates.ts";
import { pregnancyEnd } from "./pregnancy.ts";
import { type BandEntry, redBand } from "./red-band.ts";
import {
  type Identity,
  type Item,
  type Profile,
  type SectionName,
  type Statement,
  sectionNames,
  staleAfterMonths,
} from "./schema.ts";

export interface Aged {
  /** Whole months since somebody last confirmed it. */
  readonly age_months: number;
  /** Nobody has confirmed it for more than six months. */
  readonly stale: boolean;
}

export type ViewItem<N extends SectionName = SectionName> = Item<N> & Aged;

export interface ViewSection<N extends SectionName = SectionName> {
  readonly statement: Statement;
  readonly items: readonly ViewItem<N>[];
  /** Age of a `none-known` or `declined`. */
  readonly confirmed_at?: string;
  readonly age_months?: number;
  readonly stale?: boolean;
}

export interface ViewIdentity extends Identity {
  /** Preferred name, else given and family names; absent when none was given. */
  readonly name?: string;
  readonly age_years?: number;
  /** The birth date is partial: the person may be a year older. */
  readonly age_approximate?: boolean;
}

export interface EmergencyView {
  /** False: this person has never stored a profile; everything below says `no-information`. */
  readonly has_profile: boolean;
  /** When the view was made, and the profile last written. */
  readonly generated_at: string;
  readonly updated_at?: string;
  /** What kills first comes first. */
  readonly red_band: readonly (BandEntry & Aged)[];
  readonly identity: ViewIdentity;
  readonly sections: { readonly [N in SectionName]: ViewSection<N> };
  /** Blood group is what the person declared. */
  readonly blood_group_notice: "declared-not-for-transfusion";
  /** A pregnancy was recorded and has ended by its date; it is not among the sections any more. */
  readonly pregnancy_expired?: boolean;
  readonly what_matters?: string;
}

export interface ViewOptions {
  readonly now: number;
  /** `last_modified` of the profile; absent: none is stored. */
  readonly updated?: number;
}

export function emergencyView(profile: Profile, { now, updated }: ViewOptions): EmergencyView {
  const pregnancy = profile.pregnancy.items[0];
  const expired = pregnancy !== undefined && pregnancyEnd(pregnancy) < now;
  const current: Profile = expired ? { ...profile, pregnancy: { statement: "no-information", items: [] } } : profile;
  return {
    has_profile: updated !== undefined,
    generated_at: new Date(now).toISOString(),
    ...(updated === undefined ? {} : { updated_at: new Date(updated).toISOString() }),
    red_band: redBand(current).map((entry) => ({ ...entry, ...aged(entry.confirmed_at, now) })),
    identity: viewIdentity(profile.identity, now),
    sections: viewSections(current, now),
    blood_group_notice: "declared-not-for-transfusion",
    ...(expired ? { pregnancy_expired: true } : {}),
    ...(profile.what_matters === undefined ? {} : { what_matters: profile.what_matters }),
  };
}

export function aged(confirmedAt: string, now: number): Aged {
  const months = monthsSince(confirmedAt, now);
  const start = Date.parse(confirmedAt);
  // More than six months: the anniversary itself is not yet stale, the moment after it is.
  const stale = months > staleAfterMonths || (months === staleAfterMonths && pastAnniversary(start, now));
  return { age_months: months, stale };
}

function pastAnniversary(start: number, now: number): boolean {
  const anniversary = new Date(start);
  anniversary.setUTCMonth(anniversary.getUTCMonth() + staleAfterMonths);
  return now > anniversary.getTime();
}

function viewIdentity(identity: Identity, now: number): ViewIdentity {
  const full = [identity.given_names, identity.family_name].filter((part) => part !== undefined).join(" ");
  const name = identity.preferred_name ?? (full === "" ? undefined : full);
  const age = ageOn(identity.birth_date, now);
  return {
    ...identity,
    ...(name === undefined ? {} : { name }),
    ...(age === undefined ? {} : { age_years: age.years }),
    ...(age === undefined || age.exact ? {} : { age_approximate: true }),
  };
}

function viewSections(profile: Profile, now: number): EmergencyView["sections"] {
  const entries = sectionNames.map((name) => {
    const { statement, items, confirmed_at } = profile[name];
    const section = {
      statement,
      items: items.map((item) => ({ ...item, ...aged(item.confirmed_at, now) })),
      ...(confirmed_at === undefined || statement === "listed" ? {} : { confirmed_at, ...aged(confirmed_at, now) }),
    };
    return [name, section];
  });
  return Object.fromEntries(entries);
}
