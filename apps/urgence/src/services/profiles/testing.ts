/** Profiles for tests: a full example, and a generator of valid ones. */
import fc from "fast-check";
import { completeProfile } from "./complete.ts";
import {
  alertKinds,
  criticalities,
  deviceKinds,
  directiveKinds,
  disabilityKinds,
  mriSafeties,
  type Profile,
  type ProfileInput,
  profileVersion,
  sectionNames,
  severities,
} from "./schema.ts";

export const testNow = Date.UTC(2026, 5, 15, 12);

/** A string that a person may type: something visible, trimmed, without control characters or lone surrogates. */
const typed = (maxLength: number) =>
  fc
    .string({ unit: "grapheme", minLength: 1, maxLength: Math.min(maxLength, 40) })
    .map((value) => value.replace(/\p{C}/gu, "").replace(/\s+/g, " ").trim())
    .filter((value) => value !== "" && value.length <= maxLength);

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const date = fc
  .tuple(
    fc.integer({ min: 1930, max: 2025 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
    fc.nat(2),
  )
  .map(([year, month, day, precision]) =>
    [String(year), String(month).padStart(2, "0"), String(day).padStart(2, "0")].slice(0, precision + 1).join("-"),
  );
const phone = fc.integer({ min: 600000000, max: 699999999 }).map((number) => `+33${number}`);
const languages = fc.uniqueArray(fc.constantFrom("fr", "en", "de", "pt-BR", "ar"), { maxLength: 3, minLength: 1 });
const code = fc.record({ system: fc.constant("http://snomed.info/sct"), code: fc.stringMatching(/^[1-9][0-9]{5,8}$/) });

const pick = fc.constantFrom;
const words = { text: typed(500), note: maybe(typed(1000)), code: maybe(code) };
const plain = { text: maybe(typed(500)), note: maybe(typed(1000)) };

const items = {
  alerts: fc.record({ ...words, kind: pick(...alertKinds) }),
  allergies: fc.record({
    ...words,
    reaction: maybe(typed(500)),
    severity: maybe(pick(...severities)),
    criticality: maybe(pick(...criticalities)),
    status: maybe(pick("active" as const, "inactive" as const, "resolved" as const)),
  }),
  conditions: fc.record({ ...words, since: maybe(date), status: maybe(pick("active" as const, "past" as const)) }),
  medications: fc.record({
    ...words,
    dose: maybe(typed(200)),
    route: maybe(typed(100)),
    frequency: maybe(typed(200)),
    since: maybe(date),
    anticoagulant: maybe(fc.constant(true)),
  }),
  devices: fc.record({
    ...words,
    kind: maybe(pick(...deviceKinds)),
    model: maybe(typed(200)),
    udi: maybe(typed(200)),
    mri_safety: maybe(pick(...mriSafeties)),
    since: maybe(date),
  }),
  blood_group: fc.record({ ...plain, abo: pick("A", "B", "AB", "O"), rhesus: maybe(pick("positive", "negative")) }),
  pregnancy: fc.record({ ...plain, due_date: maybe(pick("2026-09", "2026-08-01", "2026-06-20")) }),
  vaccinations: fc.record({ ...words, date: maybe(date) }),
  operations: fc.record({ ...words, date: maybe(date) }),
  disabilities: fc.record({ ...words, kind: maybe(pick(...disabilityKinds)), communication: maybe(typed(500)) }),
  directives: fc.record({
    ...words,
    kind: pick(...directiveKinds),
    location: maybe(typed(200)),
    name: maybe(typed(200)),
    phone: maybe(phone),
  }),
  contacts: fc.record({
    note: maybe(typed(1000)),
    name: typed(200),
    relation: maybe(typed(100)),
    phone: maybe(phone),
    languages: maybe(languages),
  }),
  gp: fc.record({ note: maybe(typed(1000)), name: typed(200), phone: maybe(phone), address: maybe(typed(500)) }),
} as const;

const single = new Set(["blood_group", "pregnancy", "gp"]);

const identity = fc.record({
  given_names: maybe(typed(200)),
  family_name: maybe(typed(200)),
  preferred_name: maybe(typed(200)),
  birth_date: maybe(fc.oneof(date, fc.constant("unknown"))),
  sex: maybe(pick("female", "male", "other", "unknown")),
  languages: maybe(languages),
  photo: maybe(fc.constant("data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==")),
});

/** Valid profiles as a client may send them. */
export const profileInputs: fc.Arbitrary<ProfileInput> = fc
  .record({
    identity,
    what_matters: maybe(typed(4000)),
    sections: fc.record(
      Object.fromEntries(
        sectionNames.map((name) => {
          const listed = fc
            .array(items[name] as fc.Arbitrary<object>, { minLength: 1, maxLength: single.has(name) ? 1 : 4 })
            .map((list) => ({ statement: "listed", items: list }));
          const empty = pick("none-known", "no-information", "declined").map((statement) => ({ statement, items: [] }));
          return [name, fc.oneof(listed, empty)];
        }),
      ),
    ),
  })
  .map(({ sections, ...rest }) => withoutUndefined({ schema_version: profileVersion, ...rest, ...sections }));

/** Valid profiles as they are stored. */
export const profiles: fc.Arbitrary<Profile> = profileInputs.map((input) => completed(input));

/** `input` as the server would store it at `testNow`, with ids counted up. */
export function completed(input: ProfileInput, previous?: Profile, now = testNow): Profile {
  let count = previous === undefined ? 0 : 1000;
  return completeProfile(input, { previous, now, newId: () => `item-${++count}` });
}

function withoutUndefined<T>(value: object): T {
  return JSON.parse(JSON.stringify(value));
}

const empty = { statement: "no-information" as const, items: [] };

/** A person with everything that a rescuer must see. */
export const exampleInput: ProfileInput = {
  schema_version: 1,
  identity: {
    given_names: "Zélie Quennebert",
    family_name: "Vautrinelle",
    preferred_name: "Zouzou",
    birth_date: "1958-02-11",
    sex: "female",
    languages: ["fr", "br"],
  },
  alerts: { statement: "listed", items: [{ text: "Never lay flat", kind: "do-not" }] },
  allergies: {
    statement: "listed",
    items: [
      { text: "Pénicilline", severity: "life-threatening", reaction: "Choc anaphylactique", status: "active" },
      { text: "Latex", severity: "mild" },
      { text: "Iode", criticality: "high" },
    ],
  },
  conditions: {
    statement: "listed",
    items: [
      { text: "Maladie d'Addison", since: "1999" },
      { text: "Appendicite", status: "past", since: "1970-05" },
    ],
  },
  medications: {
    statement: "listed",
    items: [
      { text: "Xarelto", dose: "20 mg", route: "per os", frequency: "1 x par jour", since: "2019-03" },
      { text: "Hydrocortisone", dose: "20 mg" },
    ],
  },
  devices: {
    statement: "listed",
    items: [{ text: "Stimulateur cardiaque", kind: "pacemaker", model: "Azure XT DR", mri_safety: "conditional" }],
  },
  blood_group: { statement: "listed", items: [{ abo: "O", rhesus: "negative" }] },
  pregnancy: { statement: "none-known", items: [] },
  vaccinations: { statement: "declined", items: [] },
  operations: empty,
  disabilities: { statement: "listed", items: [{ text: "Malentendante", kind: "hearing", communication: "Écrire" }] },
  directives: { statement: "listed", items: [{ text: "Pas de réanimation", kind: "do-not-resuscitate" }] },
  contacts: { statement: "listed", items: [{ name: "Ignace Vautrinelle", relation: "fils", phone: "+33612345678" }] },
  gp: { statement: "listed", items: [{ name: "Dr Pétronille Escoffyer", phone: "+33298000000" }] },
  what_matters: "Mon chat Barnabé est seul à la maison.",
};
