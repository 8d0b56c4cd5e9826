/**
 * The medical profile: its shape, its bounds and its types. Every section says one of four things about itself, and every
 * item keeps the words that were typed. Knows neither storage nor HTTP; pages and other services import its types.
 */
import { type Static, type TProperties, Type } from "typebox";

/** Version of the shape below; older stored profiles are brought up to it when read, see `migrate.ts`. */
export const profileVersion = 1;

/**
 * What a section says: `listed`: here they are · `none-known`: there are none · `no-information`: nobody asked ·
 * `declined`: the person does not want to say. The last three are different answers to a rescuer.
 */
export const statements = ["listed", "none-known", "no-information", "declined"] as const;
export type Statement = (typeof statements)[number];

/** Sections made of items, in the order they are shown and exported. */
export const sectionNames = [
  "alerts",
  "allergies",
  "conditions",
  "medications",
  "devices",
  "blood_group",
  "pregnancy",
  "vaccinations",
  "operations",
  "disabilities",
  "directives",
  "contacts",
  "gp",
] as const;
export type SectionName = (typeof sectionNames)[number];

/** The sections that an International Patient Summary always carries, with a statement when they are empty. */
export const requiredSections = ["allergies", "conditions", "medications"] as const;

export const bounds = { items: 100, text: 500, note: 1000, whatMatters: 4000, photo: 140_000 } as const;

/** Most items a section holds. */
export const sectionLimits: Readonly<Record<SectionName, number>> = {
  ...(Object.fromEntries(sectionNames.map((name) => [name, bounds.items])) as Record<SectionName, number>),
  blood_group: 1,
  pregnancy: 1,
  contacts: 20,
  gp: 1,
};

const choice = <const T extends readonly string[]>(values: T, options = {}) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], ...options });

const words = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: "\\S", description });

/** `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; that the day exists is checked in `check.ts`. */
const partialDate = (description: string) =>
  Type.String({ pattern: "^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$", maxLength: 10, description });

const phone = Type.String({
  pattern: "^\\+[1-9][0-9]{6,14}$",
  maxLength: 16,
  description: "E.164, such as +33612345678",
});

const language = Type.String({
  pattern: "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
  maxLength: 35,
  description: "BCP 47, such as fr or pt-BR",
});
const languages = Type.Array(language, { maxItems: 10 });

export const codeSchema = Type.Object(
  {
    system: Type.String({ minLength: 1, maxLength: 256, description: "URI of the code system" }),
    code: Type.String({ minLength: 1, maxLength: 64 }),
    display: Type.Optional(Type.String({ minLength: 1, maxLength: 300 })),
  },
  { additionalProperties: false },
);
export type Code = Static<typeof codeSchema>;

export const confirmers = ["self", "import", "practitioner"] as const;
export type Confirmer = (typeof confirmers)[number];

const confirmation = {
  confirmed_at: Type.Optional(
    Type.String({
      pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
      maxLength: 40,
      description: "Last time somebody said that this is true. Leave it out to confirm now.",
    }),
  ),
  confirmed_by: Type.Optional(choice(confirmers, { description: "Who said so; set by the server." })),
};

const itemBase = {
  id: Type.Optional(
    Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$", maxLength: 64, description: "Made by the server when absent." }),
  ),
  ...confirmation,
  note: Type.Optional(words(bounds.note, "Anything else worth knowing")),
};
const text = words(bounds.text, "In the person's own words; kept as typed");
const coded = { ...itemBase, text, code: Type.Optional(codeSchema) };

const item = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });

