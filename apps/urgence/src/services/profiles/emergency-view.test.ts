import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { emergencyView } from "./emergency-view.ts";
import { bandKinds } from "./red-band.ts";
import { freshProfile, type ProfileInput, sectionNames } from "./schema.ts";
import { completed, exampleInput, profiles, testNow } from "./testing.ts";

const fresh = freshProfile() as ProfileInput;
const view = (change: Partial<ProfileInput>, now = testNow) =>
  emergencyView(completed({ ...fresh, ...change }), { now, updated: testNow });
const listed = <T>(...items: T[]) => ({ statement: "listed" as const, items });

test("the red band puts what kills first, and says what was derived from which item", () => {
  const profile = completed(exampleInput);
  const { red_band } = emergencyView(profile, { now: testNow, updated: testNow });
  assert.deepEqual(
    red_band.map(({ kind, text, derived }) => [kind, text, derived]),
    [
      ["life-threatening-allergy", "Pénicilline", true],
      ["anticoagulant", "Xarelto", true],
      ["adrenal-insufficiency", "Maladie d'Addison", true],
      ["severe-allergy", "Iode", true],
      ["pacemaker", "Stimulateur cardiaque", true],
      ["do-not", "Never lay flat", false],
      ["do-not", "Pas de réanimation", true],
    ],
  );
  assert.deepEqual(red_band[1]?.sources, [{ section: "medications", id: profile.medications.items[0]?.id }]);
});

test("the same thing said as an alert and as a medicine shows once, as the person's own words, with both sources", () => {
  const { red_band } = view({
    alerts: listed({ text: "Éliquis", kind: "anticoagulant" as const }),
    medications: listed({ text: "eliquis", dose: "5 mg" }),
  });
  assert.equal(red_band.length, 1);
  assert.deepEqual([red_band[0]?.text, red_band[0]?.derived, red_band[0]?.sources.length], ["Éliquis", false, 2]);
});

test("blood thinners are recognised by name, brand, ATC and RxNorm code, and by the person's own tick", () => {
  const kinds = (item: ProfileInput["medications"]["items"][number]) =>
    view({ medications: listed(item) }).red_band.map((entry) => entry.kind);
  assert.deepEqual(kinds({ text: "warfarin 5 mg" }), ["anticoagulant"]);
  assert.deepEqual(kinds({ text: "PRÉVISCAN 20mg" }), ["anticoagulant"]);
  assert.deepEqual(kinds({ text: "un cachet rose", anticoagulant: true }), ["anticoagulant"]);
  assert.deepEqual(kinds({ text: "Xarelto", anticoagulant: false }), ["anticoagulant"]);
  assert.deepEqual(kinds({ text: "?", code: { system: "http://www.whocc.no/atc", code: "B01AF02" } }), [
    "anticoagulant",
  ]);
  assert.deepEqual(kinds({ text: "?", code: { system: "http://www.whocc.no/atc", code: "B01AC06" } }), [
    "antiplatelet",
  ]);
  assert.deepEqual(
    kinds({ text: "?", code: { system: "http://www.nlm.nih.gov/research/umls/rxnorm", code: "1364430" } }),
    ["anticoagulant"],
  );
  assert.deepEqual(kinds({ text: "Paracétamol" }), []);
  assert.deepEqual(kinds({ text: "Warfarinex" }), []);
});

test("the three kinds of nothing stay different, and a statement has an age", () => {
  const now = Date.UTC(2027, 5, 15);
  const { sections } = view(
    { allergies: { statement: "none-known", items: [] }, conditions: { statement: "declined", items: [] } },
    now,
  );
  assert.equal(sections.allergies.statement, "none-known");
  assert.deepEqual([sections.allergies.age_months, sections.allergies.stale], [11, true]);
  assert.equal(sections.conditions.statement, "declined");
  assert.equal(sections.medications.statement, "no-information");
  assert.equal(sections.medications.age_months, undefined);
});

test("an item is stale the moment after six months, not before", () => {
  const stale = (now: number) => view({ allergies: listed({ text: "Nuts" }) }, now).sections.allergies.items[0]?.stale;
  assert.equal(stale(Date.UTC(2026, 11, 15, 12)), false);
  assert.equal(stale(Date.UTC(2026, 11, 15, 12, 0, 0, 1)), true);
  assert.equal(stale(Date.UTC(2026, 11, 14)), false);
});

test("a pregnancy ends four weeks after the expected date, and the view says that one was recorded", () => {
  const pregnancy = listed({ due_date: "2026-08-01" });
  assert.equal(view({ pregnancy }, Date.UTC(2026, 7, 29, 23)).sections.pregnancy.statement, "listed");
  const after = view({ pregnancy }, Date.UTC(2026, 7, 30, 1));
  assert.equal(after.sections.pregnancy.statement, "no-information");
  assert.equal(after.pregnancy_expired, true);
});

test("age is counted in whole years and called approximate when the birth date is partial", () => {
  const identity = (birth_date: string) => view({ identity: { birth_date } }).identity;
  assert.equal(identity("1958-06-15").age_years, 68);
  assert.equal(identity("1958-06-16").age_years, 67);
  assert.deepEqual([identity("1958").age_years, identity("1958").age_approximate], [67, true]);
  assert.equal(identity("unknown").age_years, undefined);
});

test("an allergy that is over and a past condition raise no alarm", () => {
  const { red_band } = view({
    allergies: listed({ text: "Nuts", severity: "life-threatening" as const, status: "resolved" as const }),
    conditions: listed({ text: "Hémophilie", status: "past" as const }),
  });
  assert.deepEqual(red_band, []);
});

test("whatever the profile, nothing the person listed is lost, and the band is in order", () => {
  fc.assert(
    fc.property(profiles, (profile) => {
      const result = emergencyView(profile, { now: testNow, updated: testNow });
      for (const name of sectionNames) {
        assert.deepEqual(
          result.sections[name].items.map((item) => item.id),
          profile[name].items.map((item) => item.id),
        );
        assert.equal(result.sections[name].statement, profile[name].statement);
      }
      const ranks = result.red_band.map((entry) => bandKinds.indexOf(entry.kind));
      assert.deepEqual(
        ranks,
        ranks.toSorted((a, b) => a - b),
      );
      const shown = new Set(result.red_band.flatMap((entry) => entry.sources.map((source) => source.id)));
      for (const item of [...profile.alerts.items, ...profile.devices.items]) assert.ok(shown.has(item.id));
    }),
    { numRuns: 100 },
  );
});
