import assert from "node:assert/strict";
import { test } from "node:test";
import { durableStorage, testStorages } from "../../../../../scripts/test-stores.ts";
import { ada, register, signIn, startAccounts, until } from "./testing.ts";

for (const storage of testStorages) {
  test(`[${storage}] a person registers, confirms with the code from the mail, and signs in`, async () => {
    await using accounts = await startAccounts({ storage });
    const made = await accounts.request("POST", "/v1/accounts", { ...ada, language: "en" });
    assert.equal(made.status, 201);
    assert.deepEqual(made.body, { data: { status: "verification-required" } });
    assert.equal(
      (await accounts.request("POST", "/v1/sessions", { email: ada.email, password: ada.password })).status,
      401,
    );
    const mail = await accounts.mail(ada.email);
    assert.equal(mail.language, "en");
    assert.equal(mail.subject.includes(mail.code), false);
    const verified = await accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code: mail.code });
    assert.deepEqual([verified.status, verified.body], [200, { data: { status: "verified" } }]);
    const { access_token } = await signIn(accounts);
    const me = await accounts.request("GET", "/v1/me", undefined, access_token);
    assert.equal(me.body.data.email, ada.email);
    assert.equal(me.body.data.phone, "+33639981001");
    assert.deepEqual(me.body.data.roles, ["person"]);
    assert.equal(me.body.data.language, "en");
  });
}

test("the report's names work: phoneNumber is an alias of phone", async () => {
  await using accounts = await startAccounts();
  const { email, phone, password } = ada;
  assert.equal((await accounts.request("POST", "/v1/accounts", { email, phoneNumber: phone, password })).status, 201);
});

test("the answer is the same whether the address has an account, waits for one, or is new; so is the work", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const bob = { ...ada, email: "bob@example.org" };
  const work: number[] = [];
  const post = async (body: object) => {
    const [hashes, position] = [accounts.hashes(), await accounts.service.storage.position()];
    const answer = await accounts.request("POST", "/v1/accounts", body);
    work.push(accounts.hashes() - hashes);
    assert.ok((await accounts.service.storage.position()) > position, "something was committed");
    return answer;
  };
  const fresh = await post(bob);
  const waiting = await post(bob);
  const existing = await post({ ...ada, password: "another long password" });
  assert.deepEqual(work, [2, 2, 2]);
  for (const answer of [waiting, existing]) {
    assert.equal(answer.status, fresh.status);
    assert.deepEqual(answer.body, fresh.body);
    assert.deepEqual([...answer.headers.keys()], [...fresh.headers.keys()]);
  }
  const mail = await accounts.mail(ada.email);
  assert.match(mail.subject, /déjà un compte/);
  assert.equal(mail.code, "", "no code for a stranger");
  await signIn(accounts);
});

test("an address is one however its case is typed, and the person's own spelling is kept", async () => {
  await using accounts = await startAccounts();
  await register(accounts, { ...ada, email: " Ada.Lovelace@EXAMPLE.org ".trim() });
  await accounts.request("POST", "/v1/accounts", { ...ada, email: "ada.lovelace@example.org" });
  const { access_token } = await signIn(accounts, { ...ada, email: "ADA.lovelace@example.ORG" });
  const me = await accounts.request("GET", "/v1/me", undefined, access_token);
  assert.equal(me.body.data.email, "Ada.Lovelace@example.org");
});

test("everything that is wrong is named at once", async () => {
  await using accounts = await startAccounts();
  const answer = await accounts.request("POST", "/v1/accounts", { email: "ada", phone: "12", password: "short" });
  assert.equal(answer.status, 400);
  assert.equal(answer.body.errno, 107);
  assert.deepEqual(
    answer.body.details.map(({ name, code }: { name: string; code: string }) => [name, code]),
    [
      ["email", "invalid-email"],
      ["password", "min-length"],
      ["phone", "invalid-phone"],
    ],
  );
  const missing = await accounts.request("POST", "/v1/accounts", {});
  assert.deepEqual(missing.body.details.map(({ name }: { name: string }) => name).sort(), ["email", "password"]);
});

test("a code is good for five tries, also when they come at once", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", ada);
  const { code } = await accounts.mail(ada.email);
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  const guess = (value: string) => accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code: value });
  const answers = await Promise.all(Array.from({ length: 5 }, () => guess(wrong)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [400, 400, 400, 400, 400],
  );
  assert.equal((await guess(code)).status, 400, "the right one comes too late");
  assert.equal((await accounts.request("POST", "/v1/accounts/verify/resend", { email: ada.email })).status, 202);
  assert.equal((await guess((await accounts.mail(ada.email)).code)).status, 200);
});

