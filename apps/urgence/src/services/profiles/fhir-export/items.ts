/** Which FHIR resource each item of a profile becomes. */
import type { Item } from "../schema.ts";
import { dataAbsent } from "./patient.ts";
import { annotations, coding, concept, defined, extensions, type Fhir, reference } from "./values.ts";

export interface Resources {
  /** Adds a resource to the bundle and answers its full URL. */
  add(resource: Fhir): string;
  readonly subject: string;
  readonly date: string;
}

const loinc = "http://loinc.org";
const snomed = "http://snomed.info/sct";
const terminology = "http://terminology.hl7.org/CodeSystem";

export const clinical = (system: string, code: string) => ({ coding: [coding(`${terminology}/${system}`, code)] });

/** What every item carries: its words as typed, and when it was confirmed. */
const own = (item: Item, more: Readonly<Record<string, string | boolean | undefined>> = {}) =>
  extensions({ text: "text" in item ? item.text : undefined, confirmed_at: item.confirmed_at, ...more });

const code = (item: { text: string; code?: Item<"alerts">["code"] }) => concept(item.text, item.code);

export const flag = (item: Item<"alerts">, to: Resources): Fhir => ({
  resourceType: "Flag",
  ...own(item, { kind: item.kind, note: item.note }),
  status: "active",
  code: code(item),
  subject: reference(to.subject),
});

export function allergy(item: Item<"allergies">, to: Resources): Fhir {
  const severity = item.severity === "life-threatening" ? "severe" : item.severity;
  const hasReaction = item.reaction !== undefined || severity !== undefined;
  const reaction = defined({ manifestation: [{ text: item.reaction ?? "unknown" }], severity });
  return defined({
    resourceType: "AllergyIntolerance",
    ...own(item, {
      severity: item.severity,
      reaction: item.reaction,
    }),
    clinicalStatus: clinical("allergyintolerance-clinical", item.status ?? "active"),
    criticality: item.criticality,
    code: code(item),
    patient: reference(to.subject),
    reaction: hasReaction ? [reaction] : undefined,
    ...annotations(item.note),
  });
}

export const condition = (item: Item<"conditions">, to: Resources): Fhir =>
  defined({
    resourceType: "Condition",
    ...own(item),
    clinicalStatus: clinical("condition-clinical", item.status === "past" ? "inactive" : "active"),
    code: code(item),
    subject: reference(to.subject),
    onsetDateTime: item.since,
    ...annotations(item.note),
  });

export function medication(item: Item<"medications">, to: Resources): Fhir {
  const text = [item.dose, item.frequency].filter((part) => part !== undefined).join(", ");
  const dosage = defined({
    ...extensions({
      dose: item.dose,
      frequency: item.frequency,
    }),
    text: text === "" ? undefined : text,
    route: item.route === undefined ? undefined : { text: item.route },
  });
  return defined({
    resourceType: "MedicationStatement",
    ...own(item, { anticoagulant: item.anticoagulant }),
    status: "active",
    medicationCodeableConcept: code(item),
    subject: reference(to.subject),
    ...(item.since === undefined
      ? { _effectiveDateTime: dataAbsent("unknown") }
      : { effectivePeriod: { start: item.since } }),
    dosage: text === "" && item.route === undefined ? undefined : [dosage],
    ...annotations(item.note),
  });
}

const safetyCodes = { safe: "C106045", conditional: "C106046", unsafe: "C106047", unknown: "C113844" } as const;

export function device(item: Item<"devices">, to: Resources): string {
  const resource = to.add(
    defined({
      resourceType: "Device",
      ...extensions({
        text: item.text,
        kind: item.kind,
        model: item.model,
        udi: item.udi,
      }),
      udiCarrier: item.udi === undefined ? undefined : [{ carrierHRF: item.udi }],
      modelNumber: item.model,
      type: code(item),
      safety:
        item.mri_safety === undefined
          ? undefined
          : [{ coding: [coding("urn:oid:2.16.840.1.113883.3.26.1.1", safetyCodes[item.mri_safety])] }],
      patient: reference(to.subject),
    }),
  );
  return to.add(
    defined({
      resourceType: "DeviceUseStatement",
      ...extensions({ confirmed_at: item.confirmed_at }),
      status: "active",
      subject: reference(to.subject),
      ...(item.since === undefined ? { _timingDateTime: dataAbsent("unknown") } : { timingDateTime: item.since }),
      device: reference(resource),
      ...annotations(item.note),
    }),
  );
}

