import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "../testing.ts";

const json = (body: unknown, headers: Record<string, string> = {}) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body),
});

test("GET /ping/ answers", async () => {
  await using site = await testSite();
  const { status, text } = await site.get("/ping/");
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(text), { status: "ok" });
});

test("POST /signup/ with JSON answers what the API answers, without cookie or form token", async () => {
  await using site = await testSite();
  const body = { email: "ada@example.org", phoneNumber: "0639981234", password: "a calm otter swims" };
  const response = await site.handle(new Request("http://urgence.test/signup/", json(body)));
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), { data: { status: "verification-required" } });
  assert.deepEqual(site.api.calls[0]?.body, body);
});

test("POST /signin/ with JSON answers the token", async () => {
  await using site = await testSite();
  site.api.answers.set("POST /v1/sessions", { status: 200, body: { Token: "jwt" } });
  const response = await site.handle(
    new Request("http://urgence.test/signin/", json({ email: "a@b.example", password: "p" })),
  );
  assert.deepEqual(await response.json(), { Token: "jwt" });
  assert.equal(response.headers.get("set-cookie"), null);
});

test("an error of the API keeps its status, body and what to wait", async () => {
  await using site = await testSite();
  const error = { code: 429, errno: 117, error: "Too Many Requests" };
  site.api.answers.set("POST /v1/sessions", { status: 429, body: error, headers: { "retry-after": "12" } });
  const response = await site.handle(new Request("http://urgence.test/signin/", json({})));
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("retry-after"), "12");
  assert.deepEqual(await response.json(), error);
});

test("POST /user/add/ stores the profile of whoever the token names, and nobody else's", async () => {
  await using site = await testSite();
  const profile = { what_matters: "My dog" };
  const refused = await site.handle(new Request("http://urgence.test/user/add/", json(profile)));
  assert.equal(refused.status, 401);
  assert.equal(site.api.calls.length, 0, "never with the pages' own rights");
  const withCookie = await site.handle(
    new Request("http://urgence.test/user/add/", json(profile, { cookie: "__Host-session=session-of-ada" })),
  );
  assert.equal(withCookie.status, 401, "a cookie is no token: another site could send it");
  const stored = await site.handle(
    new Request("http://urgence.test/user/add/", json(profile, { authorization: "Bearer t" })),
  );
  assert.equal(stored.status, 200);
  assert.equal(site.api.calls[0]?.authorization, "Bearer t");
  assert.equal(site.api.profile?.what_matters, "My dog");
});

test("a body that is no JSON is refused by name", async () => {
  await using site = await testSite();
  for (const body of ["", "{", "\u0000", "[".repeat(100_000)]) {
    const response = await site.handle(new Request("http://urgence.test/signin/", json(body)));
    assert.equal(response.status, 400);
  }
});
