import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "../testing.ts";

const right = { email: "ada@example.org", password: "right password" };

test("the second step asks for the code alone, and the password is neither sent back nor asked for again", async () => {
  await using site = await testSite();
  site.api.mfa = true;
  const asked = await site.post("/signin/", { ...right, next: "/me/card" });
  assert.equal(asked.status, 200);
  assert.match(asked.text, /name="totp"/);
  assert.doesNotMatch(asked.text, /type="password"|right password/);
  const wrong = await site.post("/signin/", { step: "note-of-ada", totp: "000000", next: "/me/card" });
  assert.equal(wrong.status, 401);
  assert.match(wrong.text, /href="#f-totp">This code is not right/);
  const done = await site.post("/signin/", { step: "note-of-ada", totp: "123 456", next: "/me/card" });
  assert.equal(done.headers.get("location"), "/me/card");
  assert.match(done.headers.getSetCookie()[0] ?? "", /session=session-of-ada/);
});

test("a recovery code is accepted in the second step, and a wrong one named at its field", async () => {
  await using site = await testSite();
  const wrong = await site.post("/signin/", { step: "note-of-ada", totp: "", recovery: "zzzz-zzzz" });
  assert.match(wrong.text, /<details open>[\s\S]*This recovery code is not right/);
  assert.equal((await site.post("/signin/", { step: "note-of-ada", recovery: "aaaa-bbbb" })).status, 303);
});

test("a second step that came too late begins again, with the address kept", async () => {
  await using site = await testSite();
  const { status, text } = await site.post("/signin/", { step: "old", totp: "123456", email: "ada@example.org" });
  assert.equal(status, 401);
  assert.match(text, /Too much time has passed[\s\S]*value="ada@example.org"/);
});

test("after confirming the address, the sign-in form knows it", async () => {
  await using site = await testSite();
  const sent = await site.post("/signup/", { email: "ada+x@example.org", phone: "0639981234", password: "a long one" });
  assert.equal(sent.headers.get("location"), "/confirm?email=ada%2Bx%40example.org");
  const confirmed = await site.post("/confirm", { email: "ada+x@example.org", code: "123456" });
  const next = confirmed.headers.get("location") ?? "";
  assert.equal(next, "/signin/?email=ada%2Bx%40example.org&done=verified");
  assert.match((await site.get(next, { cookie: "" })).text, /value="ada\+x@example\.org"/);
});
