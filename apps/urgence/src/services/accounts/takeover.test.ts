/** Strangers who register somebody else's address, or keep its owner from signing in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ada, enrol, register, signIn, startAccounts, type TestAccounts, until } from "./testing.ts";

const mallory = { ...ada, phone: "+33 6 39 98 66 66", password: "mallory was here first" };
const elsewhere = (number: number) => ({ address: `192.0.2.${number}` });

/** A request of the pages for somebody at this network address. */
function from(accounts: TestAccounts, path: string, body: unknown, address: string) {
  return accounts.call("accounts", "POST", path, { body, address });
}

async function confirm(accounts: TestAccounts, code: string) {
  return accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code });
}

test("a stranger's registration that nobody confirmed leaves nothing behind when the owner asks for a new password", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", mallory);
  await accounts.mail(ada.email);
  await accounts.request("POST", "/v1/passwords/reset", { email: ada.email });
  const { code } = await accounts.mail(ada.email);
  const reset = { email: ada.email, code, password: ada.password };
  assert.equal((await accounts.request("POST", "/v1/passwords/reset/confirm", reset)).status, 200);

  const { access_token } = await signIn(accounts);
  const { body } = await accounts.request("GET", "/v1/me", undefined, access_token);
  assert.deepEqual([body.data.phone, body.data.mfa, body.data.roles], [null, false, ["person"]]);
  const bad = { email: ada.email, password: mallory.password };
  assert.equal((await accounts.request("POST", "/v1/sessions", bad)).status, 401);
  assert.equal((await accounts.request("GET", "/v1/me/sessions", undefined, access_token)).body.data.length, 1);
});

for (const order of ["before", "after"] as const)
  test(`a stranger who registers the address ${order} its owner does not choose the password, whichever code is used`, async () => {
    await using accounts = await startAccounts();
    for (const person of order === "before" ? [mallory, ada] : [ada, mallory])
      assert.equal((await accounts.request("POST", "/v1/accounts", person)).status, 201);
    await accounts.mail(ada.email);
    const { code } = await accounts.mail(ada.email);
    const confirmed = await confirm(accounts, code);
    assert.deepEqual([confirmed.status, confirmed.body.data.status], [200, "password-required"]);
    for (const { password } of [ada, mallory])
      assert.equal((await accounts.request("POST", "/v1/sessions", { email: ada.email, password })).status, 401);

    const choose = await accounts.mail(ada.email);
    assert.match(choose.subject, /choisissez/);
    const reset = { email: ada.email, code: choose.code, password: "one that only ada knows" };
    assert.equal((await accounts.request("POST", "/v1/passwords/reset/confirm", reset)).status, 200);
    const { access_token } = await signIn(accounts, { ...ada, password: reset.password });
    const me = await accounts.request("GET", "/v1/me", undefined, access_token);
    assert.equal(me.body.data.phone, null, "nobody knows whose number it was");
  });

test("registering twice with the same password, as impatient people do, is no contest; the newest code counts", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", { ...ada, phone: "+33 6 39 98 10 09" });
  await accounts.request("POST", "/v1/accounts", ada);
  const first = await accounts.mail(ada.email);
  const second = await accounts.mail(ada.email);
  if (first.code !== second.code) assert.equal((await confirm(accounts, first.code)).status, 400);
  assert.equal((await confirm(accounts, second.code)).body.data.status, "verified");
  const { access_token } = await signIn(accounts);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).body.data.phone, "+33639981001");
});

test("an account that is in use keeps its second factor through a new password", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await enrol(accounts, access_token);
  await accounts.request("POST", "/v1/passwords/reset", { email: ada.email });
  await until(() => accounts.mails.some(({ subject }) => /nouveau mot/.test(subject)), "the code");
  const { code = "" } = accounts.mails.findLast(({ subject }) => /nouveau mot/.test(subject)) ?? {};
  const reset = { email: ada.email, code, password: "another long password" };
  assert.equal((await accounts.request("POST", "/v1/passwords/reset/confirm", reset)).status, 200);
  const answer = await accounts.request("POST", "/v1/sessions", { email: ada.email, password: reset.password });
  assert.deepEqual([answer.status, answer.body.details], [401, { totp: "required" }]);
});

test("a stranger who burns tries of a code elsewhere leaves the owner's", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", ada);
  const { code } = await accounts.mail(ada.email);
  const wrong = code === "000000" ? "000001" : "000000";
  for (let n = 0; n < 12; n++) {
    const guess = await from(accounts, "/v1/accounts/verify", { email: ada.email, code: wrong }, "192.0.2.66");
    assert.ok(guess.status === 400 || guess.status === 429);
  }
  const dead = await from(accounts, "/v1/accounts/verify", { email: ada.email, code }, "192.0.2.66");
  assert.equal(dead.status, 400, "the stranger's tries are used up, even with the right one");
  const own = await from(accounts, "/v1/accounts/verify", { email: ada.email, code }, "198.51.100.1");
  assert.equal(own.status, 200);
});

