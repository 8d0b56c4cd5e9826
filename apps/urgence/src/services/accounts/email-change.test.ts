import assert from "node:assert/strict";
import { test } from "node:test";
import { testStorages } from "../../../../../scripts/test-stores.ts";
import { ada, register, signIn, startAccounts, type TestAccounts } from "./testing.ts";

const start = (accounts: TestAccounts, token: string, email: string, password = ada.password) =>
  accounts.request("POST", "/v1/me/email", { email, password }, token);
const confirm = (accounts: TestAccounts, token: string, code: string) =>
  accounts.request("POST", "/v1/me/email/confirm", { code }, token);

for (const storage of testStorages)
  test(`[${storage}] the address changes when the code sent to the new one comes back; the old one is told`, async () => {
    await using accounts = await startAccounts({ storage });
    await register(accounts);
    const [mine, other] = [await signIn(accounts), await signIn(accounts)];
    assert.equal((await start(accounts, mine.access_token, "Countess@example.org")).status, 202);
    const { code } = await accounts.mail("countess@example.org");
    await signIn(accounts);
    const done = await confirm(accounts, mine.access_token, code);
    assert.deepEqual([done.status, done.body.data.email], [200, "Countess@example.org"]);
    assert.match((await accounts.mail(ada.email)).subject, /adresse a changé/);
    await signIn(accounts, { ...ada, email: "countess@example.org" });
    await assert.rejects(signIn(accounts), /401/);
    assert.equal((await accounts.request("GET", "/v1/me", undefined, mine.access_token)).status, 200);
    assert.equal((await accounts.request("GET", "/v1/me", undefined, other.access_token)).status, 401);
    await accounts.request("DELETE", "/v1/me", { password: ada.password }, mine.access_token);
    assert.deepEqual(accounts.mails, [], "mails to both addresses are forgotten with the account");
  });

test("the answer does not tell that the new address is somebody's, who is told instead", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await register(accounts, { ...ada, email: "byron@example.org" });
  const { access_token } = await signIn(accounts);
  const taken = await start(accounts, access_token, "byron@example.org");
  const free = await start(accounts, access_token, "free@example.org");
  assert.deepEqual([taken.status, taken.body], [free.status, free.body]);
  assert.match((await accounts.mail("byron@example.org")).subject, /déjà un compte/);
});

test("without the password, or with a wrong code, nothing changes", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  assert.equal((await start(accounts, access_token, "new@example.org", "wrong")).status, 401);
  assert.equal((await start(accounts, access_token, "no address")).status, 400);
  assert.equal((await confirm(accounts, access_token, "123456")).status, 400);
  await start(accounts, access_token, "new@example.org");
  const { code } = await accounts.mail("new@example.org");
  assert.equal((await confirm(accounts, access_token, code === "000000" ? "000001" : "000000")).status, 400);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).body.data.email, ada.email);
});

test("an address that was taken while the code was on its way stays with who took it", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await start(accounts, access_token, "byron@example.org");
  const { code } = await accounts.mail("byron@example.org");
  await register(accounts, { ...ada, email: "byron@example.org" });
  assert.equal((await confirm(accounts, access_token, code)).status, 400);
});
