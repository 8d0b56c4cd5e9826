/** The Patient: identity, emergency contacts, general practitioner. */
import { toE164 } from "../../../shared/phone.ts";
import { partialDateOf } from "../dates.ts";
import { bounds, type Identity, statements } from "../schema.ts";
import { codings, conceptText } from "./bundle.ts";
import { relations } from "./codes.ts";
import { at, type Node, nodes, prose, token, words } from "./json.ts";
import { field, oneOf, present, type Reading, saidAt } from "./reading.ts";

/** Identity as the Patient resource says it. */
export function readIdentity(patient: Node, source: string, { found, now }: Reading): Identity {
  const names = nodes(at(patient, "name")).filter((name) => at(name, "use") !== "old");
  const byUse = (use: string) => names.find((name) => at(name, "use") === use);
  const nickname = byUse("nickname");
  const main = byUse("official") ?? byUse("usual") ?? names.find((name) => name !== nickname);
  const birth = partialDateOf(at(patient, "birthDate"));
  const unknownBirth = nodes(at(patient, "_birthDate", "extension")).some(
    (extension) =>
      String(at(extension, "url")).endsWith("data-absent-reason") &&
      (at(extension, "valueCode") === "unknown" || at(extension, "valueCode") === "asked-unknown"),
  );
  const gender = at(patient, "gender");
  const identity: Identity = present({
    given_names: given(main) ?? (at(main, "family") === undefined ? words(at(main, "text"), 200) : undefined),
    family_name: words(at(main, "family"), 200),
    preferred_name: given(nickname) ?? words(at(nickname, "text"), 200),
    birth_date: birth !== undefined && Date.parse(birth) <= now ? birth : unknownBirth ? "unknown" : undefined,
    sex: gender === "female" || gender === "male" || gender === "other" || gender === "unknown" ? gender : undefined,
    languages: languages(at(patient, "communication")),
    photo: photo(patient),
  });
  for (const key of Object.keys(identity)) {
    if (key !== "photo") found.took(source, "identity", `${key}: ${identity[key as keyof Identity]}`);
  }
  if (identity.photo !== undefined) found.took(source, "identity", "photo");
  return identity;
}

/** Emergency contacts and the general practitioner. */
export function readPeople(patient: Node, source: string, reading: Reading): void {
  const { found, index } = reading;
  const home = at(nodes(at(patient, "address"))[0], "country");
  for (const section of ["contacts", "gp"] as const) {
    const statement = oneOf(statements, field(patient, section));
    if (statement !== undefined && statement !== "listed")
      found.say(section, source, statement, saidAt(patient, reading));
  }
  for (const contact of nodes(at(patient, "contact")).slice(0, 50)) readContact(contact, source, home, reading);
  const reference = nodes(at(patient, "generalPractitioner"))[0];
  if (reference === undefined) return;
  const resource = index.resolve(reference, patient);
  const practitioner = index.resolve(at(resource, "practitioner"), resource) ?? resource;
  const name = humanName(practitioner) ?? words(at(practitioner, "name"), 200) ?? words(at(reference, "display"), 200);
  if (name === undefined) {
    found.leave(source, "Practitioner", "the general practitioner is not named");
    return;
  }
  const address = nodes(at(practitioner, "address"))[0];
  const lines = [at(address, "line"), at(address, "postalCode"), at(address, "city")]
    .flat()
    .map((line) => words(line, 100));
  const addressText = prose(at(address, "text")) ?? words(lines.filter((line) => line !== undefined).join(", "));
  found.add("gp", source, {
    name,
    ...present({
      phone: phoneOf(practitioner, at(address, "country") ?? home),
      address: addressText?.slice(0, bounds.text),
      note: prose(field(practitioner, "note")),
      confirmed_at:
        field(practitioner, "confirmed_at") === undefined
          ? saidAt(patient, reading)
          : saidAt(practitioner ?? patient, reading),
    }),
  });
}

