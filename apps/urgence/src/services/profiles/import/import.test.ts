import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Check } from "typebox/value";
import { profileViolations } from "../check.ts";
import { freshProfile, itemText, type Profile, type ProfileInput, profileSchema, type SectionName } from "../schema.ts";
import { completed, exampleInput, testNow } from "../testing.ts";
import { importBundle } from "./import.ts";

const data = new URL("../../../../tests/data/", import.meta.url);
const file = (name: string): unknown => JSON.parse(readFileSync(new URL(name, data), "utf8"));
const bundleOf = (...resources: object[]) => ({
  resourceType: "Bundle",
  type: "collection",
  entry: [{ resource: { resourceType: "Patient", id: "p" } }, ...resources.map((resource) => ({ resource }))],
});

function read(value: unknown, current: Profile = freshProfile()) {
  let count = 0;
  const preview = importBundle(value, { current, now: testNow, newId: () => `new-${++count}` });
  assert.ok(preview);
  assert.equal(Check(profileSchema, preview.profile), true);
  assert.deepEqual(profileViolations(preview.profile as ProfileInput, testNow), []);
  return preview;
}

const textsOf = (profile: Profile, name: SectionName) => profile[name].items.map((item) => itemText(item));

test("the complete IPS example is read section by section", () => {
  const { profile, warnings } = read(file("ips/complete.json"));
  assert.deepEqual(profile.identity, {
    given_names: "Martha",
    family_name: "DeLarosa",
    birth_date: "1972-05-01",
    sex: "female",
  });
  const [allergy] = profile.allergies.items;
  assert.equal(allergy?.text, "Substance with penicillin structure and antibacterial mechanism of action");
  assert.deepEqual([allergy?.criticality, allergy?.status, allergy?.confirmed_by], ["high", "active", "import"]);
  assert.equal(allergy?.confirmed_at, "2017-12-11T13:30:00.000Z");
  assert.deepEqual(
    profile.conditions.items.map(({ text, status, since }) => [text, status, since]),
    [
      ["Menopausal flushing", "active", "2015"],
      ["Malignant tumor of breast", "past", "2015-01"],
    ],
  );
  assert.deepEqual(textsOf(profile, "medications"), [
    "Product containing anastrozole",
    "Black Cohosh Extract herbal supplement",
  ]);
  assert.deepEqual([profile.blood_group.items[0]?.abo, profile.blood_group.items[0]?.rhesus], ["A", "positive"]);
  assert.deepEqual([profile.contacts.items[0]?.name, profile.contacts.items[0]?.relation], ["Martha Mum", "mother"]);
  assert.ok(warnings.some((warning) => warning.includes("no known food allergies")));
});

test("the minimal IPS example is read whole, and what it does not say stays without information", () => {
  const { profile, not_understood } = read(file("ips/minimal.json"));
  assert.deepEqual(not_understood, []);
  assert.equal(profile.devices.statement, "no-information");
});

for (const [name, conditions, allergies] of [
  ["alexis-toy", ["Viral sinusitis"], 8],
  ["antonio-castellanos", ["Hypertension"], 0],
  [
    "asa-hermiston",
    [
      "Rheumatoid arthritis",
      "Osteoarthritis of hip",
      "Body mass index 30+ - obesity",
      "Chronic sinusitis",
      "Atopic dermatitis",
    ],
    4,
  ],
] as const) {
  test(`a whole history (${name}) gives what a rescuer needs, and the rest is summed up by type`, () => {
    const { profile, not_understood } = read(file(`patients/${name}.json`));
    assert.deepEqual(textsOf(profile, "conditions"), conditions);
    assert.equal(profile.allergies.items.length, allergies);
    assert.ok(not_understood.length < 15);
    assert.ok(not_understood.some(({ source }) => /^Claim \(\d+\)$/.test(source)));
    assert.ok(profile.vaccinations.items.length < 12);
    assert.ok(!textsOf(profile, "operations").some((text) => /documentation/i.test(text)));
  });
}

test("codes that mean none known, no information, and withheld become the right statement", () => {
  const ips = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";
  const coded = (system: string, code: string) => ({ coding: [{ system, code }] });
  const { profile } = read({
    ...bundleOf(
      { resourceType: "AllergyIntolerance", code: coded("http://snomed.info/sct", "716186003") },
      { resourceType: "Condition", code: coded(ips, "no-known-problems") },
      {
        resourceType: "MedicationStatement",
        status: "unknown",
        medicationCodeableConcept: coded(ips, "no-medication-info"),
      },
      {
        resourceType: "Composition",
        section: [
          {
            title: "Devices",
            code: coded("http://loinc.org", "46264-8"),
            emptyReason: coded("http://terminology.hl7.org/CodeSystem/list-empty-reason", "withheld"),
          },
        ],
      },
    ),
  });
  assert.equal(profile.allergies.statement, "none-known");
  assert.ok(profile.allergies.confirmed_at);
  assert.equal(profile.conditions.statement, "none-known");
  assert.equal(profile.medications.statement, "no-information");
  assert.equal(profile.devices.statement, "declined");
});

