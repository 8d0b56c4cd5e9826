import assert from "node:assert/strict";
import { test } from "node:test";
import { testStorages } from "../../../../../scripts/test-stores.ts";
import { phoneHash } from "../../shared/phone.ts";
import { ada, register, signIn, startAccounts } from "./testing.ts";

for (const storage of testStorages) {
  test(`[${storage}] services find a person by the keyed hash of the number, confirmed accounts only`, async () => {
    await using accounts = await startAccounts({ storage });
    const hash = phoneHash(accounts.identity.phoneHashKey, "+33639981001");
    const find = (body: object) => accounts.call("accounts", "POST", "/internal/people/find", { body });
    await accounts.request("POST", "/v1/accounts", ada);
    assert.equal((await find({ phone_hash: hash })).status, 404, "not confirmed");
    await accounts.mail(ada.email);
    const id = await register(accounts);
    const found = (await find({ phone_hash: hash })).body as { data: { person: string; shared: boolean } };
    assert.deepEqual([found.data.person, found.data.shared], [id, false]);
    assert.equal((await find({ person: id })).status, 200);
    assert.equal((await find({ person: "other" })).status, 404);
    assert.equal((await find({ phone_hash: "other" })).status, 404);
    assert.equal((await find({})).status, 404);
  });
}

test("a number that a family shares finds all of them, and says so", async () => {
  await using accounts = await startAccounts();
  const first = await register(accounts);
  const second = await register(accounts, { ...ada, email: "byron@example.org" });
  const hash = phoneHash(accounts.identity.phoneHashKey, "+33639981001");
  const { body } = await accounts.call("accounts", "POST", "/internal/people/find", { body: { phone_hash: hash } });
  const { data } = body as { data: { person: string; shared: boolean; people: { person: string }[] } };
  assert.equal(data.shared, true);
  assert.deepEqual([data.person, ...data.people.map(({ person }) => person)], [first, first, second]);
});

test("a number that was changed is found under the new one only", async () => {
  await using accounts = await startAccounts();
  const id = await register(accounts);
  const { access_token } = await signIn(accounts);
  await accounts.request("PATCH", "/v1/me", { phone: "06 39 98 77 77" }, access_token);
  const find = async (e164: string) => {
    const body = { phone_hash: phoneHash(accounts.identity.phoneHashKey, e164) };
    return (await accounts.call("accounts", "POST", "/internal/people/find", { body })).body;
  };
  assert.equal(((await find("+33639987777")) as { data: { person: string } }).data.person, id);
  assert.equal(((await find("+33639981001")) as { errno: number }).errno, 110);
});
