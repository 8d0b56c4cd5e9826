/** The red band: what changes a rescuer's first minutes, in the order in which it kills. Derived entries name their source. */
import { antithrombotic, wordsOf } from "./antithrombotics.ts";
import { type Code, type Item, itemText, type Profile, type SectionName } from "./schema.ts";

/** In the order of the band: what can kill within minutes, also by a rescuer's own hand, before what bends a plan. */
export const bandKinds = [
  "life-threatening-allergy",
  "anticoagulant",
  "haemophilia",
  "adrenal-insufficiency",
  "severe-allergy",
  "pacemaker",
  "do-not",
  "implant",
  "antiplatelet",
  "other",
] as const;
export type BandKind = (typeof bandKinds)[number];

export interface BandSource {
  readonly section: SectionName;
  readonly id: string;
}

export interface BandEntry {
  readonly kind: BandKind;
  /** The person's words. */
  readonly text: string;
  /** The reaction of an allergy, the model of a device, the dose of a medicine. */
  readonly detail?: string;
  /** True: concluded from the source, not written as an alert by the person. */
  readonly derived: boolean;
  readonly sources: readonly BandSource[];
  /** Last time one of the sources was confirmed. */
  readonly confirmed_at: string;
}

export function redBand(profile: Profile): BandEntry[] {
  const entries = [
    ...profile.alerts.items.map(fromAlert),
    ...profile.allergies.items.flatMap(fromAllergy),
    ...profile.medications.items.flatMap(fromMedication),
    ...profile.conditions.items.flatMap(fromCondition),
    ...profile.devices.items.map(fromDevice),
    ...profile.directives.items.flatMap(fromDirective),
  ];
  return merged(entries).sort((a, b) => bandKinds.indexOf(a.kind) - bandKinds.indexOf(b.kind));
}

function fromAlert(alert: Item<"alerts">): BandEntry {
  return entry("alerts", alert, alert.kind, false, alert.note);
}

/** Severe by what happened (severity) or by what could happen (criticality); an allergy that is over is not an alert. */
function fromAllergy(allergy: Item<"allergies">): BandEntry[] {
  if (allergy.status === "resolved" || allergy.status === "inactive") return [];
  if (allergy.severity === "life-threatening") {
    return [entry("allergies", allergy, "life-threatening-allergy", true, allergy.reaction)];
  }
  if (allergy.severity === "severe" || allergy.criticality === "high") {
    return [entry("allergies", allergy, "severe-allergy", true, allergy.reaction)];
  }
  return [];
}

/** A known name wins over an unticked box: better one flag too many than a bleeding nobody expected. */
function fromMedication(medication: Item<"medications">): BandEntry[] {
  const kind = medication.anticoagulant === true ? "anticoagulant" : antithrombotic(medication.text, medication.code);
  return kind === undefined ? [] : [entry("medications", medication, kind, true, medication.dose)];
}

function fromCondition(condition: Item<"conditions">): BandEntry[] {
  if (condition.status === "past") return [];
  const kind = dangerousCondition(condition);
  return kind === undefined ? [] : [entry("conditions", condition, kind, true)];
}

function fromDevice(device: Item<"devices">): BandEntry {
  const kind = device.kind === "pacemaker" || device.kind === "defibrillator" || isPacemaker(device.text);
  return entry("devices", device, kind ? "pacemaker" : "implant", true, device.model);
}

function fromDirective(directive: Item<"directives">): BandEntry[] {
  const forbids = ["do-not-resuscitate", "refuses-transfusion", "do-not-other"].includes(directive.kind);
  return forbids ? [entry("directives", directive, "do-not", true, directive.location)] : [];
}

function entry(section: SectionName, item: Item, kind: BandKind, derived: boolean, detail?: string): BandEntry {
  const { id, confirmed_at } = item;
  const base = { kind, text: itemText(item), derived, sources: [{ section, id }], confirmed_at };
  return detail === undefined ? base : { ...base, detail };
}

/** The same thing said twice (an alert and a medicine) shows once, with both sources. */
function merged(entries: readonly BandEntry[]): BandEntry[] {
  const byKey = new Map<string, BandEntry>();
  for (const next of entries) {
    const key = `${next.kind}|${wordsOf(next.text).join(" ")}`;
    const known = byKey.get(key);
    byKey.set(key, known === undefined ? next : { ...next, ...known, ...together(known, next) });
  }
  return [...byKey.values()];
}

function together(a: BandEntry, b: BandEntry): Pick<BandEntry, "derived" | "sources" | "confirmed_at"> {
  return {
    derived: a.derived && b.derived,
    sources: [...a.sources, ...b.sources],
    confirmed_at: Date.parse(a.confirmed_at) >= Date.parse(b.confirmed_at) ? a.confirmed_at : b.confirmed_at,
  };
}

function isPacemaker(text: string): boolean {
  const words = wordsOf(text);
  if (words.some((word) => /^(pacemaker|stimulateur|defibrillat(or|eur)|icd|dai|cardioverter)$/.test(word))) {
    return !words.some((word) => /^(spinal|medullaire|vagus|vagal|nerve|nerf|bladder)$/.test(word));
  }
  return false;
}

/** Conditions that are alerts in themselves, by words in French and English or by code (SNOMED CT, ICD-10). */
function dangerousCondition({ text, code }: { text: string; code?: Code }): BandKind | undefined {
  const said = wordsOf(`${text} ${code?.display ?? ""}`).join(" ");
  if (/\b(h(a)?emophilia|hemophilie|von willebrand|willebrand)\b/.test(said)) return "haemophilia";
  if (/\b(addison|adrenal insufficiency|insuffisance surrenal(e|ienne)|adrenocortical insufficiency)\b/.test(said)) {
    return "adrenal-insufficiency";
  }
  if (code === undefined) return undefined;
  if (/icd-?10|2\.16\.840\.1\.113883\.6\.(3|90)$/i.test(code.system)) {
    if (/^D(66|67|68\.?[0-2])/.test(code.code)) return "haemophilia";
    if (/^E27\.?[1-4]/.test(code.code)) return "adrenal-insufficiency";
  }
  if (/snomed/i.test(code.system)) {
    if (["90935002", "28293008", "41788008", "128105004"].includes(code.code)) return "haemophilia";
    if (["386584007", "363732003"].includes(code.code)) return "adrenal-insufficiency";
  }
  return undefined;
}
