/** Sections of the exported document: which resource each item becomes, and how a section says that it is empty. */

import { type Item, itemText, type Profile, requiredSections, type SectionName } from "../schema.ts";
import {
  allergy,
  bloodGroup,
  clinical,
  condition,
  device,
  directive,
  disability,
  flag,
  medication,
  operation,
  pregnancy,
  type Resources,
  vaccination,
} from "./items.ts";
import { dataAbsent } from "./patient.ts";
import { coding, extensions, type Fhir, narrative, reference } from "./values.ts";

const loinc = "http://loinc.org";
const absentUnknown = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";
const terminology = "http://terminology.hl7.org/CodeSystem";

export const titles = {
  alerts: "Alerts",
  allergies: "Allergies and Intolerances",
  conditions: "Problems",
  medications: "Medication Summary",
  devices: "Medical Devices",
  blood_group: "Blood group, declared, not for transfusion",
  pregnancy: "History of Pregnancy",
  vaccinations: "Immunizations",
  operations: "History of Procedures",
  disabilities: "Functional Status",
  directives: "Advance Directives",
  past: "History of Past Problems",
  what_matters: "Patient Story",
} as const;

const codes: Partial<Record<keyof typeof titles, string>> = {
  alerts: "104605-1",
  allergies: "48765-2",
  conditions: "11450-4",
  past: "11348-0",
  medications: "10160-0",
  devices: "46264-8",
  blood_group: "30954-2",
  pregnancy: "10162-6",
  vaccinations: "11369-6",
  operations: "47519-4",
  disabilities: "47420-5",
  directives: "42348-3",
};

/** Absent-unknown codes: [none known, no information]. */
const absences: Partial<Record<SectionName, readonly [string, string]>> = {
  allergies: ["no-known-allergies", "no-allergy-info"],
  conditions: ["no-known-problems", "no-problem-info"],
  medications: ["no-known-medications", "no-medication-info"],
  devices: ["no-known-devices", "no-device-info"],
  operations: ["no-known-procedures", "no-procedure-info"],
  vaccinations: ["no-known-immunizations", "no-immunization-info"],
};

const emptyReasons = {
  "none-known": "nilknown",
  "no-information": "notasked",
  declined: "withheld",
  listed: "",
} as const;

type Writer = (profile: Profile, resources: Resources) => Fhir[];

/** Contacts and the general practitioner belong to the Patient and have no section. */
export const sectionWriters: Partial<Record<SectionName, Writer>> = {
  alerts: (profile, to) => section("alerts", profile, to, (item) => to.add(flag(item, to))),
  allergies: (profile, to) => section("allergies", profile, to, (item) => to.add(allergy(item, to))),
  conditions: (profile, to) => conditionSections(profile, to),
  medications: (profile, to) => section("medications", profile, to, (item) => to.add(medication(item, to))),
  devices: (profile, to) => section("devices", profile, to, (item) => device(item, to)),
  blood_group: (profile, to) => section("blood_group", profile, to, (item) => to.add(bloodGroup(item, to))),
  pregnancy: (profile, to) => section("pregnancy", profile, to, (item) => pregnancy(item, to)),
  vaccinations: (profile, to) => section("vaccinations", profile, to, (item) => to.add(vaccination(item, to))),
  operations: (profile, to) => section("operations", profile, to, (item) => to.add(operation(item, to))),
  disabilities: (profile, to) => section("disabilities", profile, to, (item) => to.add(disability(item, to))),
  directives: (profile, to) => section("directives", profile, to, (item) => to.add(directive(item, to))),
};

function section<N extends keyof typeof titles & SectionName>(
  name: N,
  profile: Profile,
  to: Resources,
  write: (item: Item<N>) => string,
): Fhir[] {
  const { statement, items, confirmed_at } = profile[name];
  if (statement === "listed") {
    const lines = (items as readonly Item[]).map((item) => itemText(item));
    return [
      {
        ...head(name),
        text: narrative(lines),
        entry: (items as readonly Item<N>[]).map((item) => reference(write(item))),
      },
    ];
  }
  const required = (requiredSections as readonly string[]).includes(name);
  if (statement === "no-information" && !required) return [];
  return [emptySection(name, statement, confirmed_at, to)];
}

/** A section without items: the reason, and where the IPS has a code for it, an entry that says so. */
export function emptySection(
  name: keyof typeof titles & SectionName,
  statement: keyof typeof emptyReasons = "no-information",
  confirmedAt?: string,
  to?: Resources,
): Fhir {
  const code =
    statement === "none-known" ? absences[name]?.[0] : statement === "declined" ? undefined : absences[name]?.[1];
  // Results of a foreign document that are "nil known" say nothing about blood groups: ours says that it does.
  const about = name === "blood_group" ? name : undefined;
  const base = {
    ...head(name),
    ...extensions({ confirmed_at: confirmedAt, about }),
    text: narrative([words[statement]]),
  };
  if (code === undefined || to === undefined) {
    return { ...base, emptyReason: { coding: [coding(`${terminology}/list-empty-reason`, emptyReasons[statement])] } };
  }
  return { ...base, entry: [reference(to.add(absence(name, code, confirmedAt, to)))] };
}

const words = {
  listed: "",
  "none-known": "None known",
  "no-information": "No information",
  declined: "The person declined to say",
} as const;

const head = (name: keyof typeof titles) => ({
  title: titles[name],
  code: { coding: [coding(loinc, codes[name] ?? "")] },
});

function absence(name: SectionName, code: string, confirmedAt: string | undefined, to: Resources): Fhir {
  const said = { coding: [coding(absentUnknown, code)] };
  const base = extensions({ confirmed_at: confirmedAt });
  const subject = reference(to.subject);
  switch (name) {
    case "allergies":
      return {
        resourceType: "AllergyIntolerance",
        ...base,
        clinicalStatus: clinical("allergyintolerance-clinical", "active"),
        code: said,
        patient: subject,
      };
    case "medications":
      return {
        resourceType: "MedicationStatement",
        ...base,
        status: "unknown",
        medicationCodeableConcept: said,
        subject,
        _effectiveDateTime: dataAbsent("unknown"),
      };
    case "devices":
      return {
        resourceType: "DeviceUseStatement",
        ...base,
        status: "active",
        subject,
        device: reference(to.add({ resourceType: "Device", type: said })),
      };
    case "operations":
      return {
        resourceType: "Procedure",
        ...base,
        status: "unknown",
        code: said,
        subject,
        _performedDateTime: dataAbsent("unknown"),
      };
    case "vaccinations":
      return {
        resourceType: "Immunization",
        ...base,
        status: "not-done",
        vaccineCode: said,
        patient: subject,
        _occurrenceDateTime: dataAbsent("unknown"),
      };
    default:
      return {
        resourceType: "Condition",
        ...base,
        clinicalStatus: clinical("condition-clinical", "active"),
        code: said,
        subject,
      };
  }
}

/** Past conditions have a section of their own, beside the required one. */
function conditionSections(profile: Profile, to: Resources): Fhir[] {
  const { statement, items } = profile.conditions;
  if (statement !== "listed") return section("conditions", profile, to, () => "");
  const write = (list: readonly Item<"conditions">[]) => ({
    text: narrative(list.map((item) => item.text)),
    entry: list.map((item) => reference(to.add(condition(item, to)))),
  });
  const active = items.filter((item) => item.status !== "past");
  const past = items.filter((item) => item.status === "past");
  return [
    active.length > 0 ? { ...head("conditions"), ...write(active) } : { ...emptySection("conditions") },
    ...(past.length > 0 ? [{ ...head("past"), ...write(past) }] : []),
  ];
}
