import assert from "node:assert/strict";
import { test } from "node:test";
import { durableStorage, testStorages } from "../../../../../scripts/test-stores.ts";
import { ada, enrol, register, signIn, startAccounts, type TestAccounts, until } from "./testing.ts";

const erase = (accounts: TestAccounts, token: string, body: object = { password: ada.password }) =>
  accounts.request("DELETE", "/v1/me", body, token);

for (const storage of testStorages) {
  test(`[${storage}] a person erases the account: every service is asked, and a receipt counts what went`, async () => {
    const asked: string[] = [];
    const door = (name: string, counts: object) => async (request: Request) => {
      asked.push(`${name} ${request.method} ${new URL(request.url).pathname}`);
      assert.match(request.headers.get("authorization") ?? "", /^Bearer /);
      return Response.json({ data: counts });
    };
    await using accounts = await startAccounts({
      storage,
      doors: {
        profiles: door("profiles", { profiles: 1, cards: 2 }),
        positions: door("positions", { counts: { positions: 7 } }),
        access: door("access", { pseudonymised: 3, note: "not a count" }),
      },
    });
    const id = await register(accounts);
    const { access_token, refresh_token } = await signIn(accounts);
    await signIn(accounts);
    const { status, body } = await erase(accounts, access_token);
    assert.equal(status, 200);
    assert.deepEqual(asked.sort(), [
      `access DELETE /internal/people/${id}`,
      `positions DELETE /internal/people/${id}`,
      `profiles DELETE /internal/people/${id}`,
    ]);
    assert.equal(body.data.state, "done");
    assert.match(body.data.at, /^2026-01-01T00:00:0/);
    assert.deepEqual(body.data.counts, {
      profiles: { profiles: 1, cards: 2 },
      positions: { positions: 7 },
      access: { pseudonymised: 3 },
      accounts: { accounts: 1, sessions: 2, mails: 0, mail_copies: 1 },
    });
    assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401);
    assert.equal((await accounts.request("POST", "/v1/sessions/refresh", { refresh_token })).status, 401);
    assert.equal(
      (await accounts.request("POST", "/v1/sessions", { email: ada.email, password: ada.password })).status,
      401,
    );
    const receipt = await accounts.request("GET", `/v1/erasures/${body.data.id}`);
    assert.deepEqual(receipt.body, body);
    assert.equal((await accounts.request("GET", "/v1/erasures/none")).status, 404);
    await register(accounts);
  });
}

test("afterwards no file of the store contains anything the person typed", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await accounts.request("PATCH", "/v1/me", { phone: "06 39 98 77 77" }, access_token);
  await accounts.request("POST", "/v1/passwords/reset", { email: ada.email });
  await accounts.mail(ada.email);
  assert.notDeepEqual(await accounts.filesWith(ada.email), [], "the search finds what is there");
  assert.equal((await erase(accounts, access_token)).status, 200);
  for (const text of [ada.email, "ada@", "+33639981001", "39981001", "+33639987777"])
    assert.deepEqual(await accounts.filesWith(text), [], text);
  await accounts.restart();
  assert.deepEqual(await accounts.filesWith(ada.email), []);
  assert.deepEqual(accounts.mails, [], "mails that the carrier keeps are gone too");
});

test("the events carry the id and nothing else", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  const id = await register(accounts);
  await erase(accounts, (await signIn(accounts)).access_token);
  const types: string[] = [];
  for await (const entry of accounts.service.storage.log({ resources: ["account"] }))
    if (entry.action === "event") {
      types.push(entry.type ?? "");
      assert.equal(entry.id, id);
      assert.ok(entry.body === undefined || entry.body === "{}");
    }
  assert.deepEqual(types, ["account.created", "account.erasing", "account.deleted"]);
});

test("the wrong password, or a missing second factor, deletes nothing", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  assert.equal((await erase(accounts, access_token, { password: "wrong" })).status, 401);
  const second = await enrol(accounts, access_token);
  accounts.clock.advance(60_000);
  const asked = await erase(accounts, access_token);
  assert.deepEqual([asked.status, asked.body.details], [401, { totp: "required" }]);
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 200);
  assert.equal((await erase(accounts, access_token, { password: ada.password, totp: second.code() })).status, 200);
});