test("a code takes twenty tries in all, from however many networks", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", ada);
  const { code } = await accounts.mail(ada.email);
  const wrong = code === "000000" ? "000001" : "000000";
  for (let n = 0; n < 20; n++)
    await from(accounts, "/v1/accounts/verify", { email: ada.email, code: wrong }, elsewhere(n + 1).address);
  const own = await from(accounts, "/v1/accounts/verify", { email: ada.email, code }, "198.51.100.1");
  assert.equal(own.status, 400);
});

test("while strangers try passwords without end, the owner gets in with a code by mail, and goes on with what takes the password", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const home = "198.51.100.1";
  const attack = async () => {
    for (let n = 0; n < 10; n++)
      await from(accounts, "/v1/sessions", { email: ada.email, password: "guess" }, elsewhere(n + 1).address);
  };
  await attack();
  const shut = await from(accounts, "/v1/sessions", { email: ada.email, password: ada.password }, home);
  assert.equal(shut.status, 429);

  await from(accounts, "/v1/passwords/reset", { email: ada.email }, home);
  await until(() => accounts.mails.some(({ subject }) => /nouveau mot/.test(subject)), "the code");
  const { code = "" } = accounts.mails.findLast(({ subject }) => /nouveau mot/.test(subject)) ?? {};
  const password = "another long password";
  const reset = await from(accounts, "/v1/passwords/reset/confirm", { email: ada.email, code, password }, home);
  assert.equal(reset.status, 200);
  await attack();
  const opened = await from(accounts, "/v1/sessions", { email: ada.email, password }, home);
  assert.equal(opened.status, 200);
  await attack();
  const { access_token: token } = opened.body as { access_token: string };
  assert.equal((await accounts.request("DELETE", "/v1/me", { password }, token)).status, 200);
});

test("a token that expired does not keep its owner from what gives a new one", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token: old, refresh_token } = await signIn(accounts);
  accounts.clock.advance(3600_000);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, old)).status, 401);
  const { email, password } = ada;
  for (const token of [old, "no token at all"]) {
    assert.equal((await accounts.request("POST", "/v1/sessions", { email, password }, token)).status, 200);
    const stranger = { ...ada, email: "new@example.org" };
    assert.equal((await accounts.request("POST", "/v1/accounts", stranger, token)).status, 201);
    const unknown = { email: stranger.email, code: "1" };
    assert.equal((await accounts.request("POST", "/v1/accounts/verify", unknown, token)).status, 400);
    assert.equal((await accounts.request("POST", "/v1/accounts/verify/resend", { email }, token)).status, 202);
    assert.equal((await accounts.request("POST", "/v1/passwords/reset", { email }, token)).status, 202);
    const reset = { email, code: "1", password: "another long password" };
    assert.equal((await accounts.request("POST", "/v1/passwords/reset/confirm", reset, token)).status, 400);
  }
  assert.equal((await accounts.request("POST", "/v1/sessions/refresh", { refresh_token }, old)).status, 200);
});

test("an operator takes a lost second factor off: the sessions end, the log and the owner are told", async () => {
  await using accounts = await startAccounts();
  const id = await register(accounts);
  await accounts.admin.grantRole(id, "responder");
  const { access_token } = await signIn(accounts);
  const { code } = await enrol(accounts, access_token);
  accounts.clock.advance(30_000);
  const both = await signIn(accounts, ada, code());
  assert.deepEqual(await accounts.admin.resetMfa(id), { reset: true });
  assert.equal((await accounts.request("GET", "/v1/me", undefined, both.access_token)).status, 401);
  await until(() => accounts.mails.some(({ subject }) => /retiré/.test(subject)), "the mail");
  const events: string[] = [];
  for await (const entry of accounts.service.storage.log({ resources: ["account"] }))
    if (entry.type !== undefined) events.push(entry.type);
  assert.ok(events.includes("account.mfa-reset"));
  const again = await signIn(accounts);
  const me = await accounts.request("GET", "/v1/me", undefined, again.access_token);
  assert.equal(me.body.data.mfa, false);
  assert.equal((await accounts.request("GET", "/v1/me/mfa", undefined, again.access_token)).body.data.required, true);
  assert.deepEqual(await accounts.admin.resetMfa(id), { reset: false });
  await assert.rejects(accounts.admin.resetMfa("nobody"), { code: "object-not-found" });
});

test("people's tokens are refused with 503 while revocations could not be learned for a minute; services go on", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const { revocations } = accounts.identity;
  const me = async () => (await accounts.request("GET", "/v1/me", undefined, access_token)).status;
  revocations.setBlind(true);
  assert.equal(await me(), 200);
  assert.equal((await accounts.service.health()).checks.revocations?.ok, false);
  accounts.clock.advance(60_000);
  assert.equal(await me(), 503);
  assert.equal(await accounts.admin.findAccount("nobody@example.org"), undefined);
  revocations.setBlind(false);
  assert.equal(await me(), 200);
});
