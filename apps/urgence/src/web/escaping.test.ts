import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "rouage";
import { completeProfile } from "../services/profiles/complete.ts";
import type { Profile, ProfileInput } from "../services/profiles/schema.ts";
import { freshProfile } from "../services/profiles/schema.ts";
import { testSite } from "./testing.ts";

const clock = manualClock(Date.UTC(2026, 5, 15));

/** Everything that could leave its place in a page, around a mark that is found again. */
const hostile = fc
  .array(
    fc.constantFrom(
      "<script>",
      "</script>",
      "<!--",
      "-->",
      '"',
      "'",
      "`",
      "&",
      "&lt;",
      "onload=",
      "</textarea>",
      "</title>",
      "\\",
      "x",
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((pieces) => `<i id=zz>${pieces.join("")}`);

/** A profile in which every word a person can type is hostile; also what schemas would refuse, as if a store had been tampered with. */
const hostileProfile = hostile.map((text): Profile => {
  const items = (extra: object) => ({ statement: "listed", items: [{ text, note: text, name: text, ...extra }] });
  const input = {
    ...freshProfile(),
    identity: {
      given_names: text,
      family_name: text,
      preferred_name: text,
      birth_date: text,
      sex: text,
      languages: [text],
      photo: text,
    },
    alerts: items({ kind: text }),
    allergies: items({ severity: "life-threatening", reaction: text, status: text }),
    conditions: items({ since: text, status: text }),
    medications: items({ dose: text, route: text, frequency: text, since: text, anticoagulant: true }),
    devices: items({ kind: text, model: text, mri_safety: text, udi: text }),
    blood_group: items({ abo: text, rhesus: text }),
    pregnancy: items({ due_date: text }),
    vaccinations: items({ date: text }),
    operations: items({ date: text }),
    disabilities: items({ kind: text, communication: text }),
    directives: items({ kind: "do-not-other", location: text, phone: text }),
    contacts: items({ relation: text, phone: text, languages: [text] }),
    gp: items({ phone: text, address: text }),
    what_matters: text,
  } as unknown as ProfileInput;
  return completeProfile(input, { now: clock.now(), newId: randomUUID });
});

const pages = [
  "/me",
  "/me/profile",
  "/me/profile/identity",
  "/me/profile/what_matters",
  "/me/rescuer-view",
  "/me/card",
  "/me/access-log",
  "/me/history",
  "/me/account",
  "/responder",
];
const sections = [
  "alerts",
  "allergies",
  "conditions",
  "medications",
  "devices",
  "blood_group",
  "pregnancy",
  "disabilities",
  "directives",
  "contacts",
  "gp",
];

/** Pages that must show the words: an empty page escapes well, too. */
const shown = new Set([
  "/me/profile",
  "/me/profile/identity",
  "/me/profile/what_matters",
  "/me/rescuer-view",
  "/me/access-log",
  "/me/history",
  "/me/account",
  "/responder",
]);

test("nothing a person typed reaches any page as markup", async () => {
  await using site = await testSite(clock);
  const { api } = site;
  api.roles = ["person", "responder"];
  await fc.assert(
    fc.asyncProperty(hostileProfile, hostile, async (profile, text) => {
      api.profile = profile;
      api.position = { coordinates: [2, 48], source: text, fix_time: text, origin: text, accuracy: 5 };
      api.card = { token: text, parts: [text] };
      api.accessLog = [
        {
          id: text,
          at: text,
          level: 2,
          who: { role: text, site: text, service: text },
          reason: text,
          note: text,
          incident: text,
          outcome: text,
        },
      ];
      api.lookups = [{ id: text, at: text, reason: text, incident: text, outcome: text }];
      api.answers.set("GET /v1/me", { body: { data: { email: text, phone: text, created: text } } });
      api.answers.set("GET /v1/me/history", {
        body: { data: [{ at: text, action: text, changes: [{ section: text, added: [text], changed: [{ text }] }] }] },
      });
      api.answers.set("GET /v1/me/sessions", { body: { data: [{ created: text, client: text }] } });
      for (const path of [...pages, ...sections.map((name) => `/me/profile/${name}`)]) {
        const { status, text: page } = await site.get(path);
        assert.ok(status < 500, `${path} answers ${status}`);
        assertEscaped(page, path);
        if (shown.has(path)) assert.ok(page.includes("&lt;i id=zz"), `${path} shows what was typed`);
      }
      const lookup = await site.post("/responder/lookup", {
        identifier: "+33639981234",
        incident: "1",
        reason: "other",
      });
      assert.equal(lookup.status, 200);
      assertEscaped(lookup.text, "/responder/lookup");
    }),
    { numRuns: 25 },
  );
});

test("what was typed into a refused form comes back as text", async () => {
  await using site = await testSite(clock);
  await fc.assert(
    fc.asyncProperty(hostile, async (text) => {
      for (const [path, fields] of [
        ["/signup/", { email: text, phone: "" }],
        ["/signin/", { email: text, next: text }],
        ["/confirm", { email: text, code: "" }],
        ["/reset", { email: text, code: text }],
        ["/me/position", { latitude: text, longitude: text }],
        ["/me/account/mfa/confirm", { code: "", secret: text, uri: `otpauth://${text}` }],
        [
          "/me/profile/allergies",
          { statement: text, action: text, "items.0.id": text, "items.0.text": text, "items.0.severity": text },
        ],
      ] as const) {
        const { status, text: page } = await site.post(path, fields);
        assert.ok(status < 500, `${path} answers ${status}`);
        assertEscaped(page, path);
      }
      assertEscaped((await site.get(`/confirm?email=${encodeURIComponent(text)}`)).text, "/confirm");
      assertEscaped((await site.get(`/signin/?next=${encodeURIComponent(text)}`, { cookie: "" })).text, "/signin/");
      assertEscaped((await site.get(`/me?x=${encodeURIComponent(text)}&done=${encodeURIComponent(text)}`)).text, "/me");
    }),
    { numRuns: 40 },
  );
});

/** The mark is there as text at most, and no attribute ends early: what follows an opening quote of ours holds no quote. */
function assertEscaped(page: string, path: string): void {
  assert.ok(!page.includes("<i id=zz"), `${path} shows markup that a person typed`);
  for (const tag of page.matchAll(/<[a-zA-Z][^<>]*>/g))
    assert.doesNotMatch(
      tag[0].replace(/"[^"]*"/g, ""),
      /zz|onload|["'`]/,
      `${path}: an attribute was left in ${tag[0]}`,
    );
  assert.equal(page.match(/<script\b/g)?.length ?? 0, page === "" ? 0 : 1, `${path} has a script of its own only`);
}

test("a link to call holds digits only, a link to a map numbers only", async () => {
  await using site = await testSite(clock);
  const text = '+33";javascript:alert(1)//6';
  const input = {
    ...freshProfile(),
    contacts: { statement: "listed", items: [{ name: "A", phone: text }] },
  } as unknown as ProfileInput;
  site.api.profile = completeProfile(input, { now: clock.now(), newId: randomUUID });
  const { text: page } = await site.get("/me/rescuer-view");
  assert.deepEqual(
    [...page.matchAll(/href="tel:([^"]*)"/g)].map((match) => match[1]),
    ["+3316", "112"],
  );
});
