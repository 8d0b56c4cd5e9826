/** What the holder of a card sees: only the parts that the person made public, and which parts these are. Pure. */
import { type EmergencyView, emergencyView, type ViewOptions } from "./emergency-view.ts";
import { freshProfile, type Profile, type SectionName, sectionNames } from "./schema.ts";

/** What a person can make public; nothing is unless they choose it. */
export const cardParts = ["identity", ...sectionNames, "what_matters"] as const;
export type CardPart = (typeof cardParts)[number];

export interface CardView {
  /** First letters of the name: enough to see whether the card belongs to this person. */
  readonly initials?: string;
  /** The public parts; what is not among them was kept back, which says nothing about the person. */
  readonly parts: readonly CardPart[];
  /** Names, age, sex, languages, photo. Never the birth date: it opens too many other doors. */
  readonly identity?: Omit<EmergencyView["identity"], "birth_date">;
  readonly sections: Partial<EmergencyView["sections"]>;
  /** Made from the public parts alone. */
  readonly red_band: EmergencyView["red_band"];
  readonly what_matters?: string;
  readonly updated_at?: string;
  readonly generated_at: string;
  readonly blood_group_notice?: EmergencyView["blood_group_notice"];
}

export function cardView(profile: Profile, parts: readonly CardPart[], options: ViewOptions): CardView {
  const isPublic = (part: CardPart) => parts.includes(part);
  const hidden = freshProfile();
  const visible: Profile = {
    ...hidden,
    identity: profile.identity,
    ...Object.fromEntries(sectionNames.filter(isPublic).map((name) => [name, profile[name]])),
  };
  const view = emergencyView(visible, options);
  const { birth_date: _, ...identity } = view.identity;
  const initials = initialsOf(profile);
  return {
    ...(initials === "" ? {} : { initials }),
    parts: cardParts.filter(isPublic),
    ...(isPublic("identity") ? { identity } : {}),
    red_band: view.red_band,
    sections: Object.fromEntries(sectionNames.filter(isPublic).map((name) => [name, view.sections[name]])) as {
      [N in SectionName]?: EmergencyView["sections"][N];
    },
    ...(isPublic("what_matters") && profile.what_matters !== undefined ? { what_matters: profile.what_matters } : {}),
    ...(view.updated_at === undefined ? {} : { updated_at: view.updated_at }),
    generated_at: view.generated_at,
    ...(isPublic("blood_group") ? { blood_group_notice: view.blood_group_notice } : {}),
  };
}

function initialsOf({ identity }: Profile): string {
  const names = [identity.preferred_name ?? identity.given_names, identity.family_name];
  return names.flatMap((name) => (name === undefined ? [] : [`${[...name.trim()][0]?.toUpperCase()}.`])).join(" ");
}
