/**
 * Reads a FHIR R4 bundle (an International Patient Summary, or any record export) into a proposal for a profile. It never
 * throws, whatever the JSON, and reports what it took, what it left and why.
 */
import { invalid, type ServiceError } from "rouage";
import type { Identity, Profile } from "../schema.ts";
import { assemble } from "./assemble.ts";
import { type BundleIndex, indexBundle, maxEntries } from "./bundle.ts";
import { readDevice, readImmunization, readObservation, readProcedure } from "./care.ts";
import { readAllergy, readCondition, readMedication } from "./clinical.ts";
import { readComposition, sectionIndex } from "./composition.ts";
import { readConsent, readFlag } from "./directives.ts";
import { type Found, type NotUnderstood, found as newFound, type Understood } from "./findings.ts";
import { at, type Node } from "./json.ts";
import { type Conflict, merge } from "./merge.ts";
import { readContact, readIdentity, readPeople } from "./person.ts";
import type { Reader, Reading } from "./reading.ts";

export interface ImportPreview {
  /** The person's profile with the document's content added where nothing was said. */
  readonly profile: Profile;
  readonly understood: readonly Understood[];
  readonly not_understood: readonly NotUnderstood[];
  readonly conflicts: readonly Conflict[];
  readonly warnings: readonly string[];
}

export interface ImportOptions {
  readonly current: Profile;
  readonly now: number;
  readonly newId: () => string;
}

/** What is wrong with a body that is no bundle. */
export function notABundle(): ServiceError {
  return invalid({
    location: "body",
    name: null,
    description:
      'expected a FHIR R4 Bundle as JSON: {"resourceType": "Bundle", "type": "document" | "collection" | "transaction" | …, "entry": [{"resource": {…}}, …]}',
    code: "not-a-fhir-bundle",
  });
}

/** The preview; undefined when the value is no bundle (see `notABundle`). */
export function importBundle(value: unknown, options: ImportOptions): ImportPreview | undefined {
  const index = indexBundle(value);
  if (index === undefined) return undefined;
  const found = newFound();
  if (index.skipped > 0) found.warn(`${index.skipped} entries were not read: at most ${maxEntries} are.`);
  const composition = index.entries.find(({ type }) => type === "Composition");
  const patient = choosePatient(index, composition?.resource, found);
  const reading: Reading = {
    index,
    found,
    documentDate: stringOf(at(composition?.resource, "date")),
    sectionsOf: sectionIndex(index, composition?.resource),
    usedDevices: devicesInUse(index),
    now: options.now,
  };
  const whatMatters = composition === undefined ? undefined : readComposition(composition, reading);
  let identity: Identity = {};
  if (patient === undefined) found.warn("The document names no patient: check that it is about you.");
  else {
    identity = readIdentity(patient.resource, patient.source, reading);
    readPeople(patient.resource, patient.source, reading);
  }
  for (const entry of index.entries) {
    if (entry === patient || entry === composition || silent.has(entry.type)) continue;
    if (isOfSomeoneElse(entry.resource, patient?.resource, index)) {
      found.leave(entry.source, entry.type, "it is about another person");
      continue;
    }
    const read = readers.get(entry.type);
    if (read === undefined) found.leave(entry.source, entry.type, "this kind of record is not part of the profile");
    else read(entry.resource, entry.source, reading);
  }
  const imported = assemble(identity, whatMatters, found, options);
  const { profile, conflicts, warnings } = merge(options.current, imported);
  return {
    profile,
    understood: found.understood,
    not_understood: found.notUnderstood(),
    conflicts,
    warnings: [...found.warnings, ...warnings],
  };
}

const readers = new Map<string, Reader>([
  ["AllergyIntolerance", readAllergy],
  ["Condition", readCondition],
  ["MedicationStatement", readMedication],
  ["MedicationRequest", readMedication],
  ["DeviceUseStatement", readDevice],
  ["Device", (resource, source, reading) => standaloneDevice(resource, source, reading)],
  ["Immunization", readImmunization],
  ["Procedure", readProcedure],
  ["Observation", readObservation],
  ["Flag", readFlag],
  ["Consent", readConsent],
  ["RelatedPerson", (resource, source, reading) => readContact(resource, source, undefined, reading)],
]);

/** Read through the resources that refer to them. */
const silent = new Set(["Medication", "Practitioner", "PractitionerRole", "Organization"]);

/** A Device is read through the statement of its use; without one only when it names its patient. */
function standaloneDevice(resource: Node, source: string, reading: Reading): void {
  if (at(resource, "patient") !== undefined && !reading.usedDevices.has(resource))
    readDevice(resource, source, reading);
}

function devicesInUse(index: BundleIndex): ReadonlySet<Node> {
  const uses = index.entries.filter(({ type }) => type === "DeviceUseStatement");
  const devices = uses.map(({ resource }) => index.resolve(at(resource, "device"), resource));
  return new Set(devices.filter((device) => device !== undefined));
}

function choosePatient(index: BundleIndex, composition: Node | undefined, found: Found) {
  const patients = index.entries.filter(({ type }) => type === "Patient");
  const subject = index.resolve(at(composition, "subject"), composition);
  const chosen = patients.find(({ resource }) => resource === subject) ?? patients[0];
  if (patients.length > 1) {
    found.warn(`The document describes ${patients.length} patients; only ${chosen?.source} was read.`);
    for (const patient of patients) {
      if (patient !== chosen) found.leave(patient.source, "Patient", "it is about another person");
    }
  }
  return chosen;
}

function isOfSomeoneElse(resource: Node, patient: Node | undefined, index: BundleIndex): boolean {
  if (at(resource, "resourceType") === "Patient") return true;
  const subject = index.resolve(at(resource, "subject") ?? at(resource, "patient"), resource);
  return (
    subject !== undefined && patient !== undefined && at(subject, "resourceType") === "Patient" && subject !== patient
  );
}

const stringOf = (value: unknown) => (typeof value === "string" ? value : undefined);