test("none known said in words only is a statement too, and about one kind of allergy only a warning", () => {
  const allergy = (text: string) => ({ resourceType: "AllergyIntolerance", code: { text } });
  assert.equal(read(bundleOf(allergy("No known allergies"))).profile.allergies.statement, "none-known");
  const part = read(bundleOf(allergy("No known allergy to eggs")));
  assert.equal(part.profile.allergies.statement, "no-information");
  assert.equal(part.warnings.length, 1);
});

test("a medication is resolved by full URL, by relative id, by id alone and from what the resource contains", () => {
  const uuid = "0b6cfa48-3f4e-4cf0-9f1c-3e1f0a3a9a01";
  const medication = (text: string) => ({ resourceType: "Medication", code: { text } });
  const statement = (reference: string, more = {}) => ({
    resource: { resourceType: "MedicationStatement", status: "active", medicationReference: { reference }, ...more },
  });
  const { profile } = read({
    resourceType: "Bundle",
    entry: [
      { resource: { resourceType: "Patient" } },
      { fullUrl: "https://a.example/fhir/Medication/1", resource: { ...medication("By URL") } },
      { resource: { ...medication("By id"), id: "2" } },
      { fullUrl: `urn:uuid:${uuid}`, resource: { ...medication("By uuid") } },
      statement("https://a.example/fhir/Medication/1"),
      statement("Medication/2/_history/4"),
      statement(`Medication/${uuid}`),
      statement("#inside", { contained: [{ ...medication("Contained"), id: "inside" }] }),
      statement("Medication/nowhere"),
    ],
  });
  assert.deepEqual(textsOf(profile, "medications").toSorted(), ["By URL", "By id", "By uuid", "Contained"]);
});

test("a record of another person in the same bundle is left out", () => {
  const { profile, warnings, not_understood } = read({
    resourceType: "Bundle",
    entry: [
      { resource: { resourceType: "Patient", id: "a", name: [{ family: "One" }] } },
      { resource: { resourceType: "Patient", id: "b", name: [{ family: "Two" }] } },
      { resource: { resourceType: "Condition", code: { text: "Mine" }, subject: { reference: "Patient/a" } } },
      { resource: { resourceType: "Condition", code: { text: "Theirs" }, subject: { reference: "Patient/b" } } },
    ],
  });
  assert.equal(profile.identity.family_name, "One");
  assert.deepEqual(textsOf(profile, "conditions"), ["Mine"]);
  assert.ok(warnings[0]?.includes("2 patients"));
  assert.ok(not_understood.some(({ reason }) => reason.includes("another person")));
});

test("what was entered in error, refuted, stopped or is over is not taken", () => {
  const status = (code: string) => ({ coding: [{ system: "s", code }] });
  const { profile } = read(
    bundleOf(
      { resourceType: "AllergyIntolerance", code: { text: "Nuts" }, verificationStatus: status("refuted") },
      { resourceType: "Condition", code: { text: "Asthma" }, verificationStatus: status("entered-in-error") },
      { resourceType: "MedicationRequest", status: "stopped", medicationCodeableConcept: { text: "Warfarin" } },
      {
        resourceType: "MedicationStatement",
        status: "active",
        medicationCodeableConcept: { text: "Heparin" },
        effectivePeriod: { end: "2020-01-01" },
      },
      { resourceType: "Flag", status: "inactive", code: { text: "Beware" } },
    ),
  );
  assert.deepEqual({ ...profile, identity: {} }, freshProfile());
});

test("what the person entered stays; where the document disagrees, both are listed", () => {
  const current = completed(exampleInput);
  const { profile, conflicts } = read(
    {
      resourceType: "Bundle",
      entry: [
        { resource: { resourceType: "Patient", birthDate: "1960-01-01", gender: "female" } },
        {
          resource: {
            resourceType: "AllergyIntolerance",
            code: { text: "PENICILLINE", coding: [{ system: "http://snomed.info/sct", code: "91936005" }] },
            reaction: [{ manifestation: [{ text: "Rash" }], severity: "mild" }],
          },
        },
        { resource: { resourceType: "AllergyIntolerance", code: { text: "Nuts" } } },
        { resource: { resourceType: "Immunization", status: "completed", vaccineCode: { text: "Tetanus" } } },
      ],
    },
    current,
  );
  assert.equal(profile.identity.birth_date, "1958-02-11");
  const [penicillin] = profile.allergies.items;
  assert.equal(penicillin?.text, "Pénicilline");
  assert.equal(penicillin?.severity, "life-threatening");
  assert.equal(penicillin?.code?.code, "91936005");
  assert.equal(penicillin?.confirmed_at, current.allergies.items[0]?.confirmed_at);
  assert.deepEqual(textsOf(profile, "allergies"), ["Pénicilline", "Latex", "Iode", "Nuts"]);
  assert.equal(profile.vaccinations.statement, "declined");
  assert.deepEqual(
    conflicts.map(({ section, field }) => [section, field]),
    [
      ["identity", "birth_date"],
      ["allergies", "reaction"],
      ["allergies", "severity"],
      ["vaccinations", undefined],
    ],
  );
});

