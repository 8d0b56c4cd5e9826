import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Check } from "typebox/value";
import { profileViolations } from "./check.ts";
import { readProfile } from "./migrate.ts";
import { questions } from "./missing.ts";
import { freshProfile, type ProfileInput, profileSchema } from "./schema.ts";
import { completed, exampleInput, profileInputs, profiles, testNow } from "./testing.ts";

const later = testNow + 86_400_000;
const fresh = freshProfile() as ProfileInput;

test("new items get an id and are confirmed now by the person", () => {
  const [item] = completed(exampleInput).allergies.items;
  assert.equal(item?.confirmed_at, new Date(testNow).toISOString());
  assert.equal(item?.confirmed_by, "self");
  assert.ok(item?.id);
});

test("an item sent back unchanged keeps its confirmation; a changed one, and one sent without it, is confirmed now", () => {
  const first = completed(exampleInput);
  const [a, b, c] = first.allergies.items;
  assert.ok(a && b && c);
  const { confirmed_at: _at, confirmed_by: _by, ...again } = b;
  const items = [a, again, { ...c, text: "Iode (produit de contraste)" }];
  const second = completed({ ...(first as ProfileInput), allergies: { statement: "listed", items } }, first, later);
  assert.deepEqual(
    second.allergies.items.map((item) => item.confirmed_at),
    [testNow, later, later].map((time) => new Date(time).toISOString()),
  );
});

test("a client can neither back-date, nor post-date, nor say that a practitioner confirmed", () => {
  const item = { text: "Nuts", confirmed_at: "2001-01-01T00:00:00Z", confirmed_by: "practitioner" as const };
  const first = completed({ ...fresh, allergies: { statement: "listed", items: [item] } });
  assert.equal(first.allergies.items[0]?.confirmed_at, new Date(testNow).toISOString());
  assert.equal(first.allergies.items[0]?.confirmed_by, "self");
  const future = { text: "Nuts", confirmed_at: "2999-01-01T00:00:00Z", confirmed_by: "import" as const };
  const second = completed({ ...fresh, allergies: { statement: "listed", items: [future] } });
  assert.equal(second.allergies.items[0]?.confirmed_at, new Date(testNow).toISOString());
});

test("an imported item is as old as its document", () => {
  const item = { text: "Nuts", confirmed_at: "2019-05-01T00:00:00.000Z", confirmed_by: "import" as const };
  const [stored] = completed({ ...fresh, allergies: { statement: "listed", items: [item] } }).allergies.items;
  assert.deepEqual([stored?.confirmed_at, stored?.confirmed_by], ["2019-05-01T00:00:00.000Z", "import"]);
});

test("completing is stable: what was stored, sent back as it is, stays as it is", () => {
  fc.assert(
    fc.property(profileInputs, (input) => {
      const first = completed(input);
      assert.equal(Check(profileSchema, first), true);
      assert.deepEqual(profileViolations(first as ProfileInput, testNow), []);
      assert.deepEqual(completed(first as ProfileInput, first, later), first);
    }),
    { numRuns: 100 },
  );
});

test("every broken rule is named with its path", () => {
  const broken: ProfileInput = {
    ...fresh,
    identity: { birth_date: "2031-01-01", photo: "data:image/png;base64,/9j/AAAA" },
    allergies: { statement: "listed", items: [] },
    conditions: { statement: "none-known", items: [{ text: "Asthma", since: "2001-02-30" }] },
    operations: {
      statement: "listed",
      items: [
        { id: "a", text: "Hip" },
        { id: "a", text: "Knee" },
      ],
    },
    pregnancy: { statement: "listed", items: [{ due_date: "2028" }] },
  };
  assert.deepEqual(
    profileViolations(broken, testNow).map(({ name, code }) => [name, code]),
    [
      ["identity.birth_date", "in-future"],
      ["identity.photo", "photo-type"],
      ["allergies.items", "items-missing"],
      ["conditions.statement", "statement-mismatch"],
      ["conditions.items.0.since", "no-such-day"],
      ["pregnancy.items.0.due_date", "too-far"],
      ["operations.items.1.id", "duplicate-id"],
    ],
  );
});

test("a stored profile of an earlier shape is read with its unknown sections as no information", () => {
  const old = {
    identity: { family_name: "Vautrinelle" },
    allergies: { statement: "none-known", items: [] },
    colour: 1,
  };
  const profile = readProfile(old);
  assert.equal(profile.identity.family_name, "Vautrinelle");
  assert.equal(profile.allergies.statement, "none-known");
  assert.equal(profile.gp.statement, "no-information");
  assert.equal(Check(profileSchema, profile), true);
});

test("a fresh profile is asked for names, birth date and the vital sections first; a declined section is not asked again", () => {
  const asked = questions(freshProfile(), testNow);
  assert.ok(asked.slice(0, 9).every((question) => question.priority === 1));
  const declined = completed({ ...fresh, allergies: { statement: "declined", items: [] } });
  assert.ok(!questions(declined, testNow + 4e10).some((question) => question.section === "allergies"));
});

test("old items are asked about again, incomplete ones are named with the field", () => {
  const profile = completed(exampleInput);
  assert.ok(!questions(profile, testNow).some((question) => question.kind === "still-true"));
  const old = questions(profile, Date.UTC(2027, 0, 15));
  assert.ok(old.some(({ kind, text, age_months }) => kind === "still-true" && text === "Xarelto" && age_months === 6));
  assert.ok(
    questions(profile, testNow).some(
      ({ kind, text, field }) => kind === "incomplete" && text === "Latex" && field === "reaction",
    ),
  );
});

test("questions never ask about what does not exist", () => {
  fc.assert(
    fc.property(profiles, (profile) => {
      for (const { section, item_id } of questions(profile, later)) {
        if (item_id === undefined || section === "identity" || section === "what_matters") continue;
        assert.ok(profile[section].items.some((item) => item.id === item_id));
      }
    }),
    { numRuns: 50 },
  );
});
