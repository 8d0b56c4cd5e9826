import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "rouage";
import { localPath } from "./page.ts";
import { csrfOfSession, sessionCookie, testSite } from "./testing.ts";

const everyPage = [
  "/",
  "/signup/",
  "/confirm",
  "/forgot",
  "/reset",
  "/privacy",
  "/me",
  "/me/profile",
  "/me/profile/allergies",
  "/me/profile/identity",
  "/me/rescuer-view",
  "/me/import",
  "/me/card",
  "/me/position",
  "/me/access-log",
  "/me/history",
  "/me/positions",
  "/me/account/email",
  "/me/export",
  "/me/account",
  "/me/delete",
  "/e/nothing",
];

test("every page forbids inline code, and has none", async () => {
  await using site = await testSite();
  for (const path of everyPage) {
    const { headers, text } = await site.get(path);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/, path);
    assert.doesNotMatch(policy, /unsafe/);
    assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|javascript:/i, path);
    for (const [, inner] of text.matchAll(/<script[^>]*>([^<]*)<\/script>/g)) assert.equal(inner, "", path);
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.ok(headers.has("permissions-policy"));
  }
});

test("personal pages are kept by nobody and found by no search engine", async () => {
  await using site = await testSite();
  for (const path of everyPage.filter((name) => name.startsWith("/me") || name.startsWith("/e/"))) {
    const { headers } = await site.get(path);
    assert.equal(headers.get("cache-control"), "no-store", path);
    assert.match(headers.get("x-robots-tag") ?? "", /noindex/, path);
  }
});

