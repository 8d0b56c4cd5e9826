/**
 * A profile as a FHIR R4 document bundle after the International Patient Summary: one Composition, the three required
 * sections always, the others when they say something. What FHIR has no element for travels in extensions of our own.
 */

import type { Resources } from "./fhir-export/items.ts";
import { patientResources } from "./fhir-export/patient.ts";
import { sectionWriters, titles } from "./fhir-export/sections.ts";
import { extensions, type Fhir, narrative, reference } from "./fhir-export/values.ts";
import { type Profile, sectionNames } from "./schema.ts";

export interface FhirExportOptions {
  readonly now: number;
  /** Makes the UUIDs of the bundle's resources. */
  readonly newId: () => string;
  /** Account id, for `Patient.identifier`; left out where the document must not name it. */
  readonly person?: string;
}

export interface FhirBundle {
  readonly resourceType: "Bundle";
  readonly type: "document";
  readonly entry: readonly { readonly fullUrl: string; readonly resource: Fhir }[];
  readonly [key: string]: unknown;
}

export function ipsBundle(profile: Profile, { now, newId, person }: FhirExportOptions): FhirBundle {
  const date = new Date(now).toISOString();
  const entries: { fullUrl: string; resource: Fhir }[] = [];
  const add = (resource: Fhir): string => {
    const id = newId();
    const { resourceType, ...content } = resource;
    entries.push({ fullUrl: `urn:uuid:${id}`, resource: { resourceType, id, ...content } });
    return `urn:uuid:${id}`;
  };
  // The Composition stands first but is made last: its place is kept.
  entries.push({ fullUrl: "", resource: { resourceType: "Composition" } });
  const { patient, practitioner } = patientResources(profile, person);
  const gp = practitioner === undefined ? undefined : add(practitioner);
  const subject = add(gp === undefined ? patient : { ...patient, generalPractitioner: [reference(gp)] });
  const device = add({
    resourceType: "Device",
    deviceName: [{ name: "Urgence", type: "user-friendly-name" }],
    type: { text: "Software that the person keeps the profile with" },
  });
  const resources: Resources = { add, subject, date };
  const sections = sectionNames.flatMap((name) => sectionWriters[name]?.(profile, resources) ?? []);
  if (profile.what_matters !== undefined) sections.push(whatMatters(profile.what_matters));
  const id = newId();
  entries[0] = {
    fullUrl: `urn:uuid:${id}`,
    resource: {
      resourceType: "Composition",
      id,
      meta: { profile: ["http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"] },
      status: "final",
      type: { coding: [{ system: "http://loinc.org", code: "60591-5", display: "Patient summary Document" }] },
      subject: reference(subject),
      date,
      author: [reference(device), reference(subject)],
      title: "International Patient Summary, declared by the person",
      section: sections,
    },
  };
  return {
    resourceType: "Bundle",
    id: newId(),
    meta: { profile: ["http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"] },
    identifier: { system: "urn:ietf:rfc:3986", value: `urn:uuid:${newId()}` },
    type: "document",
    timestamp: date,
    entry: entries,
  };
}

function whatMatters(text: string): Fhir {
  return {
    title: titles.what_matters,
    code: {
      coding: [
        {
          system: "http://loinc.org",
          code: "81338-6",
          display: "Patient Goals, preferences, and priorities for care experience",
        },
      ],
    },
    ...extensions({ text }),
    text: narrative([text]),
  };
}
