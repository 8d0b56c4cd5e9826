/** "What is missing / still true?": questions to the person about their own profile, the vital ones first. */
import { aged } from "./emergency-view.ts";
import { pregnancyEnd } from "./pregnancy.ts";
import { itemText, type Profile, requiredSections, type SectionName, sectionNames } from "./schema.ts";

export interface Question {
  readonly kind: /** Nobody has said anything here yet. */
    | "unanswered"
    /** An item or statement that nobody confirmed for more than six months. */
    | "still-true"
    /** An item lacks a detail that a rescuer would ask for. */
    | "incomplete"
    /** A pregnancy whose time is over. */
    | "over";
  /** 1: changes what a rescuer does; 2: helps; 3: good to have. */
  readonly priority: 1 | 2 | 3;
  readonly section: SectionName | "identity" | "what_matters";
  /** Field of the section or item that is meant. */
  readonly field?: string;
  readonly item_id?: string;
  /** Words of the item. */
  readonly text?: string;
  readonly age_months?: number;
}

export function questions(profile: Profile, now: number): Question[] {
  const found = [
    ...identityQuestions(profile),
    ...sectionNames.flatMap((name) => sectionQuestions(profile, name, now)),
  ];
  if (profile.what_matters === undefined) found.push({ kind: "unanswered", priority: 3, section: "what_matters" });
  return found.sort((a, b) => a.priority - b.priority);
}

function identityQuestions({ identity }: Profile): Question[] {
  const ask = (field: string, priority: 1 | 2 | 3): Question => ({
    kind: "unanswered",
    priority,
    section: "identity",
    field,
  });
  const found: Question[] = [];
  if (identity.given_names === undefined && identity.preferred_name === undefined) found.push(ask("given_names", 1));
  if (identity.family_name === undefined) found.push(ask("family_name", 1));
  if (identity.birth_date === undefined) found.push(ask("birth_date", 1));
  if (identity.sex === undefined) found.push(ask("sex", 2));
  if (identity.languages === undefined || identity.languages.length === 0) found.push(ask("languages", 2));
  if (identity.photo === undefined) found.push(ask("photo", 3));
  return found;
}

/** How much an unanswered section matters. Pregnancy and vaccinations are asked for last; they concern fewer people. */
const priorities: Partial<Record<SectionName, 1 | 2 | 3>> = {
  ...Object.fromEntries(requiredSections.map((name) => [name, 1])),
  alerts: 1,
  devices: 1,
  contacts: 1,
  pregnancy: 3,
  vaccinations: 3,
};

/** What a rescuer would ask about an item of each section. */
const wanted: Partial<Record<SectionName, readonly string[]>> = {
  allergies: ["reaction", "severity"],
  medications: ["dose"],
  devices: ["kind", "model", "mri_safety"],
  blood_group: ["rhesus"],
  contacts: ["phone"],
};

function sectionQuestions(profile: Profile, section: SectionName, now: number): Question[] {
  const { statement, items, confirmed_at } = profile[section];
  const priority = priorities[section] ?? 2;
  if (statement === "no-information") return [{ kind: "unanswered", priority, section }];
  if (statement === "none-known") {
    const age = confirmed_at === undefined ? undefined : aged(confirmed_at, now);
    return age?.stale ? [{ kind: "still-true", priority, section, age_months: age.age_months }] : [];
  }
  return items.flatMap((item): Question[] => {
    const about = { section, item_id: item.id, text: itemText(item) };
    if (section === "pregnancy" && pregnancyEnd(item) < now) return [{ kind: "over", priority: 1, ...about }];
    const fields = (wanted[section] ?? []).filter((field) => !(field in item));
    const incomplete = fields.map((field): Question => ({ kind: "incomplete", priority: 2, ...about, field }));
    const { stale, age_months } = aged(item.confirmed_at, now);
    return stale ? [{ kind: "still-true", priority, ...about, age_months }, ...incomplete] : incomplete;
  });
}
