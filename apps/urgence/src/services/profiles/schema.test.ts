import assert from "node:assert/strict";
import { test } from "node:test";
import { Check } from "typebox/value";
import { freshProfile, itemText, type Profile, profileSchema, sectionNames } from "./schema.ts";

test("a fresh profile is valid and says in every section that there is no information", () => {
  const profile = freshProfile();
  assert.equal(Check(profileSchema, profile), true);
  for (const name of sectionNames) assert.deepEqual(profile[name], { statement: "no-information", items: [] });
});

test("an item is called by its text, its name or its blood group", () => {
  assert.equal(itemText({ id: "1", confirmed_at: "", confirmed_by: "self", text: "Penicillin" }), "Penicillin");
  assert.equal(itemText({ id: "1", confirmed_at: "", confirmed_by: "self", name: "Ana" }), "Ana");
  assert.equal(itemText({ id: "1", confirmed_at: "", confirmed_by: "self", abo: "AB", rhesus: "negative" }), "AB-");
});

test("values outside the bounds are refused", () => {
  const valid = (change: object) => Check(profileSchema, { ...freshProfile(), ...change } as Profile);
  const listed = (item: object, count = 1) => ({
    statement: "listed",
    items: Array.from({ length: count }, () => item),
  });
  assert.equal(valid({ allergies: listed({ text: "Nuts" }, 100) }), true);
  assert.equal(valid({ allergies: listed({ text: "Nuts" }, 101) }), false);
  assert.equal(valid({ allergies: listed({ text: "   " }) }), false);
  assert.equal(valid({ allergies: listed({ text: "x".repeat(501) }) }), false);
  assert.equal(valid({ allergies: listed({ text: "Nuts", severity: "terrible" }) }), false);
  assert.equal(valid({ allergies: listed({ text: "Nuts", colour: "red" }) }), false);
  assert.equal(valid({ conditions: listed({ text: "Asthma", since: "2011-13" }) }), false);
  assert.equal(valid({ contacts: listed({ name: "Ana", phone: "0612345678" }) }), false);
  assert.equal(valid({ identity: { birth_date: "unknown", languages: ["fr", "pt-BR"] } }), true);
  assert.equal(valid({ identity: { photo: "data:image/svg+xml;base64,PHN2Zz4=" } }), false);
  assert.equal(valid({ identity: { photo: `data:image/png;base64,${"A".repeat(140_000)}` } }), false);
  assert.equal(valid({ schema_version: 2 }), false);
});