for (const failure of ["answers 500", "throws", "hangs up"] as const)
  test(`a service that ${failure} delays the erasure: 503 with Retry-After and a receipt, and it goes on later`, async () => {
    let down = true;
    let asked = 0;
    await using accounts = await startAccounts({
      storage: durableStorage,
      doors: {
        positions: async () => {
          asked += 1;
          if (!down) return Response.json({ data: { positions: 1 } });
          if (failure === "answers 500") return new Response("no", { status: 500 });
          throw new Error(failure);
        },
      },
    });
    const id = await register(accounts);
    const { access_token } = await signIn(accounts);
    const { status, body, headers } = await erase(accounts, access_token);
    assert.equal(status, 503);
    assert.ok(Number(headers.get("retry-after")) > 0);
    const receipt = () => accounts.request("GET", `/v1/erasures/${body.details.receipt}`);
    assert.equal((await receipt()).body.data.state, "running");
    assert.equal((await receipt()).body.data.at, null);
    assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401, "closed at once");
    const find = await accounts.call("accounts", "POST", "/internal/people/find", { body: { person: id } });
    assert.equal(find.status, 404);
    down = false;
    await accounts.admin.maintain();
    const done = (await receipt()).body.data;
    assert.equal(done.state, "done");
    assert.deepEqual(done.counts.positions, { positions: 1 });
    assert.deepEqual(done.counts.accounts, { accounts: 1, sessions: 1, mails: 0, mail_copies: 1 });
    assert.equal(asked, 2);
    assert.deepEqual(await accounts.filesWith(ada.email), []);
  });

test("an erasure that a crash interrupted is finished after the next start, without being asked", async () => {
  let down = true;
  await using accounts = await startAccounts({
    storage: durableStorage,
    doors: {
      profiles: async () => {
        if (down) throw new Error("crash");
        return Response.json({ data: { profiles: 1 } });
      },
    },
  });
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const { body } = await erase(accounts, access_token);
  down = false;
  await accounts.restart();
  assert.equal((await accounts.request("GET", "/v1/me", undefined, access_token)).status, 401, "revoked also now");
  await until(
    async () => (await accounts.request("GET", `/v1/erasures/${body.details.receipt}`)).body.data.state === "done",
    "the end of the erasure",
  );
});

test("what a request wrote while the erasure ran is found by a second look a minute later", async () => {
  let asked = 0;
  await using accounts = await startAccounts({
    doors: {
      profiles: async () => {
        asked += 1;
        return Response.json({ data: {} });
      },
    },
  });
  await register(accounts);
  await erase(accounts, (await signIn(accounts)).access_token);
  await accounts.admin.maintain();
  assert.equal(asked, 1);
  accounts.clock.advance(60_000);
  await accounts.admin.maintain();
  assert.equal(asked, 2);
  await accounts.admin.maintain();
  assert.equal(asked, 2);
});

test("a receipt is forgotten after thirty days", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { body } = await erase(accounts, (await signIn(accounts)).access_token);
  const status = async () => (await accounts.request("GET", `/v1/erasures/${body.data.id}`)).status;
  accounts.clock.advance(29 * 86_400_000);
  await accounts.admin.maintain();
  assert.equal(await status(), 200);
  accounts.clock.advance(86_400_000);
  await accounts.admin.maintain();
  assert.equal(await status(), 404);
});

test("erasing twice at once answers one receipt", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { access_token } = await signIn(accounts);
  const answers = await Promise.all([1, 2, 3].map(() => erase(accounts, access_token)));
  const done = answers.filter(({ status }) => status === 200);
  assert.ok(done.length >= 1);
  assert.equal(new Set(done.map(({ body }) => body.data.id)).size, 1);
  for (const { status } of answers) assert.ok([200, 401].includes(status), String(status));
});
