import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "../testing.ts";

const calls = (site: Awaited<ReturnType<typeof testSite>>, method: string, path: string) =>
  site.api.calls.filter((call) => call.method === method && call.path === path);

test("the phone number is changed, or refused at its field with the form open", async () => {
  await using site = await testSite();
  assert.match((await site.get("/me/account")).text, /\+33 6 39 98 12 34/);
  const done = await site.post("/me/account/phone", { phone: "06 39 98 55 66" });
  assert.equal(done.headers.get("location"), "/me/account?done=phoneChanged");
  assert.deepEqual(calls(site, "PATCH", "/v1/me")[0]?.body, { phone: "06 39 98 55 66" });
  site.api.answers.set("PATCH /v1/me", { status: 400, body: { details: [{ name: "phone", code: "invalid-phone" }] } });
  const refused = await site.post("/me/account/phone", { phone: "12" });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /<details open><summary>Change the number[\s\S]*Enter a phone number[\s\S]*value="12"/);
});

test("another address is asked for with the password, and confirmed with its code", async () => {
  await using site = await testSite();
  const wrong = await site.post("/me/account/email", { new_email: "b@example.org", email_password: "wrong" });
  assert.match(wrong.text, /href="#f-email_password">This is not your current password/);
  assert.match(wrong.text, /value="b@example.org"/);
  assert.doesNotMatch(wrong.text, /value="wrong"/);
  const sent = await site.post("/me/account/email", { new_email: "b@example.org", email_password: "right password" });
  assert.equal(sent.headers.get("location"), "/me/account/email?done=emailCodeSent");
  assert.match((await site.get("/me/account/email")).text, /Confirm your new address/);
  const refused = await site.post("/me/account/email/confirm", { code: "000000" });
  assert.match(refused.text, /href="#f-code">This code is not right/);
  const done = await site.post("/me/account/email/confirm", { code: "123 456" });
  assert.equal(done.headers.get("location"), "/me/account?done=emailChanged");
});

test("a session from before the second factor is asked for a code when the address changes", async () => {
  await using site = await testSite();
  site.api.answers.set("POST /v1/me/email", { status: 401, body: { details: { totp: "required" } } });
  const asked = await site.post("/me/account/email", { new_email: "b@example.org", email_password: "right password" });
  assert.match(asked.text, /name="email_totp"/);
});

test("devices are named, this one first, and each other one can be signed out", async () => {
  await using site = await testSite();
  const at = "2026-01-01T00:00:00Z";
  site.api.sessions = [
    { id: "s2", kind: "browser", created: at, used: at, client: "Mozilla/5.0 (Windows NT 10.0) Firefox/133.0" },
    {
      id: "s1",
      kind: "browser",
      created: at,
      used: at,
      client: "Mozilla/5.0 (Linux; Android 14) Firefox/133.0",
      current: true,
    },
  ];
  const { text } = await site.get("/me/account");
  assert.match(
    text,
    /Firefox on Android<\/strong> <span class="tag">This device[\s\S]*Firefox on Windows[\s\S]*value="s2"/,
  );
  assert.doesNotMatch(text, /name="session" value="s1"/);
  const done = await site.post("/me/account/sessions/end", { session: "s2" });
  assert.equal(done.headers.get("location"), "/me/account?done=sessionEnded");
  assert.equal(calls(site, "DELETE", "/v1/me/sessions/s2").length, 1);
  assert.equal((await site.post("/me/account/sessions/end", { session: "../../x" })).status, 303, "gone is gone");
  assert.equal(calls(site, "DELETE", "/v1/me/sessions/..%2F..%2Fx").length, 1);
});

test("whoever changes the password is told before and after that every device is signed out", async () => {
  await using site = await testSite();
  assert.match((await site.get("/me/account")).text, /every device is signed out, this one too/);
  site.api.answers.set("POST /v1/me/password", { status: 204 });
  const done = await site.post("/me/account/password", { current: "right password", password: "another long one" });
  assert.equal(done.headers.get("location"), "/signin/?email=ada%40example.org&done=passwordChanged");
  assert.match(done.headers.getSetCookie()[0] ?? "", /session=; .*Max-Age=0/);
  const next = await site.get(done.headers.get("location") ?? "", { cookie: "" });
  assert.match(next.text, /every device is signed out[\s\S]*value="ada@example\.org"/);
});
