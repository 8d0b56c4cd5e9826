import assert from "node:assert/strict";
import { test } from "node:test";
import { lookupReasons } from "../../services/access/lookup-request.ts";
import { bandKinds } from "../../services/profiles/red-band.ts";
import {
  alertKinds,
  deviceKinds,
  directiveKinds,
  disabilityKinds,
  mriSafeties,
  sectionNames,
  severities,
  statements,
} from "../../services/profiles/schema.ts";
import { en } from "./en.ts";
import { fr } from "./fr.ts";
import { withFrenchSpaces } from "./typography.ts";

function texts(value: unknown, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  if (typeof value === "string") return found.set(path, value);
  if (typeof value === "function") return found.set(path, String(value(3, 5)));
  for (const [key, inner] of Object.entries(value as object))
    for (const entry of texts(inner, `${path}.${key}`)) found.set(...entry);
  return found;
}

test("both languages have the same texts, and none is empty in one only", () => {
  const [english, french] = [texts(en), texts(fr)];
  assert.deepEqual([...french.keys()].sort(), [...english.keys()].sort());
  for (const [key, text] of english) assert.equal(text.trim() === "", french.get(key)?.trim() === "", key);
});

test("French is French: only names and letters are the same in both languages", () => {
  const french = texts(fr);
  const same = [...texts(en)].filter(([key, text]) => text !== "" && french.get(key) === text).map(([, text]) => text);
  const allowed = [
    "Urgence",
    "A",
    "B",
    "AB",
    "O",
    "Position",
    "Code",
    "Allergies",
    "Vaccination",
    "Vaccinations",
    "Stent",
    "Implant",
    "Application",
    "Implants",
    "Communication",
    "Directives",
    "Contacts",
    "satellite",
    "Sessions",
    "Positions",
    "important",
    "Latitude",
    "Longitude",
    "Respiration",
    "Note",
  ];
  assert.deepEqual(
    same.filter((text) => !allowed.includes(text)),
    [],
  );
});

test("every choice, section, reason and alert has words", () => {
  for (const dictionary of [en, fr]) {
    for (const choice of [
      ...alertKinds,
      ...deviceKinds,
      ...directiveKinds,
      ...disabilityKinds,
      ...mriSafeties,
      ...severities,
    ])
      assert.ok(Object.hasOwn(dictionary.choices, choice), choice);
    for (const name of sectionNames) assert.ok(Object.hasOwn(dictionary.sections, name), name);
    for (const statement of statements) assert.ok(Object.hasOwn(dictionary.statements, statement), statement);
    for (const reason of lookupReasons) assert.ok(Object.hasOwn(dictionary.log.reasons, reason), reason);
    for (const kind of bandKinds) assert.ok(Object.hasOwn(dictionary.band, kind), kind);
  }
});

test("French typography: a space stands before double punctuation", () => {
  for (const [key, text] of texts(fr)) assert.doesNotMatch(text, /[a-zéèêàç][;:!?](\s|$)/, key);
});

test("no line of French begins with punctuation", () => {
  for (const [key, text] of texts(withFrenchSpaces(fr))) assert.doesNotMatch(text, / [:;!?»]|« /, key);
  assert.equal(withFrenchSpaces(fr).view.updated("10:20 « x »"), "Profil mis à jour le 10:20 «\u00a0x\u00a0»");
});
