/** Accounts that nobody uses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testStorages } from "../../../../../scripts/test-stores.ts";
import { addMonths } from "./inactive.ts";
import { ada, register, signIn, startAccounts, type TestAccounts, until } from "./testing.ts";

const dayMs = 86_400_000;
const grace = { email: "grace@example.org", phone: "+33 6 39 98 10 02", password: "nanoseconds of wire" };

function skipMonths({ clock }: TestAccounts, months: number): void {
  clock.advance(addMonths(clock.now(), months) - clock.now());
}

async function exists(accounts: TestAccounts, email: string): Promise<boolean> {
  return (await accounts.admin.findAccount(email)) !== undefined;
}

async function lastUse({ service }: TestAccounts, id: string): Promise<number | undefined> {
  const entry = await service.storage.get({ resource: "account", parent: "", id });
  return entry?.kind === "object" ? JSON.parse(entry.body).used : undefined;
}

for (const storage of testStorages)
  test(`[${storage}] an unused account is warned at 22 months, once, and erased at 24 with everything of its person`, async () => {
    const erased: string[] = [];
    const eraser = async (request: Request) => {
      if (request.method === "DELETE") erased.push(new URL(request.url).pathname);
      return Response.json({ data: {} });
    };
    await using accounts = await startAccounts({ storage, doors: { profiles: eraser } });
    const id = await register(accounts);
    skipMonths(accounts, 21);
    await accounts.admin.maintain();
    assert.equal((await accounts.sent()).length, 1, "nothing but the code of the registration");

    skipMonths(accounts, 1);
    accounts.clock.advance(dayMs);
    await accounts.admin.maintain();
    const warning = await accounts.mail(ada.email);
    assert.match(warning.subject, /effacé/);
    assert.match(warning.text, /20\d\d/, "the day is named");
    await accounts.admin.maintain();
    accounts.clock.advance(40 * dayMs);
    await accounts.admin.maintain();
    assert.equal((await accounts.sent()).length, 2, "warned once");
    assert.equal(await exists(accounts, ada.email), true);

    accounts.clock.advance(25 * dayMs);
    await accounts.admin.maintain();
    assert.equal(await exists(accounts, ada.email), false);
    assert.deepEqual(erased, [`/internal/people/${id}`]);
    assert.deepEqual(accounts.mails, [], "mails are forgotten too");
  });

const uses = {
  "a sign-in": async (accounts: TestAccounts) => void (await signIn(accounts)),
  "a page": async (accounts: TestAccounts) => {
    const body = { email: ada.email, password: ada.password };
    const made = await accounts.call("accounts", "POST", "/internal/browser-sessions", { body });
    const { cookie } = (made.body as { data: { cookie: string } }).data;
    await accounts.call("accounts", "POST", "/internal/browser-sessions/resolve", { body: { cookie } });
  },
} as const;

for (const [name, use] of Object.entries(uses))
  test(`${name} after the warning keeps the account for another two years`, async () => {
    await using accounts = await startAccounts();
    await register(accounts);
    skipMonths(accounts, 23);
    await accounts.admin.maintain();
    await use(accounts);
    skipMonths(accounts, 2);
    await accounts.admin.maintain();
    assert.equal(await exists(accounts, ada.email), true);
    assert.equal((await accounts.sent()).length, 2, "no second warning yet");
    skipMonths(accounts, 21);
    await accounts.admin.maintain();
    assert.equal((await accounts.sent()).length, 3, "warned anew");
  });

test("renewing a token counts as use", async () => {
  await using accounts = await startAccounts();
  const id = await register(accounts);
  let { refresh_token } = await signIn(accounts);
  for (let turn = 0; turn < 3; turn++) {
    accounts.clock.advance(25 * dayMs);
    const renewed = await accounts.request("POST", "/v1/sessions/refresh", { refresh_token });
    assert.equal(renewed.status, 200);
    refresh_token = renewed.body.refresh_token;
    // Noted behind the answer.
    await until(async () => (await lastUse(accounts, id)) === accounts.clock.now(), "the use to be noted");
  }
  skipMonths(accounts, 21);
  await accounts.admin.maintain();
  assert.equal((await accounts.sent()).length, 1, "22 months after the sign-in, but not after the last use");
  skipMonths(accounts, 2);
  await accounts.admin.maintain();
  assert.equal((await accounts.sent()).length, 2);
});

test("a service that slept for years warns first, and leaves a month to come back", async () => {
  await using accounts = await startAccounts();
  await register(accounts);
  await register(accounts, grace);
  skipMonths(accounts, 60);
  await accounts.admin.maintain();
  assert.equal(await exists(accounts, ada.email), true);
  accounts.clock.advance(29 * dayMs);
  await accounts.admin.maintain();
  assert.equal(await exists(accounts, ada.email), true);
  await signIn(accounts, grace);
  accounts.clock.advance(2 * dayMs);
  await accounts.admin.maintain();
  assert.equal(await exists(accounts, ada.email), false);
  assert.equal(await exists(accounts, grace.email), true);
});

test("months are calendar months", () => {
  const time = (text: string) => Date.parse(text);
  assert.equal(addMonths(time("2026-01-31T10:00:00Z"), 1), time("2026-02-28T10:00:00Z"));
  assert.equal(addMonths(time("2024-02-29T10:00:00Z"), -24), time("2022-02-28T10:00:00Z"));
  assert.equal(addMonths(time("2026-11-30T00:00:00Z"), -22), time("2025-01-30T00:00:00Z"));
});