export const severities = ["mild", "moderate", "severe", "life-threatening"] as const;
export const criticalities = ["low", "high", "unable-to-assess"] as const;
export const allergyStatuses = ["active", "inactive", "resolved"] as const;
export const conditionStatuses = ["active", "past"] as const;
export const deviceKinds = [
  "pacemaker",
  "defibrillator",
  "heart-valve",
  "stent",
  "insulin-pump",
  "neurostimulator",
  "cochlear-implant",
  "aneurysm-clip",
  "shunt",
  "joint-prosthesis",
  "other",
] as const;
export const mriSafeties = ["safe", "conditional", "unsafe", "unknown"] as const;
export const alertKinds = [
  "anticoagulant",
  "pacemaker",
  "implant",
  "adrenal-insufficiency",
  "haemophilia",
  "do-not",
  "other",
] as const;
export const aboGroups = ["A", "B", "AB", "O"] as const;
export const rhesusFactors = ["positive", "negative"] as const;
export const disabilityKinds = ["hearing", "sight", "speech", "mobility", "cognitive", "psychic", "other"] as const;
export const directiveKinds = [
  "do-not-resuscitate",
  "refuses-transfusion",
  "do-not-other",
  "advance-directive",
  "organ-donation-refusal",
  "organ-donation-consent",
  "trusted-person",
  "other",
] as const;

/** One item of each section, as a client may send it. */
export const itemSchemas = {
  alerts: item({ ...coded, kind: choice(alertKinds) }),
  /** `text` is the substance. A missing status means active. */
  allergies: item({
    ...coded,
    reaction: Type.Optional(words(bounds.text, "What happens")),
    severity: Type.Optional(choice(severities)),
    criticality: Type.Optional(choice(criticalities)),
    status: Type.Optional(choice(allergyStatuses)),
  }),
  /** A missing status means active. */
  conditions: item({
    ...coded,
    since: Type.Optional(partialDate("Since when")),
    status: Type.Optional(choice(conditionStatuses)),
  }),
  /** `text` is the medicine's name. */
  medications: item({
    ...coded,
    dose: Type.Optional(words(200, "How much, such as 5 mg")),
    route: Type.Optional(words(100, "By mouth, injection …")),
    frequency: Type.Optional(words(200, "How often")),
    since: Type.Optional(partialDate("Since when")),
    anticoagulant: Type.Optional(Type.Boolean({ description: "Thins the blood" })),
  }),
  devices: item({
    ...coded,
    kind: Type.Optional(choice(deviceKinds)),
    model: Type.Optional(words(200, "Maker and model")),
    udi: Type.Optional(words(200, "Unique device identifier as printed on the device's card")),
    mri_safety: Type.Optional(choice(mriSafeties)),
    since: Type.Optional(partialDate("Since when")),
  }),
  /** Declared by the person: never for transfusion. */
  blood_group: item({
    ...itemBase,
    text: Type.Optional(text),
    abo: choice(aboGroups),
    rhesus: Type.Optional(choice(rhesusFactors)),
  }),
  /** Ends by itself, see `pregnancyEnd`. */
  pregnancy: item({ ...itemBase, text: Type.Optional(text), due_date: Type.Optional(partialDate("Expected birth")) }),
  vaccinations: item({ ...coded, date: Type.Optional(partialDate("When")) }),
  operations: item({ ...coded, date: Type.Optional(partialDate("When")) }),
  disabilities: item({
    ...coded,
    kind: Type.Optional(choice(disabilityKinds)),
    communication: Type.Optional(words(bounds.text, "How best to communicate")),
  }),
  directives: item({
    ...coded,
    kind: choice(directiveKinds),
    location: Type.Optional(words(200, "Where the document is kept")),
    name: Type.Optional(words(200, "Name of the trusted person")),
    phone: Type.Optional(phone),
  }),
  contacts: item({
    ...itemBase,
    name: words(200, "Name"),
    relation: Type.Optional(words(100, "Relation to the person")),
    phone: Type.Optional(phone),
    languages: Type.Optional(languages),
  }),
  gp: item({
    ...itemBase,
    name: words(200, "Name"),
    phone: Type.Optional(phone),
    address: Type.Optional(words(bounds.text, "Address")),
  }),
} as const satisfies Record<SectionName, unknown>;

const nothingSaid = { statement: "no-information", items: [] };

