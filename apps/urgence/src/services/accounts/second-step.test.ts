import assert from "node:assert/strict";
import { test } from "node:test";
import { ada, enrol, register, signIn, startAccounts } from "./testing.ts";

interface Answer {
  readonly status: number;
  readonly body: {
    readonly details?: { readonly totp?: string; readonly step?: string };
    readonly data?: { readonly cookie?: string; readonly account?: { readonly mfa: boolean } };
  };
}

async function protectedAccount() {
  const accounts = await startAccounts();
  await register(accounts);
  const second = await enrol(accounts, (await signIn(accounts)).access_token);
  accounts.clock.advance(60_000);
  const post = async (path: string, body: object) =>
    (await accounts.call("accounts", "POST", `/internal/browser-sessions${path}`, { body })) as Answer;
  const begin = () => post("", { email: ada.email, password: ada.password });
  const finish = (step: string | undefined, totp: string) => post("/second-step", { step: step ?? "", totp });
  return { accounts, second, post, begin, finish, [Symbol.asyncDispose]: () => accounts[Symbol.asyncDispose]() };
}

test("a right password is noted, and the code alone finishes the sign-in", async () => {
  await using site = await protectedAccount();
  const asked = await site.begin();
  assert.deepEqual([asked.status, asked.body.details?.totp], [401, "required"]);
  const step = asked.body.details?.step;
  assert.ok(step !== undefined && !step.includes(ada.password) && !Buffer.from(step, "base64url").includes(ada.email));
  const wrong = await site.finish(step, "000000x");
  assert.deepEqual([wrong.status, wrong.body.details?.totp], [401, "wrong"]);
  const done = await site.finish(step, site.second.code());
  assert.equal(done.status, 200);
  assert.ok(done.body.data?.cookie);
});

test("a wrong password is noted nowhere, and the public API gives no note", async () => {
  await using site = await protectedAccount();
  assert.equal((await site.post("", { email: ada.email, password: "wrong" })).body.details, undefined);
  const asked = await site.accounts.request("POST", "/v1/sessions", { email: ada.email, password: ada.password });
  assert.deepEqual(asked.body.details, { totp: "required" });
});

test("a note ends after five minutes, with the password it was made for, and when it was tampered with", async () => {
  await using site = await protectedAccount();
  const step = (await site.begin()).body.details?.step ?? "";
  for (const other of ["", "x", `${step.slice(0, -2)}xx`, `x${step}`])
    assert.deepEqual((await site.finish(other, site.second.code())).body.details, { step: "expired" }, other);
  site.accounts.clock.advance(5 * 60_000);
  assert.deepEqual((await site.finish(step, site.second.code())).body.details, { step: "expired" });
});

test("codes are not guessed faster with a note than without", async () => {
  await using site = await protectedAccount();
  const step = (await site.begin()).body.details?.step;
  const statuses: number[] = [];
  for (let guess = 0; guess < 12; guess++) statuses.push((await site.finish(step, "abc")).status);
  assert.ok(statuses.includes(429));
});
