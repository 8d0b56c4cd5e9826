import assert from "node:assert/strict";
import { test } from "node:test";
import { durableStorage, testStorages } from "../../../../../scripts/test-stores.ts";
import { ada, enrol, register, signIn, startAccounts } from "./testing.ts";

const rolesOf = (token: string): readonly string[] =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).roles;

const remi = { email: "remi@example.org", phone: "+33 6 39 98 20 02", password: "sirens at midnight" };

for (const storage of testStorages) {
  test(`[${storage}] a responder's role waits until the second factor is set up and used`, async () => {
    await using accounts = await startAccounts({ storage });
    await accounts.admin.createAccount({
      ...remi,
      roles: ["responder"],
      site: { id: "sdis-75", name: "Paris" },
      verified: true,
    });
    const before = await signIn(accounts, remi);
    assert.deepEqual(rolesOf(before.access_token), ["person", "mfa-pending"]);
    const second = await enrol(accounts, before.access_token);
    const refreshed = await accounts.request("POST", "/v1/sessions/refresh", { refresh_token: before.refresh_token });
    assert.deepEqual(rolesOf(refreshed.body.access_token), ["person", "responder"], "this session showed it");
    accounts.clock.advance(60_000);
    const after = await signIn(accounts, remi, second.code());
    assert.deepEqual(rolesOf(after.access_token), ["person", "responder"]);
    const claims = JSON.parse(Buffer.from(after.access_token.split(".")[1] ?? "", "base64url").toString());
    assert.deepEqual([claims.amr, claims.site], [["pwd", "otp"], { id: "sdis-75", name: "Paris" }]);
  });
}

test("the code is asked for only after a right password", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await enrol(accounts, (await signIn(accounts)).access_token);
  const wrong = await accounts.request("POST", "/v1/sessions", { email: ada.email, password: "wrong" });
  assert.equal(wrong.body.details, undefined);
  const asked = await accounts.request("POST", "/v1/sessions", { email: ada.email, password: ada.password });
  assert.deepEqual([asked.status, asked.body.errno, asked.body.details], [401, 104, { totp: "required" }]);
});

test("a code is good once, also when it comes ten times at once", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const second = await enrol(accounts, (await signIn(accounts)).access_token);
  accounts.clock.advance(60_000);
  const body = { email: ada.email, password: ada.password, totp: second.code() };
  const answers = await Promise.all(Array.from({ length: 5 }, () => accounts.request("POST", "/v1/sessions", body)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  const again = await accounts.request("POST", "/v1/sessions", body);
  assert.deepEqual([again.status, again.body.details], [401, { totp: "wrong" }]);
});

test("guessing codes is throttled as guessing passwords is", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await enrol(accounts, (await signIn(accounts)).access_token);
  const guess = () =>
    accounts.request("POST", "/v1/sessions", { email: ada.email, password: ada.password, totp: "abc" });
  const statuses = [];
  for (let n = 0; n < 8; n += 1) statuses.push((await guess()).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 401, 429, 429]);
});

test("each recovery code signs in once", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { recovery } = await enrol(accounts, (await signIn(accounts)).access_token);
  assert.equal(recovery.length, 10);
  const { access_token } = await signIn(accounts, ada, recovery[3]);
  const status = await accounts.request("GET", "/v1/me/mfa", undefined, access_token);
  assert.deepEqual([status.body.data.enrolled, status.body.data.recovery_codes_left], [true, 9]);
  await assert.rejects(signIn(accounts, ada, recovery[3]), /401/);
});

test("a wrong first code switches nothing on, and the secret waits fifteen minutes", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await accounts.request("POST", "/v1/me/mfa", undefined, access_token);
  const wrong = await accounts.request("PUT", "/v1/me/mfa", { code: "abcdef" }, access_token);
  assert.deepEqual([wrong.status, wrong.body.details[0].code], [400, "wrong-code"]);
  await signIn(accounts);
});

test("a second factor that is on is not replaced by who holds a session", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await enrol(accounts, access_token);
  assert.equal((await accounts.request("POST", "/v1/me/mfa", undefined, access_token)).status, 409);
});

test("switching it off takes password and code, ends every session, and tells the owner", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const second = await enrol(accounts, access_token);
  await accounts.mail(ada.email);
  accounts.clock.advance(60_000);
  const off = (body: object) => accounts.request("DELETE", "/v1/me/mfa", body, access_token);
  assert.equal((await off({ password: "wrong", code: second.code() })).status, 401);
  assert.equal((await off({ password: ada.password, code: "000000" })).status, 401);
  assert.equal((await off({ password: ada.password, code: second.code() })).status, 204);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401);
  assert.match((await accounts.mail(ada.email)).subject, /deux étapes est désactivée/);
  await signIn(accounts);
});

test("the secret is not readable in the store", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { secret } = await enrol(accounts, (await signIn(accounts)).access_token);
  for await (const entry of accounts.service.storage.scan("account"))
    assert.equal(JSON.stringify(entry).includes(secret), false);
});

test("a role that is taken away ends the sessions that had it", async () => {
  await using accounts = await startAccounts();
  const id = await accounts.admin.createAccount({ ...remi, verified: true });
  await accounts.admin.grantRole(id, "responder", { id: "s", name: "S" });
  const { access_token } = await signIn(accounts, remi);
  await accounts.admin.revokeRole(id, "responder");
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401);
  assert.deepEqual(rolesOf((await signIn(accounts, remi)).access_token), ["person"]);
  assert.deepEqual((await accounts.admin.findAccount(remi.email))?.roles, []);
});
