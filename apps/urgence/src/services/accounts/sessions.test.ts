import assert from "node:assert/strict";
import { test } from "node:test";
import { durableStorage, testStorages } from "../../../../../scripts/test-stores.ts";
import { ada, register, signIn, startAccounts, until } from "./testing.ts";

const statusOfMe = async (accounts: Awaited<ReturnType<typeof startAccounts>>, token: string) =>
  (await accounts.request("GET", "/v1/me", undefined, token)).status;

for (const storage of testStorages) {
  test(`[${storage}] a refresh token is good once; used again it ends the session, access tokens included`, async () => {
    await using accounts = await startAccounts({ storage });
    await register(accounts);
    const first = await signIn(accounts);
    const refresh = (token: string) => accounts.request("POST", "/v1/sessions/refresh", { refresh_token: token });
    const second = await refresh(first.refresh_token);
    assert.equal(second.status, 200);
    assert.equal(await statusOfMe(accounts, second.body.access_token), 200);
    assert.equal((await refresh(first.refresh_token)).status, 401);
    assert.equal((await refresh(second.body.refresh_token)).status, 401);
    await until(async () => (await statusOfMe(accounts, second.body.access_token)) === 401, "the revocation");
  });
}

test("ten refreshes at once with one token: at most one answer, and the session ends", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { refresh_token } = await signIn(accounts);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => accounts.request("POST", "/v1/sessions/refresh", { refresh_token })),
  );
  const won = answers.filter(({ status }) => status === 200);
  assert.ok(won.length <= 1);
  for (const { body } of won)
    assert.equal(
      (await accounts.request("POST", "/v1/sessions/refresh", { refresh_token: body.refresh_token })).status,
      401,
    );
  const { body } = await accounts.request("GET", "/v1/me/sessions", undefined, (await signIn(accounts)).access_token);
  assert.equal(body.data.length, 1);
});

test("signing out ends this session at once, and leaves the others", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const [phone, laptop] = [await signIn(accounts), await signIn(accounts)];
  assert.equal((await accounts.request("DELETE", "/v1/sessions", undefined, phone.access_token)).status, 204);
  assert.equal(await statusOfMe(accounts, phone.access_token), 401);
  assert.equal(await statusOfMe(accounts, laptop.access_token), 200);
  const refreshed = await accounts.request("POST", "/v1/sessions/refresh", { refresh_token: phone.refresh_token });
  assert.equal(refreshed.status, 401);
});

test("signing out everywhere ends every session", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const tokens = [await signIn(accounts), await signIn(accounts), await signIn(accounts)];
  const answer = await accounts.request("DELETE", "/v1/sessions?all=true", undefined, tokens[0]?.access_token);
  assert.equal(answer.status, 204);
  for (const { access_token } of tokens) assert.equal(await statusOfMe(accounts, access_token), 401);
});

test("a revocation outlives a restart", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  await register(accounts);
  const { access_token } = await signIn(accounts);
  await accounts.request("DELETE", "/v1/sessions", undefined, access_token);
  const other = await signIn(accounts);
  await accounts.restart();
  assert.equal(await statusOfMe(accounts, access_token), 401);
  assert.equal(await statusOfMe(accounts, other.access_token), 200);
});

test("the list of sessions shows which program and which is this one; each can be ended", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const [mine, other] = [await signIn(accounts), await signIn(accounts)];
  const { body } = await accounts.request("GET", "/v1/me/sessions", undefined, mine.access_token);
  assert.equal(body.data.length, 2);
  const foreign = body.data.find((session: { current: boolean }) => !session.current);
  assert.equal(foreign.kind, "api");
  assert.equal(foreign.second_factor, false);
  const ended = await accounts.request("DELETE", `/v1/me/sessions/${foreign.id}`, undefined, mine.access_token);
  assert.equal(ended.status, 204);
  assert.equal(await statusOfMe(accounts, other.access_token), 401);
  assert.equal(await statusOfMe(accounts, mine.access_token), 200);
});

test("a browser session: cookie in, token and CSRF out, until it is signed out", async () => {
  await using accounts = await startAccounts({ storage: durableStorage });
  const id = await register(accounts);
  const made = await accounts.call("accounts", "POST", "/internal/browser-sessions", {
    body: { email: ada.email, password: ada.password, client: "Firefox" },
  });
  assert.equal(made.status, 200);
  const { data } = made.body as { data: { cookie: string; access_token: string; csrf: string; expires_in: number } };
  assert.equal(await statusOfMe(accounts, data.access_token), 200);
  const resolve = () =>
    accounts.call("accounts", "POST", "/internal/browser-sessions/resolve", { body: { cookie: data.cookie } });
  const resolved = (await resolve()).body as { data: { csrf: string; access_token: string; account: unknown } };
  assert.equal(resolved.data.csrf, data.csrf);
  assert.deepEqual(resolved.data.account, {
    id,
    email: ada.email,
    language: "fr",
    roles: ["person"],
    mfa: false,
  });
  await accounts.call("accounts", "DELETE", "/internal/browser-sessions", { body: { cookie: data.cookie } });
  assert.equal((await resolve()).status, 401);
  assert.equal(await statusOfMe(accounts, data.access_token), 401);
});

test("internal routes refuse people and strangers", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const { access_token } = await signIn(accounts);
  for (const [method, path] of [
    ["POST", "/internal/people/find"],
    ["POST", "/internal/browser-sessions"],
    ["POST", "/internal/browser-sessions/resolve"],
    ["DELETE", "/internal/browser-sessions"],
    ["POST", "/internal/accounts"],
    ["POST", "/internal/accounts/find"],
    ["GET", "/internal/accounts/x"],
    ["PUT", "/internal/accounts/x/roles"],
    ["POST", "/internal/maintenance"],
  ] as const) {
    const body = method === "GET" ? undefined : {};
    assert.equal((await accounts.request(method, path, body)).status, 401, path);
    assert.equal((await accounts.request(method, path, body, access_token)).status, 403, path);
  }
});

test("a service's token is nobody's account", async () => {
  await using accounts = await startAccounts();
  const { token } = await accounts.identity.mint("profiles");
  assert.equal(await statusOfMe(accounts, token), 403);
});

test("an account has at most fifty sessions: the one used longest ago ends", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  const first = await signIn(accounts);
  accounts.clock.advance(1000);
  let last = first;
  for (let n = 0; n < 50; n += 1) last = await signIn(accounts);
  assert.equal(await statusOfMe(accounts, first.access_token), 401);
  const { body } = await accounts.request("GET", "/v1/me/sessions", undefined, last.access_token);
  assert.equal(body.data.length, 50);
});