/** A RelatedPerson is a contact that stands in a resource of its own. */
export function readContact(contact: Node, source: string, home: unknown, reading: Reading): void {
  const { found } = reading;
  const country = at(contact, "address", "country") ?? at(nodes(at(contact, "address"))[0], "country") ?? home;
  const name = humanName(contact);
  if (name === undefined) {
    found.leave(source, "Contact", "a contact without a name");
    return;
  }
  const phone = phoneOf(contact, country);
  if (phone === undefined) found.warn(`The contact "${name}" has no telephone number that could be read.`);
  found.add("contacts", source, {
    name,
    ...present({
      phone,
      relation: relation(contact),
      languages: languages(at(contact, "communication")) ?? ownLanguages(contact),
      note: prose(field(contact, "note")),
      confirmed_at: saidAt(contact, reading),
    }),
  });
}

function given(name: unknown): string | undefined {
  const parts = at(name, "given");
  if (!Array.isArray(parts)) return undefined;
  return words(
    parts
      .slice(0, 10)
      .map((part) => words(part, 200))
      .filter((part) => part !== undefined)
      .join(" "),
    200,
  );
}

/** `name` of a contact (one) or a practitioner (several) as words. */
function humanName(person: unknown): string | undefined {
  const name = nodes(at(person, "name"))[0];
  if (name === undefined) return undefined;
  const text = words(at(name, "text"), 200);
  if (text !== undefined) return text;
  const prefix = Array.isArray(at(name, "prefix")) ? words(at(name, "prefix", 0), 20) : undefined;
  return words(
    [prefix, given(name), words(at(name, "family"), 200)].filter((part) => part !== undefined).join(" "),
    200,
  );
}

function relation(contact: unknown): string | undefined {
  for (const concept of nodes(at(contact, "relationship"))) {
    const said =
      conceptText(concept, 100) ??
      codings(concept)
        .map(({ code }) => relations.get(code))
        .find(Boolean);
    if (said !== undefined) return said;
  }
  return undefined;
}

/** The first telephone number as E.164, mobile ones first; numbers without a country prefix are read in `country`. */
function phoneOf(person: unknown, country: unknown): string | undefined {
  const phones = nodes(at(person, "telecom"))
    .filter((entry) => at(entry, "system") === "phone")
    .slice(0, 10);
  const mobileFirst = phones.toSorted((a, b) => Number(at(b, "use") === "mobile") - Number(at(a, "use") === "mobile"));
  for (const entry of mobileFirst) {
    const text = words(at(entry, "value"), 40);
    if (text === undefined) continue;
    const number = toE164(text, typeof country === "string" ? country : "");
    if (number !== undefined && /^\+[1-9][0-9]{6,14}$/.test(number)) return number;
  }
  return undefined;
}

function languages(communication: unknown): string[] | undefined {
  const entries = nodes(communication).slice(0, 50);
  const preferredFirst = entries.toSorted(
    (a, b) => Number(at(b, "preferred") === true) - Number(at(a, "preferred") === true),
  );
  const codes = preferredFirst.flatMap((entry) => {
    // R4 wraps the language concept; a RelatedPerson and a Patient do it alike.
    const code = token(at(nodes(at(entry, "language", "coding"))[0], "code"), 35);
    return code !== undefined && languagePattern.test(code) ? [code] : [];
  });
  return codes.length === 0 ? undefined : [...new Set(codes)].slice(0, 10);
}

function ownLanguages(contact: unknown): string[] | undefined {
  const said = field(contact, "languages");
  if (typeof said !== "string" || said.length > 400) return undefined;
  const codes = said.split(" ").filter((code) => languagePattern.test(code) && code.length <= 35);
  return codes.length === 0 ? undefined : [...new Set(codes)].slice(0, 10);
}

const languagePattern = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/;

function photo(patient: Node): string | undefined {
  for (const attachment of nodes(at(patient, "photo")).slice(0, 5)) {
    const [type, data] = [at(attachment, "contentType"), at(attachment, "data")];
    if (typeof type !== "string" || typeof data !== "string" || data.length > bounds.photo) continue;
    const url = `data:${type};base64,${data}`;
    const right = /^data:image\/(jpeg;base64,\/9j\/|png;base64,iVBORw0KGgo|webp;base64,UklGR)[A-Za-z0-9+/]*={0,2}$/;
    if (url.length <= bounds.photo && right.test(url)) return url;
  }
  return undefined;
}
