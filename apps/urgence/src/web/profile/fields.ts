/** Which fields the editor of each section shows, in which order, and what each is called. */
import {
  aboGroups,
  alertKinds,
  allergyStatuses,
  conditionStatuses,
  deviceKinds,
  directiveKinds,
  disabilityKinds,
  mriSafeties,
  rhesusFactors,
  type SectionName,
  severities,
} from "../../services/profiles/schema.ts";
import type { Dictionary } from "../i18n/dictionary.ts";

export interface ItemField {
  readonly name: string;
  readonly label: keyof Dictionary["fields"];
  readonly kind: "text" | "area" | "choice" | "date" | "phone" | "check" | "languages";
  readonly hint?: keyof Dictionary["fields"];
  readonly choices?: readonly string[];
  readonly required?: boolean;
  readonly maxLength?: number;
  /** True: folded away under "more details". */
  readonly more?: boolean;
}

const text = (label: ItemField["label"]): ItemField => ({
  name: "text",
  label,
  kind: "text",
  required: true,
  maxLength: 500,
});
const since: ItemField = { name: "since", label: "since", kind: "date", hint: "dateHint" };
const day: ItemField = { name: "date", label: "date", kind: "date", hint: "dateHint" };
const note: ItemField = { name: "note", label: "note", kind: "area", maxLength: 1000, more: true };
const phone: ItemField = { name: "phone", label: "phone", kind: "phone" };
const kind = (choices: readonly string[], required = false): ItemField => ({
  name: "kind",
  label: "kind",
  kind: "choice",
  choices,
  required,
});

export const itemFields: Readonly<Record<SectionName, readonly ItemField[]>> = {
  alerts: [kind(alertKinds, true), text("alert"), note],
  allergies: [
    text("substance"),
    { name: "severity", label: "severity", kind: "choice", choices: severities },
    { name: "reaction", label: "reaction", kind: "text", maxLength: 500 },
    { name: "status", label: "status", kind: "choice", choices: allergyStatuses, more: true },
    note,
  ],
  conditions: [
    text("illness"),
    since,
    { name: "status", label: "status", kind: "choice", choices: conditionStatuses },
    note,
  ],
  medications: [
    text("medicine"),
    { name: "dose", label: "dose", kind: "text", maxLength: 200 },
    { name: "frequency", label: "frequency", kind: "text", maxLength: 200 },
    { name: "anticoagulant", label: "anticoagulant", kind: "check" },
    { name: "route", label: "route", kind: "text", hint: "routeHint", maxLength: 100, more: true },
    { ...since, more: true },
    note,
  ],
  devices: [
    kind(deviceKinds),
    text("device"),
    { name: "model", label: "model", kind: "text", maxLength: 200 },
    { name: "mri_safety", label: "mri_safety", kind: "choice", choices: mriSafeties },
    { ...since, more: true },
    { name: "udi", label: "udi", kind: "text", maxLength: 200, more: true },
    note,
  ],
  blood_group: [
    { name: "abo", label: "abo", kind: "choice", choices: aboGroups, required: true },
    { name: "rhesus", label: "rhesus", kind: "choice", choices: rhesusFactors },
  ],
  pregnancy: [{ name: "due_date", label: "due_date", kind: "date", hint: "dateHint" }, note],
  vaccinations: [text("vaccine"), day],
  operations: [text("operation"), day, note],
  disabilities: [
    kind(disabilityKinds),
    text("need"),
    { name: "communication", label: "communication", kind: "area", maxLength: 500 },
    note,
  ],
  directives: [
    kind(directiveKinds, true),
    text("wish"),
    { name: "location", label: "location", kind: "text", maxLength: 200 },
    { name: "name", label: "trusted_name", kind: "text", maxLength: 200, more: true },
    { name: "phone", label: "trusted_phone", kind: "phone", more: true },
    note,
  ],
  contacts: [
    { name: "name", label: "name", kind: "text", required: true, maxLength: 200 },
    phone,
    { name: "relation", label: "relation", kind: "text", hint: "relationHint", maxLength: 100 },
    { name: "languages", label: "contactLanguages", kind: "languages", hint: "languagesHint", more: true },
    note,
  ],
  gp: [
    { name: "name", label: "name", kind: "text", required: true, maxLength: 200 },
    phone,
    { name: "address", label: "address", kind: "area", maxLength: 500 },
  ],
};

/** Sections with at most one item. */
export const singleSections: ReadonlySet<SectionName> = new Set(["blood_group", "pregnancy", "gp"]);

/** The label of a stored choice such as `life-threatening`; what we have no word for is shown as it is. */
export function choiceLabel(value: string, t: Dictionary): string {
  return Object.hasOwn(t.choices, value) ? t.choices[value as keyof Dictionary["choices"]] : value;
}