const groupCodes: Readonly<Record<string, string>> = {
  "A+": "278149003",
  "A-": "278152006",
  "B+": "278150003",
  "B-": "278153001",
  "AB+": "278151004",
  "AB-": "278154007",
  "O+": "278147001",
  "O-": "278148006",
  A: "112144000",
  B: "112149005",
  AB: "165743006",
  O: "58460004",
};

export function bloodGroup(item: Item<"blood_group">, to: Resources): Fhir {
  const sign = item.rhesus === "positive" ? "+" : item.rhesus === "negative" ? "-" : "";
  const snomedCode = groupCodes[`${item.abo}${sign}`];
  return {
    resourceType: "Observation",
    ...own(item),
    status: "preliminary",
    code: {
      coding: [coding(loinc, "882-1", "ABO and Rh group [Type] in Blood")],
      text: "Blood group, declared, not for transfusion",
    },
    subject: reference(to.subject),
    effectiveDateTime: item.confirmed_at,
    valueCodeableConcept: {
      coding: snomedCode === undefined ? [] : [coding(snomed, snomedCode)],
      text: `${item.abo}${sign}`,
    },
    ...annotations(item.note),
  };
}

export function pregnancy(item: Item<"pregnancy">, to: Resources): string {
  const base = { status: "final", subject: reference(to.subject), effectiveDateTime: item.confirmed_at };
  const due =
    item.due_date === undefined
      ? undefined
      : to.add({
          resourceType: "Observation",
          ...base,
          code: { coding: [coding(loinc, "11778-8")] },
          valueDateTime: item.due_date,
        });
  return to.add(
    defined({
      resourceType: "Observation",
      ...own(item),
      ...base,
      code: { coding: [coding(loinc, "82810-3", "Pregnancy status")] },
      valueCodeableConcept: { coding: [coding(snomed, "77386006", "Pregnant")] },
      hasMember: due === undefined ? undefined : [reference(due)],
      ...annotations(item.note),
    }),
  );
}

const dated = (name: string, date: string | undefined) =>
  date === undefined ? { [`_${name}`]: dataAbsent("unknown") } : { [name]: date };

export const vaccination = (item: Item<"vaccinations">, to: Resources): Fhir => ({
  resourceType: "Immunization",
  ...own(item),
  status: "completed",
  vaccineCode: code(item),
  patient: reference(to.subject),
  ...dated("occurrenceDateTime", item.date),
  ...annotations(item.note),
});

export const operation = (item: Item<"operations">, to: Resources): Fhir => ({
  resourceType: "Procedure",
  ...own(item),
  status: "completed",
  code: code(item),
  subject: reference(to.subject),
  ...dated("performedDateTime", item.date),
  ...annotations(item.note),
});

export const disability = (item: Item<"disabilities">, to: Resources): Fhir => ({
  resourceType: "Condition",
  ...own(item, { kind: item.kind, communication: item.communication }),
  clinicalStatus: clinical("condition-clinical", "active"),
  code: code(item),
  subject: reference(to.subject),
  ...annotations(item.note),
});

export const directive = (item: Item<"directives">, to: Resources): Fhir => ({
  resourceType: "Consent",
  ...own(item, { kind: item.kind, location: item.location, name: item.name, phone: item.phone, note: item.note }),
  status: "active",
  scope: { coding: [coding(`${terminology}/consentscope`, "adr")] },
  category: [
    { coding: [coding(`${terminology}/consentcategorycodes`, item.kind === "do-not-resuscitate" ? "dnr" : "acd")] },
    ...(item.code === undefined ? [] : [code(item)]),
  ],
  patient: reference(to.subject),
  policyRule: { text: item.text },
  ...(item.kind === "organ-donation-refusal" ? { provision: { type: "deny" } } : {}),
});
