import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "rouage";
import { rotateKeys } from "rouage/auth";
import { ada, register, signIn, startAccounts, until } from "./testing.ts";

const attempt = { email: ada.email, password: ada.password };

test("an unknown user and a wrong password get one 401, the same body and headers", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await accounts.request("POST", "/v1/accounts", { ...ada, email: "waiting@example.org" });
  const answers = [];
  for (const body of [
    { ...attempt, password: "wrong" },
    { ...attempt, email: "nobody@example.org" },
    { ...attempt, email: "waiting@example.org" },
    { ...attempt, email: "no address at all" },
  ])
    answers.push(await accounts.request("POST", "/v1/sessions", body));
  for (const { status, body, headers } of answers) {
    assert.equal(status, 401);
    assert.equal(body.code, 401);
    assert.deepEqual(body, answers[0]?.body);
    assert.equal(headers.get("www-authenticate"), answers[0]?.headers.get("www-authenticate"));
  }
});

test("an unknown user, an unconfirmed one and a wrong password cost the same: one hash each", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await accounts.request("POST", "/v1/accounts", { ...ada, email: "waiting@example.org" });
  for (const email of [ada.email, "nobody@example.org", "waiting@example.org"]) {
    const before = accounts.hashes();
    await accounts.request("POST", "/v1/sessions", { email, password: "wrong" });
    assert.equal(accounts.hashes() - before, 1, email);
  }
});

test("the answer to a sign-in has the token under its old name and its new ones", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { status, body } = await accounts.request("POST", "/v1/sessions", attempt);
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body).sort(), ["Token", "access_token", "expires_in", "refresh_token", "token_type"]);
  assert.equal(body.Token, body.access_token);
  assert.equal(body.token_type, "Bearer");
  assert.equal(body.expires_in, 600);
});

test("the format of a password is not judged at sign-in", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  for (const password of ["", "x", "y".repeat(4000)])
    assert.equal((await accounts.request("POST", "/v1/sessions", { ...attempt, password })).status, 401);
});

test("after some failures sign-in answers 429 with Retry-After, for unknown addresses too, and the owner is told once", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  for (const email of [ada.email, "nobody@example.org"]) {
    let answer = await accounts.request("POST", "/v1/sessions", { email, password: "wrong" });
    for (let n = 0; n < 8; n += 1)
      answer = await accounts.request("POST", "/v1/sessions", { email, password: "wrong" });
    assert.equal(answer.status, 429, email);
    assert.equal(answer.body.errno, 117);
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
  }
  assert.match((await accounts.mail(ada.email)).subject, /trop d'essais/);
  assert.equal((await accounts.request("POST", "/v1/sessions", attempt)).status, 429, "also with the right password");
  accounts.clock.advance(16_000);
  await signIn(accounts);
  assert.equal(accounts.mails.filter(({ subject }) => subject.includes("trop d'essais")).length, 1);
});

test("twenty guesses at once are not twenty chances", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => accounts.request("POST", "/v1/sessions", { ...attempt, password: "wrong" })),
  );
  assert.equal(answers.filter(({ status }) => status === 401).length, 6);
  assert.equal(answers.filter(({ status }) => status === 429).length, 14);
});

test("an address that tries many accounts is slowed down, as told by the pages' service", async () => {
  await using accounts = await startAccounts();
  const tryFrom = async (n: number, address: string) => {
    const body = { email: `person-${n}@example.org`, password: "wrong" };
    return (await accounts.call("accounts", "POST", "/internal/browser-sessions", { body, address })).status;
  };
  let status = 0;
  for (let n = 0; n < 40; n += 1) status = await tryFrom(n, "2001:db8::1");
  assert.equal(status, 429);
  assert.equal(await tryFrom(41, "2001:db8::ffff"), 429, "the same /64");
  assert.equal(await tryFrom(42, "2001:db8:1::1"), 401);
});

test("a password hashed with an older pepper is hashed anew at sign-in", async () => {
  await using accounts = await startAccounts();
  const id = await register(accounts);
  const hashOf = async () => {
    const entry = await accounts.service.storage.get({ resource: "account", parent: "", id });
    return entry?.kind === "object" ? (JSON.parse(entry.body) as { password: string }).password : "";
  };
  const before = await hashOf();
  await rotateKeys({ folder: `${accounts.folder}/keys`, purpose: "pepper" });
  await accounts.admin.maintain();
  await signIn(accounts);
  await until(async () => (await hashOf()) !== before, "another hash");
  await signIn(accounts);
});

test("after a rotation of the signing key old tokens go on until they expire, and both keys are published", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await rotateKeys({ folder: `${accounts.folder}/keys`, purpose: "signing", clock: manualClock() });
  await accounts.admin.maintain();
  const fresh = await signIn(accounts);
  for (const token of [access_token, fresh.access_token])
    assert.equal((await accounts.request("GET", "/v1/me", undefined, token)).status, 200);
  const { status, body } = await accounts.request("GET", "/.well-known/jwks.json");
  assert.equal(status, 200);
  assert.equal(body.keys.length, 2);
  for (const key of body.keys) assert.equal("d" in key, false);
  accounts.clock.advance(606_000);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401);
});

test("a token carries an opaque subject, a session and roles, and nothing personal", async () => {
  await using accounts = await startAccounts();
  const id = await register(accounts);
  const { access_token } = await signIn(accounts);
  const claims = JSON.parse(Buffer.from(access_token.split(".")[1] ?? "", "base64url").toString());
  assert.equal(claims.sub, id);
  assert.deepEqual(claims.roles, ["person"]);
  assert.deepEqual(claims.amr, ["pwd"]);
  assert.deepEqual(Object.keys(claims).sort(), [
    "amr",
    "aud",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "roles",
    "sid",
    "sub",
  ]);
});
