/** Whatever is sent, the answer is never a fault of ours. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { durableStorage, testStorages } from "../../../../../scripts/test-stores.ts";
import { ada, register, signIn, startAccounts } from "./testing.ts";

const publicRoutes = [
  ["POST", "/v1/accounts"],
  ["POST", "/v1/accounts/verify"],
  ["POST", "/v1/accounts/verify/resend"],
  ["POST", "/v1/sessions"],
  ["POST", "/v1/sessions/refresh"],
  ["POST", "/v1/passwords/reset"],
  ["POST", "/v1/passwords/reset/confirm"],
] as const;
const ownRoutes = [
  ["PATCH", "/v1/me"],
  ["DELETE", "/v1/me"],
  ["POST", "/v1/me/password"],
  ["POST", "/v1/me/email"],
  ["POST", "/v1/me/email/confirm"],
  ["PUT", "/v1/me/mfa"],
  ["DELETE", "/v1/me/mfa"],
] as const;

const nasty = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "\u0000",
    "\ud800",
    "a@b.c\u0000",
    "x".repeat(3000),
    "ada@example.org",
    "+33639981001",
    "123456",
    ".".repeat(9),
  ),
  fc.string({ maxLength: 20 }).map((text) => `${Buffer.from(text).toString("base64url")}.a.b.c`),
);
const fields = [
  "email",
  "password",
  "phone",
  "phoneNumber",
  "code",
  "refresh_token",
  "current",
  "totp",
  "language",
  "data",
  "__proto__",
];
const body = fc.oneof(
  fc
    .dictionary(fc.constantFrom(...fields), fc.oneof(nasty, fc.jsonValue()), { maxKeys: 6 })
    .map((value) => JSON.stringify(value)),
  fc.record({ email: nasty, password: nasty, code: nasty }).map((value) => JSON.stringify(value)),
  fc.string({ maxLength: 50 }),
);

for (const storage of testStorages)
  test(`[${storage}] no body gives a 5xx, on any route`, async () => {
    await using accounts = await startAccounts({ storage });
    await register(accounts);
    const { access_token } = await signIn(accounts);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...publicRoutes, ...ownRoutes), body, async ([method, path], text) => {
        const own = ownRoutes.some((route) => route[1] === path);
        const { status } = await accounts.request(method, path, text, own ? access_token : undefined);
        assert.ok(status < 500, `${method} ${path} ${text} → ${status}`);
      }),
      { numRuns: 300 },
    );
    assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).body.data.email, ada.email);
  });

test("no path parameter and no cookie gives a 5xx", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await fc.assert(
    fc.asyncProperty(nasty, async (text) => {
      const id = encodeURIComponent(text.toWellFormed());
      assert.ok((await accounts.request("GET", `/v1/erasures/${id}`)).status < 500);
      assert.ok((await accounts.request("DELETE", `/v1/me/sessions/${id}`, undefined, access_token)).status < 500);
      const resolve = { body: { cookie: text } };
      const { status } = await accounts.call("accounts", "POST", "/internal/browser-sessions/resolve", resolve);
      assert.ok(status < 500, `cookie ${JSON.stringify(text)} → ${status}`);
      for (const found of [{ phone_hash: text }, { person: text }])
        assert.ok((await accounts.call("accounts", "POST", "/internal/people/find", { body: found })).status < 500);
    }),
    { numRuns: 100 },
  );
});