const section = <N extends SectionName>(name: N) =>
  Type.Object(
    {
      statement: choice(statements, { description: "`listed` exactly when there are items." }),
      items: Type.Array(itemSchemas[name] as (typeof itemSchemas)[N], { maxItems: sectionLimits[name], default: [] }),
      ...confirmation,
    },
    { additionalProperties: false, default: nothingSaid },
  );

export const identitySchema = Type.Object(
  {
    given_names: Type.Optional(words(200, "Given names")),
    family_name: Type.Optional(words(200, "Family name")),
    preferred_name: Type.Optional(words(200, "What the person wants to be called")),
    birth_date: Type.Optional(
      Type.String({
        pattern: "^([0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?|unknown)$",
        maxLength: 10,
        description: "YYYY, YYYY-MM, YYYY-MM-DD, or `unknown` when it is known not to be known",
      }),
    ),
    sex: Type.Optional(choice(["female", "male", "other", "unknown"] as const)),
    languages: Type.Optional(languages),
    photo: Type.Optional(
      Type.String({
        pattern: "^data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/]+={0,2}$",
        maxLength: bounds.photo,
        description: "data: URL of a JPEG, PNG or WebP of at most 100 KB",
      }),
    ),
  },
  { additionalProperties: false, default: {} },
);
export type Identity = Static<typeof identitySchema>;

/** The profile as clients may send it: `{}` is a fresh one. */
export const profileSchema = Type.Object({
  schema_version: Type.Integer({ minimum: profileVersion, maximum: profileVersion, default: profileVersion }),
  identity: identitySchema,
  alerts: section("alerts"),
  allergies: section("allergies"),
  conditions: section("conditions"),
  medications: section("medications"),
  devices: section("devices"),
  blood_group: section("blood_group"),
  pregnancy: section("pregnancy"),
  vaccinations: section("vaccinations"),
  operations: section("operations"),
  disabilities: section("disabilities"),
  directives: section("directives"),
  contacts: section("contacts"),
  gp: section("gp"),
  what_matters: Type.Optional(words(bounds.whatMatters, "What matters to me, in the person's own words")),
});

/** A valid profile before the server has filled in ids and confirmations. */
export type ProfileInput = Static<typeof profileSchema>;

/** An item of this section as it is stored: with its id, and with when and by whom it was last confirmed. */
export type Item<N extends SectionName = SectionName> = N extends SectionName
  ? Static<(typeof itemSchemas)[N]> & {
      readonly id: string;
      readonly confirmed_at: string;
      readonly confirmed_by: Confirmer;
    }
  : never;

export interface Section<N extends SectionName = SectionName> {
  readonly statement: Statement;
  readonly items: readonly Item<N>[];
  /** When `none-known` or `declined` was last said. */
  readonly confirmed_at?: string;
  readonly confirmed_by?: Confirmer;
}

/** The profile as it is stored and read. */
export type Profile = {
  readonly schema_version: number;
  readonly identity: Readonly<Identity>;
  readonly what_matters?: string;
} & { readonly [N in SectionName]: Section<N> };

/** A profile in which nobody has been asked anything yet. */
export function freshProfile(): Profile {
  const sections = sectionNames.map((name) => [name, { statement: "no-information", items: [] }]);
  return { schema_version: profileVersion, identity: {}, ...Object.fromEntries(sections) };
}

/** What an item is called: its text, a contact's name, a blood group's letters. */
export function itemText(item: Item): string {
  if ("abo" in item && item.text === undefined) return bloodGroupText(item.abo, item.rhesus);
  if ("text" in item && item.text !== undefined) return item.text;
  return "name" in item && item.name !== undefined ? item.name : "";
}

export function bloodGroupText(abo: string, rhesus: string | undefined): string {
  return `${abo}${rhesus === "positive" ? "+" : rhesus === "negative" ? "-" : ""}`;
}

/** What was said by import is as old as the document; an item is stale when nobody confirmed it for this many months. */
export const staleAfterMonths = 6;