test("style, script and icons are named by their content and kept for a year", async () => {
  await using site = await testSite();
  const { text } = await site.get("/");
  const paths = [...text.matchAll(/"(\/assets\/[^"#]+)/g)].map((match) => match[1] ?? "");
  assert.ok(paths.length >= 3);
  for (const path of new Set(paths)) {
    const { status, headers } = await site.get(path);
    assert.equal(status, 200);
    assert.match(headers.get("cache-control") ?? "", /max-age=31536000, immutable/);
  }
  assert.equal((await site.get("/assets/urgence.000000000000.css")).status, 404);
  assert.equal((await site.get("/assets/..%2f..%2fpage.ts")).status, 404);
});

test("a visitor is sent to sign in, and comes back to the page they wanted", async () => {
  await using site = await testSite();
  const { status, headers } = await site.get("/me/profile/allergies?add=1", { cookie: "" });
  assert.equal(status, 303);
  assert.equal(headers.get("location"), "/signin/?next=%2Fme%2Fprofile%2Fallergies%3Fadd%3D1");
});

test("only paths of this site are gone on to", () => {
  assert.equal(localPath("/me/profile?add=1", "/x"), "/me/profile?add=1");
  for (const next of [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/me\nx",
    "",
    "/<b>",
  ])
    assert.equal(localPath(next, "/x"), "/x", next);
  fc.assert(
    fc.property(fc.string(), (next) => {
      assert.equal(new URL(localPath(next, "/x"), "https://urgence.test").host, "urgence.test");
    }),
  );
});

for (const [why, fields, headers] of [
  ["without its token", { _csrf: "" }, {}],
  ["with another token", { _csrf: "csrf-of-eve" }, {}],
  ["from another site, by the browser's word", {}, { "sec-fetch-site": "cross-site" }],
  ["from a neighbouring site", {}, { "sec-fetch-site": "same-site" }],
  ["from another origin", {}, { origin: "https://evil.example" }],
] as const) {
  test(`a form sent ${why} changes nothing`, async () => {
    await using site = await testSite();
    for (const path of ["/me/profile/what_matters", "/me/delete/account", "/me/card", "/signout", "/me/account/mfa"]) {
      const { status } = await site.post(
        path,
        { what_matters: "x", password: "p", confirm_account: "on", _csrf: csrfOfSession, ...fields },
        headers,
      );
      assert.equal(status, 403, path);
    }
    assert.deepEqual(
      site.api.calls.filter(({ method, path }) => method !== "GET" && !path.endsWith("/resolve")),
      [],
    );
  });
}

test("forms of visitors need the token of their own cookie", async () => {
  await using site = await testSite();
  const shown = await site.get("/signin/", { cookie: "" });
  const cookie = shown.headers.get("set-cookie") ?? "";
  assert.match(cookie, /^__Host-csrf=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
  const token = /name="_csrf" value="([\w-]{43})"/.exec(shown.text)?.[1] ?? "";
  const fields = { email: "ada@example.org", password: "right password", _csrf: token };
  assert.equal((await site.post("/signin/", fields, { cookie: "" })).status, 403);
  assert.equal((await site.post("/signin/", fields, { cookie: `__Host-csrf=${"x".repeat(43)}` })).status, 403);
  const done = await site.post("/signin/", fields, { cookie: cookie.split(";")[0] ?? "", origin: "null" });
  assert.equal(done.status, 303);
  assert.equal(done.headers.getSetCookie()[0], "__Host-session=session-of-ada; Path=/; HttpOnly; SameSite=Lax; Secure");
});

test("a wrong password with a code is one answer, and the address stays typed", async () => {
  await using site = await testSite();
  site.api.mfa = true;
  const wrong = await site.post("/signin/", { email: "ada@example.org", password: "wrong", totp: "1" });
  assert.equal(wrong.status, 401);
  assert.match(wrong.text, /value="ada@example.org"/);
});

test("a session is remembered for a minute, and forgotten at sign-out", async () => {
  const clock = manualClock();
  await using site = await testSite(clock);
  const resolved = () => site.api.calls.filter(({ path }) => path.endsWith("/resolve")).length;
  await site.get("/me");
  await site.get("/me/profile");
  assert.equal(resolved(), 1);
  clock.advance(61_000);
  await site.get("/me");
  assert.equal(resolved(), 2);
  const { headers } = await site.post("/signout", {});
  assert.match(headers.get("set-cookie") ?? "", /__Host-session=; .*Max-Age=0/);
  await site.get("/me");
  assert.equal(resolved(), 3);
});

test("a session that the API refuses ends at the sign-in page", async () => {
  await using site = await testSite();
  site.api.answers.set("GET /v1/me/profile", { status: 401, body: {} });
  const { status, headers } = await site.get("/me");
  assert.equal(status, 303);
  assert.match(headers.get("location") ?? "", /^\/signin\//);
  assert.match(headers.get("set-cookie") ?? "", /__Host-session=; /);
});

for (const [status, words] of [
  [403, /Not allowed/],
  [429, /Please wait 30 seconds/],
  [500, /The fault is ours/],
  [503, /Not available right now/],
] as const) {
  test(`a ${status} of the API is a page with a reference to ask with`, async () => {
    await using site = await testSite();
    site.api.answers.set("GET /v1/me/access-log", {
      status,
      body: { message: "inner secret" },
      headers: { "retry-after": "30" },
    });
    const answer = await site.get("/me/access-log", { "x-request-id": "reference-1" });
    assert.equal(answer.status, status);
    assert.match(answer.text, words);
    assert.match(answer.text, /Reference for questions: <code>[\w-]+<\/code>/);
    assert.doesNotMatch(answer.text, /inner secret/);
  });
}

test("the language is the account's, then the cookie's, then the browser's, unless one is chosen", async () => {
  await using site = await testSite();
  const lang = async (path: string, headers: Record<string, string>) =>
    /<html lang="(\w+)"/.exec((await site.get(path, headers)).text)?.[1];
  assert.equal(await lang("/", { cookie: "", "accept-language": "de, fr-CA;q=0.8, en;q=0.5" }), "fr");
  assert.equal(await lang("/", { cookie: "__Host-lang=fr", "accept-language": "en" }), "fr");
  assert.equal(await lang("/", { cookie: `__Host-lang=fr; ${sessionCookie}` }), "en");
  assert.equal(await lang("/?lang=fr", {}), "fr");
  assert.equal(site.api.language, "fr");
  assert.equal(await lang("/", {}), "fr");
});

test("only responders whose second factor was used may look up", async () => {
  await using site = await testSite();
  const forbidden = await site.get("/responder/lookup");
  assert.equal(forbidden.status, 403);
  await using pending = await testSite();
  pending.api.roles = ["person", "mfa-pending"];
  const refused = await pending.get("/responder/lookup");
  assert.equal(refused.status, 403);
  assert.match(refused.text, /Second factor needed/);
  const posted = await pending.post("/responder/lookup", {
    identifier: "+33639981234",
    incident: "1",
    reason: "other",
  });
  assert.equal(posted.status, 403);
  assert.equal(
    pending.api.calls.some(({ service }) => service === "access"),
    false,
  );
});

test("pages call the API with the person's own token", async () => {
  await using site = await testSite();
  await site.get("/me/access-log");
  const call = site.api.calls.find(({ path }) => path.startsWith("/v1/me/access-log"));
  assert.equal(call?.authorization, "Bearer token-of-ada");
});

test("the script is small and free of what the policy forbids", () => {
  const script = readFileSync(new URL("./assets/urgence.js", import.meta.url), "utf8");
  assert.ok(script.length < 20_000);
  assert.doesNotMatch(script, /\beval\b|new Function|document\.write|https?:\/\//);
});
