import assert from "node:assert/strict";
import { test } from "node:test";
import { freshProfile } from "../../services/profiles/schema.ts";
import { type TestSite, testSite, versionOf } from "../testing.ts";

const latex = { statement: "listed", action: "save", "items.0.id": "", "items.0.text": "Latex" };

/** Two windows on the same editor, and what the second one holds. */
async function opened(site: TestSite, part: string) {
  return versionOf((await site.get(`/me/profile/${part}`)).text);
}

test("the first save creates the profile, unless there is one by now", async () => {
  await using site = await testSite();
  await site.save("allergies", latex);
  const put = site.api.calls.find(({ method }) => method === "PUT");
  assert.equal(put?.headers["if-none-match"], "*");
  assert.equal(site.api.profile?.allergies.items[0]?.text, "Latex");
});

test("two windows with a new account: the second part is added to the first", async () => {
  await using site = await testSite();
  const second = await opened(site, "what_matters");
  await site.save("allergies", latex);
  const answer = await site.post("/me/profile/what_matters", { ...second, what_matters: "My dog" });
  assert.equal(answer.status, 303);
  assert.equal(site.api.profile?.allergies.items[0]?.text, "Latex");
  assert.equal(site.api.profile?.what_matters, "My dog");
});

test("a save states the revision its form was filled from", async () => {
  await using site = await testSite();
  site.api.profile = freshProfile();
  site.api.revision = 41;
  await site.save("allergies", latex);
  const patch = site.api.calls.find(({ method }) => method === "PATCH");
  assert.equal(patch?.headers["if-match"], '"41"');
});

test("another part that changed meanwhile is no conflict", async () => {
  await using site = await testSite();
  site.api.profile = freshProfile();
  const second = await opened(site, "what_matters");
  await site.save("allergies", latex);
  const answer = await site.post("/me/profile/what_matters", { ...second, what_matters: "My dog" });
  assert.equal(answer.status, 303);
  assert.equal(site.api.profile?.what_matters, "My dog");
  assert.equal(site.api.profile?.allergies.items.length, 1);
});

for (const [part, first, typed, kept] of [
  ["allergies", latex, { ...latex, "items.0.text": "Peanut" }, /value="Peanut"/],
  ["what_matters", { what_matters: "Latex" }, { what_matters: "Peanut" }, />Peanut<\/textarea>/],
  ["identity", { given_names: "Latex" }, { given_names: "Peanut" }, /value="Peanut"/],
] as const) {
  test(`the same part changed meanwhile: nothing is written, both are shown, and a second save decides (${part})`, async () => {
    await using site = await testSite();
    site.api.profile = freshProfile();
    const stale = await opened(site, part);
    await site.save(part, first);
    const before = JSON.stringify(site.api.profile);
    const answer = await site.post(`/me/profile/${part}`, { ...stale, ...typed });
    assert.equal(answer.status, 409);
    assert.match(answer.text, /This part was changed meanwhile[\s\S]*Saved now[\s\S]*Latex/);
    assert.match(answer.text, kept);
    assert.equal(JSON.stringify(site.api.profile), before);
    const again = await site.post(`/me/profile/${part}`, { ...versionOf(answer.text), ...typed });
    assert.equal(again.status, 303);
    assert.match(JSON.stringify(site.api.profile), /Peanut/);
  });
}

test("a form without its revision writes nothing", async () => {
  await using site = await testSite();
  site.api.profile = freshProfile();
  assert.equal((await site.post("/me/profile/allergies", latex)).status, 409);
  assert.equal(site.api.profile?.allergies.items.length, 0);
});

test("a revision made up by somebody is no way around", async () => {
  await using site = await testSite();
  site.api.profile = freshProfile();
  for (const version of ["*", '"1", "2"', "x\r\nif-match: *", '"999"']) {
    const answer = await site.post("/me/profile/allergies", { ...latex, version, seen: "x" });
    assert.equal(answer.status, 409, version);
  }
  assert.equal(site.api.profile?.allergies.items.length, 0);
});

test("a refused form keeps its revision", async () => {
  await using site = await testSite();
  site.api.profile = freshProfile();
  const first = await opened(site, "allergies");
  const refused = await site.save("allergies", { statement: "listed", action: "save" });
  assert.equal(refused.status, 400);
  assert.deepEqual(versionOf(refused.text), first);
});

test("the guide leads from one open essential to the next, and at the end to the card", async () => {
  await using site = await testSite();
  const go = async (part: string, fields: Record<string, string>) =>
    (await site.save(part, { ...fields, guide: "1" })).headers.get("location");
  assert.match((await site.get("/me")).text, /href="\/me\/profile\/identity\?guide=1"/);
  assert.equal(await go("identity", { given_names: "Ada" }), "/me/profile/allergies?guide=1&done=saved");
  await site.save("medications", { statement: "none-known", action: "save" });
  assert.equal(
    await go("allergies", { statement: "none-known", action: "save" }),
    "/me/profile/conditions?guide=1&done=saved",
  );
  assert.match((await site.get("/me/profile/conditions?guide=1")).text, /Question 4 of 6[\s\S]*Skip for now/);
  const contact = { statement: "listed", action: "save", "items.0.id": "", "items.0.name": "Charles" };
  assert.equal(await go("contacts", contact), "/me/card?done=saved");
});