test("a right code works once when it arrives twenty times at once", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", ada);
  const { code } = await accounts.mail(ada.email);
  const answers = await Promise.all(
    Array.from({ length: 15 }, () => accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code })),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
});

test("a code is void after fifteen minutes, and when a newer one was sent", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", ada);
  const first = await accounts.mail(ada.email);
  await accounts.request("POST", "/v1/accounts/verify/resend", { email: ada.email });
  const second = await accounts.mail(ada.email);
  const guess = (code: string) => accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code });
  if (first.code !== second.code) assert.equal((await guess(first.code)).status, 400);
  accounts.clock.advance(15 * 60_000);
  assert.equal((await guess(second.code)).status, 400);
});

test("a wrong code and an unknown address get the same answer", async () => {
  await using accounts = await startAccounts();
  await accounts.request("POST", "/v1/accounts", ada);
  const known = await accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code: "x" });
  const unknown = await accounts.request("POST", "/v1/accounts/verify", { email: "nobody@example.org", code: "x" });
  assert.deepEqual([unknown.status, unknown.body], [known.status, known.body]);
});

test("mails that strangers cause are throttled, for unknown addresses too", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  for (const email of [ada.email, "nobody@example.org"]) {
    const answers = [];
    for (let n = 0; n < 8; n += 1)
      answers.push((await accounts.request("POST", "/v1/passwords/reset", { email })).status);
    assert.equal(answers[0], 202);
    assert.equal(answers.at(-1), 429, email);
  }
});

test("one network address can't make us write to the whole world", async () => {
  await using accounts = await startAccounts({ mailsPerAddress: 3 });
  const statuses = [];
  for (let n = 0; n < 6; n += 1) {
    const body = { email: `person-${n}@example.org` };
    statuses.push(
      (await accounts.call("accounts", "POST", "/v1/passwords/reset", { body, address: "192.0.2.1" })).status,
    );
  }
  assert.deepEqual(statuses, [202, 202, 202, 202, 429, 429]);
});

test("sign-up does not wait for the mail server, and the mail comes when the server is back", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  accounts.failMail = () => new Error("down, and it says ada@example.org");
  assert.equal((await accounts.request("POST", "/v1/accounts", ada)).status, 201);
  await until(() => accounts.lines.some((line) => line.includes("mail not sent")), "a failed mail");
  await accounts.restart();
  accounts.failMail = () => undefined;
  accounts.clock.advance(5000);
  await accounts.restart();
  const { code } = await accounts.mail(ada.email);
  assert.equal((await accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code })).status, 200);
});

test("an account that nobody confirmed is erased after seven days, not before", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await accounts.request("POST", "/v1/accounts", ada);
  await accounts.mail(ada.email);
  accounts.clock.advance(7 * 86_400_000 - 1);
  await accounts.admin.maintain();
  assert.notEqual(await accounts.admin.findAccount(ada.email), undefined);
  accounts.clock.advance(2);
  await accounts.admin.maintain();
  assert.equal(await accounts.admin.findAccount(ada.email), undefined);
  assert.deepEqual(accounts.mails, []);
  await register(accounts);
});

test("two sign-ups with one address at once make one account", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  const answers = await Promise.all([1, 2, 3].map(() => accounts.request("POST", "/v1/accounts", ada)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  let count = 0;
  for await (const _entry of accounts.service.storage.scan("account")) count += 1;
  assert.equal(count, 1);
});

test("nothing personal is in the log, the events or the tokens", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  accounts.failMail = () => new Error("refused ada@example.org");
  await accounts.request("POST", "/v1/accounts", ada);
  await until(() => accounts.lines.some((line) => line.includes("mail not sent")), "a failed mail");
  accounts.failMail = () => undefined;
  accounts.clock.advance(5000);
  await accounts.restart();
  const { code } = await accounts.mail(ada.email);
  await accounts.request("POST", "/v1/accounts/verify", { email: ada.email, code });
  const { access_token } = await signIn(accounts);
  await accounts.request("POST", "/v1/sessions", { email: ada.email, password: "wrong password" });
  const entries: string[] = [];
  for await (const entry of accounts.service.storage.log()) entries.push(JSON.stringify(entry));
  const payload = Buffer.from(access_token.split(".")[1] ?? "", "base64url").toString();
  for (const text of [...accounts.lines, ...entries, payload])
    for (const personal of ["ada@", "example.org", "39981001", "39 98", "analytical", code])
      assert.equal(text.includes(personal), false, `${personal} in ${text}`);
});
