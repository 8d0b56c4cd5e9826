import assert from "node:assert/strict";
import { test } from "node:test";
import { durableStorage } from "../../../../../scripts/test-stores.ts";
import { ada, register, signIn, startAccounts } from "./testing.ts";

const next = "difference engine no. 2";

test("a forgotten password is replaced with the code from the mail; every session ends and the owner is told", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { access_token } = await signIn(accounts);
  assert.equal((await accounts.request("POST", "/v1/passwords/reset", { email: ada.email })).status, 202);
  const { code } = await accounts.mail(ada.email);
  const confirm = { email: ada.email, code, password: next };
  assert.equal((await accounts.request("POST", "/v1/passwords/reset/confirm", confirm)).status, 200);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401);
  await assert.rejects(signIn(accounts), /401/);
  await signIn(accounts, { ...ada, password: next });
  assert.match((await accounts.mail(ada.email)).subject, /mot de passe a changé/);
  assert.equal((await accounts.request("POST", "/v1/passwords/reset/confirm", confirm)).status, 400, "once");
});

test("asking for a new password never tells whether the address has an account", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const known = await accounts.request("POST", "/v1/passwords/reset", { email: ada.email });
  const unknown = await accounts.request("POST", "/v1/passwords/reset", { email: "nobody@example.org" });
  assert.deepEqual([unknown.status, unknown.body], [known.status, known.body]);
  const wrong = (email: string) =>
    accounts.request("POST", "/v1/passwords/reset/confirm", { email, code: "x", password: next });
  assert.deepEqual((await wrong("nobody@example.org")).body, (await wrong(ada.email)).body);
});

test("a code for one purpose does not do for the other", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await accounts.request("POST", "/v1/passwords/reset", { email: ada.email });
  const { code } = await accounts.mail(ada.email);
  assert.equal((await accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code })).status, 400);
});

test("the new password is judged before the code is used up", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await accounts.request("POST", "/v1/passwords/reset", { email: ada.email });
  const { code } = await accounts.mail(ada.email);
  const confirm = (password: string) =>
    accounts.request("POST", "/v1/passwords/reset/confirm", { email: ada.email, code, password });
  const weak = await confirm("short");
  assert.deepEqual([weak.status, weak.body.details[0].name], [400, "password"]);
  assert.equal((await confirm(next)).status, 200);
});

test("changing the password takes the current one and ends every session", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const change = (current: string, password: string) =>
    accounts.request("POST", "/v1/me/password", { current, password }, access_token);
  assert.equal((await change("wrong", next)).status, 401);
  assert.equal((await change(ada.password, "ada")).status, 400);
  assert.equal((await change(ada.password, next)).status, 204);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401);
  await signIn(accounts, { ...ada, password: next });
});

test("phone number and language can be corrected, and nothing else that way", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const patch = (body: object) => accounts.request("PATCH", "/v1/me", body, access_token);
  const changed = await patch({ phone: "06 39 98 77 77", language: "en" });
  assert.deepEqual([changed.body.data.phone, changed.body.data.language], ["+33639987777", "en"]);
  assert.equal((await patch({ phone: "12" })).status, 400);
  for (const body of [{ roles: ["operator"] }, { status: "active" }, { email: "x@example.org" }])
    assert.equal((await patch(body)).status, 400);
});