test("importing the same document twice changes nothing more", () => {
  const document = file("ips/complete.json");
  const once = read(document).profile;
  const twice = read(document, once);
  assert.deepEqual(twice.profile, once);
  assert.deepEqual(twice.conflicts, []);
});

test("long lists and long words are cut to the bounds, with a warning", () => {
  const many = Array.from({ length: 300 }, (_, index) => ({
    resourceType: "Condition",
    code: { text: `${"x".repeat(3000)} ${index}`.slice(-700) + index },
  }));
  const { profile, warnings } = read(
    bundleOf(...many.map((c, index) => ({ ...c, code: { text: `Illness ${index} ${"x".repeat(3000)}` } }))),
  );
  assert.equal(profile.conditions.items.length, 100);
  assert.ok(profile.conditions.items.every((item) => item.text.length <= 500));
  assert.ok(warnings.some((warning) => warning.includes("200 items of conditions")));
});

test("what is no bundle is told apart", () => {
  for (const value of [
    null,
    1,
    "Bundle",
    [],
    {},
    { resourceType: "Patient" },
    { resourceType: "Bundle" },
    { entry: [] },
  ]) {
    assert.equal(importBundle(value, { current: freshProfile(), now: testNow, newId: () => "x" }), undefined);
  }
});

test("names of object properties in the data do no harm", () => {
  const hostile = JSON.parse(
    '{"resourceType":"Bundle","__proto__":{"polluted":true},"entry":[{"fullUrl":"__proto__","resource":{"resourceType":"__proto__","id":"constructor"}},' +
      '{"resource":{"resourceType":"Condition","code":{"text":"toString","coding":[{"system":"__proto__","code":"constructor"}]},"subject":{"reference":"__proto__"}}},' +
      '{"resource":{"resourceType":"constructor"}},{"resource":{"resourceType":"Patient","__proto__":{"gender":"male"}}}]}',
  );
  const { profile } = read(hostile);
  assert.deepEqual(textsOf(profile, "conditions"), ["toString"]);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  assert.equal(profile.identity.sex, undefined);
});

/** Random damage to real documents: values replaced by junk at random places. */
const documents = ["ips/complete.json", "ips/minimal.json", "patients/antonio-castellanos.json"].map(file);
const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    1e308,
    "",
    " ",
    "\u0000",
    "\ud800",
    [],
    {},
    [[]],
    [null],
    { resourceType: 1 },
    "__proto__",
  ),
  fc.anything({ withNullPrototype: false, maxDepth: 2 }),
  fc.string({ unit: "binary" }),
);

test("no JSON, however damaged, makes the import throw or propose an invalid profile", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...documents),
      fc.array(fc.tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 8 }), junk), { minLength: 1, maxLength: 30 }),
      (document, damages) => {
        const copy = structuredClone(document);
        for (const [path, value] of damages) damage(copy, path, value);
        const preview = importBundle(copy, { current: freshProfile(), now: testNow, newId: () => crypto.randomUUID() });
        if (preview === undefined) return;
        assert.equal(Check(profileSchema, preview.profile), true);
        assert.deepEqual(profileViolations(preview.profile as ProfileInput, testNow), []);
      },
    ),
    { numRuns: 300 },
  );
});

test("no value at all makes the import throw", () => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 4 }), fc.anything({ maxDepth: 3 }), (entry, resource) => {
      const value = {
        resourceType: "Bundle",
        entry: [entry, { resource }, { resource: { ...Object(resource), resourceType: "Condition" } }],
      };
      importBundle(value, { current: freshProfile(), now: testNow, newId: () => crypto.randomUUID() });
    }),
    { numRuns: 300 },
  );
});

test("a bundle as large as the route allows is read in bounded time", () => {
  const entries = Array.from({ length: 20_000 }, (_, index) => ({
    resource: {
      resourceType: index % 2 === 0 ? "Observation" : "MedicationStatement",
      status: "active",
      code: { coding: [{ system: "http://loinc.org", code: index % 4 === 0 ? "82810-3" : "11778-8" }] },
      valueCodeableConcept: { coding: [{ system: "http://snomed.info/sct", code: "77386006" }] },
      medicationReference: { reference: `Medication/${index}` },
    },
  }));
  const started = performance.now();
  read({ resourceType: "Bundle", entry: entries });
  assert.ok(performance.now() - started < 5000);
});

function damage(root: unknown, path: readonly number[], value: unknown): void {
  let current = root as Record<string, unknown>;
  for (const [depth, step] of path.entries()) {
    const keys = Object.keys(current);
    const key = keys[step % Math.max(1, keys.length)];
    if (key === undefined) return;
    const next = current[key];
    if (depth === path.length - 1 || typeof next !== "object" || next === null) {
      current[key] = value;
      return;
    }
    current = next as Record<string, unknown>;
  }
}
