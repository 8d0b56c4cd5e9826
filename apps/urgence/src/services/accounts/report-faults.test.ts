/** The faults of the original report that concern identity, each a test named after it. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { ada, register, signIn, startAccounts } from "./testing.ts";

test("fault: tokens signed ES256 with a string, so that nobody can ever sign in — a real key pair with kid and JWKS", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const header = JSON.parse(Buffer.from(access_token.split(".")[0] ?? "", "base64url").toString());
  const { body } = await accounts.request("GET", "/.well-known/jwks.json");
  assert.equal(header.alg, "EdDSA");
  assert.ok(body.keys.some(({ kid }: { kid: string }) => kid === header.kid));
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 200);
});

test("fault: unknown user → 500, wrong password → header 401 with body 500 — one 401, header and body agree", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const unknown = await accounts.request("POST", "/v1/sessions", { email: "nobody@example.org", password: "x" });
  const wrong = await accounts.request("POST", "/v1/sessions", { email: ada.email, password: "x" });
  assert.deepEqual([unknown.status, unknown.body.code], [401, 401]);
  assert.deepEqual([wrong.status, wrong.body], [unknown.status, unknown.body]);
});

test("fault: password format checked at sign-in — only when it is set", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  assert.equal((await accounts.request("POST", "/v1/sessions", { email: ada.email, password: "x" })).status, 401);
  assert.equal((await accounts.request("POST", "/v1/accounts", { ...ada, password: "x" })).status, 400);
});

test("fault: e-mail in the token — the subject is opaque", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  assert.equal(
    Buffer.from(access_token.split(".")[1] ?? "", "base64url")
      .toString()
      .includes("ada"),
    false,
  );
});

test("fault: no sign-out, refresh or revocation — all three are there, and a signed-out token is refused at once", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { refresh_token } = await signIn(accounts);
  const { body } = await accounts.request("POST", "/v1/sessions/refresh", { refresh_token });
  assert.equal((await accounts.request("DELETE", "/v1/sessions", undefined, body.access_token)).status, 204);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, body.access_token)).status, 401);
});

test("fault: internal error text to clients — a broken store is a plain 500 or 503", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await accounts.service.storage.close();
  const { status, body } = await accounts.request("POST", "/v1/sessions", { email: ada.email, password: "x" });
  assert.ok(status === 500 || status === 503, String(status));
  assert.deepEqual(Object.keys(body).sort(), ["code", "errno", "error", "message"]);
  assert.equal(/stor|clos|sql/i.test(body.message), false, body.message);
});

test("fault: unlimited bodies — a large one is 413", async () => {
  await using accounts = await startAccounts();
  const body = JSON.stringify({ email: ada.email, password: "x".repeat(5_000_000) });
  assert.equal((await accounts.request("POST", "/v1/sessions", body)).status, 413);
});

test("fault: 402 Bad Request — what is wrong is 400 with its errno: Parse, InvalidEmailFormat, InvalidPasswordFormat", async () => {
  await using accounts = await startAccounts();
  const post = (body: unknown) => accounts.request("POST", "/v1/accounts", body);
  const parse = await post("{not json");
  assert.deepEqual([parse.status, parse.body.errno], [400, 107]);
  const email = await post({ ...ada, email: "ada" });
  assert.deepEqual([email.status, email.body.errno, email.body.details[0].code], [400, 107, "invalid-email"]);
  const password = await post({ ...ada, password: "short" });
  assert.deepEqual([password.status, password.body.errno, password.body.details[0].code], [400, 107, "min-length"]);
});

test("fault: JWTSignature has an errno — a forged token is 401 errno 105, no token 401 errno 104", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const [head, payload] = access_token.split(".");
  const forged = `${head}.${payload}.${createHmac("sha256", "secret").update(`${head}.${payload}`).digest("base64url")}`;
  const wrong = await accounts.request("GET", "/v1/me", undefined, forged);
  assert.deepEqual([wrong.status, wrong.body.errno], [401, 105]);
  const missing = await accounts.request("GET", "/v1/me");
  assert.deepEqual([missing.status, missing.body.errno], [401, 104]);
});

test("fault: no rate limit — guessing passwords is slowed down", async () => {
  await using accounts = await startAccounts();
  let status = 0;
  for (let n = 0; n < 8; n += 1)
    ({ status } = await accounts.request("POST", "/v1/sessions", { email: "x@example.org", password: String(n) }));
  assert.equal(status, 429);
});

test("fault: no roles — a person's token opens no responder's or service's route", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  assert.equal(
    (await accounts.request("POST", "/internal/accounts/find", { email: ada.email }, access_token)).status,
    403,
  );
});
