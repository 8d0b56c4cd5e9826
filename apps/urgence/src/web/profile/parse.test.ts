import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { manualClock } from "rouage";
import { completeProfile } from "../../services/profiles/complete.ts";
import { freshProfile, type ProfileInput } from "../../services/profiles/schema.ts";
import { testSite } from "../testing.ts";

const clock = () => manualClock(Date.UTC(2026, 5, 15));

async function withAllergies(time = clock()) {
  const site = await testSite(time);
  const code = { system: "http://snomed.info/sct", code: "91936005" };
  const input = {
    ...freshProfile(),
    allergies: { statement: "listed", items: [{ text: "Penicillin", code, criticality: "high" }, { text: "Latex" }] },
  } as ProfileInput;
  site.api.profile = completeProfile(input, { now: time.now(), newId: randomUUID });
  const [first, second] = site.api.profile.allergies.items;
  assert.ok(first !== undefined && second !== undefined);
  const fields = {
    statement: "listed",
    action: "save",
    "items.0.id": first.id,
    "items.0.text": "Penicillin",
    "items.4.id": second.id,
    "items.4.text": "Latex",
  };
  return { site, time, first, second, fields, saved: () => site.api.profile?.allergies };
}

test("an entry keeps what the form does not show, and its confirmation while it is unchanged", async () => {
  const { site, time, first, fields, saved } = await withAllergies();
  await using _ = site;
  time.advance(40 * 86_400_000);
  const answer = await site.save("allergies", { ...fields, "items.4.reaction": "Rash" });
  assert.equal(answer.headers.get("location"), "/me/profile?done=saved");
  assert.deepEqual(saved()?.items[0], first);
  assert.equal(saved()?.items[1]?.reaction, "Rash");
  assert.equal(saved()?.items[1]?.confirmed_at, new Date(time.now()).toISOString());
});

test("new words lose the code of the old ones", async () => {
  const { site, fields, saved } = await withAllergies();
  await using _ = site;
  await site.save("allergies", { ...fields, "items.0.text": "Amoxicillin" });
  assert.equal(saved()?.items[0]?.text, "Amoxicillin");
  assert.equal(saved()?.items[0]?.code, undefined);
  assert.equal(saved()?.items[0]?.criticality, "high");
});

test("entries are added and removed without losing what was typed", async () => {
  const { site, fields, saved } = await withAllergies();
  await using _ = site;
  const added = await site.save("allergies", { ...fields, action: "add", "items.0.text": "Half typ" });
  assert.match(added.text, /value="Half typ"/);
  assert.match(added.text, /name="items\.5\.text" (?!value="L)/);
  const removed = await site.save("allergies", { ...fields, action: "remove-0" });
  assert.doesNotMatch(removed.text, /Penicillin/);
  assert.match(removed.text, /value="Latex"/);
  assert.equal(saved()?.items.length, 2);
});

test("none, not known and not said are never mixed with entries", async () => {
  const { site, fields, saved } = await withAllergies();
  await using _ = site;
  for (const statement of ["none-known", "no-information", "declined"]) {
    const refused = await site.save("allergies", { ...fields, statement });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /There are still entries/);
    assert.equal(saved()?.items.length, 2);
  }
  const empty = await site.save("allergies", { statement: "listed", action: "save" });
  assert.match(empty.text, /Add at least one entry/);
  await site.save("allergies", { statement: "none-known", action: "save" });
  assert.equal(saved()?.statement, "none-known");
});

test("a phone number is understood as people write it, or named as wrong", async () => {
  await using site = await testSite(clock());
  const fields = { statement: "listed", action: "save", "items.0.id": "", "items.0.name": "Charles" };
  const refused = await site.save("contacts", { ...fields, "items.0.phone": "12" });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /href="#f-items-0-phone"/);
  assert.match(refused.text, /value="12"/);
  await site.save("contacts", { ...fields, "items.0.phone": "06 39 98 12 34" });
  assert.equal(site.api.profile?.contacts.items[0]?.phone, "+33639981234");
});

test("a chosen kind speaks for itself", async () => {
  await using site = await testSite(clock());
  await site.save("devices", {
    statement: "listed",
    action: "save",
    "items.0.id": "",
    "items.0.kind": "pacemaker",
  });
  assert.equal(site.api.profile?.devices.items[0]?.text, "Pacemaker");
});

test("the API's violations stand at the field they are about", async () => {
  const { site, fields } = await withAllergies();
  await using _ = site;
  const details = [
    { location: "body", name: "allergies.items.1.reaction", description: "too long", code: "max-length" },
  ];
  site.api.answers.set("PATCH /v1/me/profile", { status: 400, body: { errno: 107, details } });
  const { status, text } = await site.save("allergies", fields);
  assert.equal(status, 400);
  assert.match(text, /href="#f-items-4-reaction">This text is too long/);
});

test("still true confirms one entry or all of them, today", async () => {
  const { site, time, second, saved } = await withAllergies();
  await using _ = site;
  time.advance(250 * 86_400_000);
  const today = new Date(time.now()).toISOString();
  assert.match((await site.get("/me")).text, /Still true\?/);
  await site.post("/me/profile/allergies/confirm", { item: second.id, from: "home" });
  assert.notEqual(saved()?.items[0]?.confirmed_at, today);
  assert.equal(saved()?.items[1]?.confirmed_at, today);
  await site.post("/me/profile/allergies/confirm", {});
  assert.equal(saved()?.items[0]?.confirmed_at, today);
});

test("more rows than anybody needs, or fields that nobody shows, change nothing", async () => {
  await using site = await testSite(clock());
  const fields: Record<string, string> = { statement: "listed", action: "save" };
  for (let row = 0; row < 400; row++)
    Object.assign(fields, {
      [`items.${row}.id`]: "",
      [`items.${row}.text`]: `entry ${row}`,
      [`items.${row}.__proto__`]: "x",
    });
  const { status } = await site.save("conditions", fields);
  assert.ok(status < 500);
  assert.ok((site.api.profile?.conditions.items.length ?? 0) <= 120);
  const flood = new URLSearchParams(Array.from({ length: 3000 }, (_, index) => [`f${index}`, "x"]));
  assert.equal((await site.post("/me/profile/conditions", flood)).status, 413);
});
