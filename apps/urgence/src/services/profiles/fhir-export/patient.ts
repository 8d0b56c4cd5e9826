/** Patient and general practitioner of the exported document. */

import type { Item, Profile } from "../schema.ts";
import { coding, defined, extensions, type Fhir } from "./values.ts";

export function patientResources(profile: Profile, person: string | undefined): { patient: Fhir; practitioner?: Fhir } {
  const { identity } = profile;
  const name = defined({
    use: "official",
    family: identity.family_name,
    given: identity.given_names === undefined ? undefined : [identity.given_names],
  });
  const nickname = identity.preferred_name === undefined ? [] : [{ use: "nickname", text: identity.preferred_name }];
  const hasName = identity.family_name !== undefined || identity.given_names !== undefined;
  const patient = defined({
    resourceType: "Patient",
    meta: { profile: ["http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips"] },
    identifier: person === undefined ? undefined : [{ system: "urn:ietf:rfc:3986", value: `urn:uuid:${person}` }],
    name: hasName ? [name, ...nickname] : [...nickname, { ...dataAbsent("unknown") }],
    gender: identity.sex,
    ...birthDate(identity.birth_date),
    photo: photo(identity.photo),
    communication: identity.languages?.map((code, index) =>
      defined({
        language: { coding: [coding("urn:ietf:bcp:47", code)] },
        preferred: index === 0 ? true : undefined,
      }),
    ),
    contact: profile.contacts.statement === "listed" ? profile.contacts.items.map(contact) : undefined,
    ...extensions({
      contacts: profile.contacts.statement === "listed" ? undefined : profile.contacts.statement,
      gp: profile.gp.statement === "listed" ? undefined : profile.gp.statement,
    }),
  });
  const gp = profile.gp.items[0];
  return gp === undefined ? { patient } : { patient, practitioner: practitioner(gp) };
}

const dataAbsentReason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/** The element is missing, and why. */
export const dataAbsent = (reason: string) => ({ extension: [{ url: dataAbsentReason, valueCode: reason }] });

function birthDate(date: string | undefined): Fhir {
  return date === undefined || date === "unknown"
    ? { _birthDate: dataAbsent(date === "unknown" ? "unknown" : "not-asked") }
    : { birthDate: date };
}

function photo(url: string | undefined): Fhir[] | undefined {
  const match = url === undefined ? null : /^data:(image\/[a-z]+);base64,/.exec(url);
  return match === null || url === undefined
    ? undefined
    : [{ contentType: match[1], data: url.slice(match[0].length) }];
}

const phones = (phone: string | undefined) => (phone === undefined ? undefined : [{ system: "phone", value: phone }]);

function contact(item: Item<"contacts">): Fhir {
  return defined({
    ...extensions({ languages: item.languages?.join(" "), note: item.note, confirmed_at: item.confirmed_at }),
    relationship: item.relation === undefined ? undefined : [{ text: item.relation }],
    name: { text: item.name },
    telecom: phones(item.phone),
  });
}

function practitioner(item: Item<"gp">): Fhir {
  return defined({
    resourceType: "Practitioner",
    ...extensions({ note: item.note, confirmed_at: item.confirmed_at }),
    name: [{ text: item.name }],
    telecom: phones(item.phone),
    address: item.address === undefined ? undefined : [{ text: item.address }],
  });
}
