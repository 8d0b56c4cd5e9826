/**
 * What people wait for must not take longer with more people: no query of a sign-in, a lookup, a card or an access log reads a whole list. Judged by
 * the database's own plans (of MongoDB by the indexes that it has), for a measurement would need a million rows.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TOTP } from "otpauth";
import { durableStorage, testStore } from "../../../scripts/test-stores.ts";
import { startUrgence } from "../src/app.ts";
import { exampleInput } from "../src/services/profiles/testing.ts";
import { readUrgenceSettings } from "../src/settings.ts";
import { watchPlans } from "./support/plans.ts";

test("sign-in, lookup by number and by card, access log, refresh and erasure search indexes, however many people there are", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "urgence-plans-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using store = await testStore(durableStorage, join(folder, "store"));
  const plans = await watchPlans(t, durableStorage);
  const settings = readUrgenceSettings({
    URGENCE_STORAGE: store.url,
    URGENCE_DATA_FOLDER: join(folder, "data"),
    URGENCE_MAIL: `file:${join(folder, "mail")}`,
    URGENCE_LOG_LEVEL: "silent",
  });
  await using urgence = await startUrgence(settings);
  const password = "blue lantern on the pier";
  const ask = async (method: string, path: string, body?: unknown, token?: string) => {
    const headers = {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await urgence.door.fetch(new Request(`http://urgence.test${path}`, init));
    const text = await response.text();
    assert.ok(response.status < 300, `${method} ${path} ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  const signIn = async (email: string, totp?: string) =>
    (await ask("POST", "/v1/sessions", { email, password, ...(totp === undefined ? {} : { totp }) })).access_token;

  const someone = { email: "plan@example.org", phone: "+33639980099", password };
  await urgence.admin.createAccount({ ...someone, verified: true });
  const site = { id: "s", name: "S" };
  await urgence.admin.createAccount({ email: "r@example.org", password, roles: ["responder"], site, verified: true });
  const first = await signIn("r@example.org");
  const { secret } = (await ask("POST", "/v1/me/mfa", {}, first)).data;
  await ask("PUT", "/v1/me/mfa", { code: new TOTP({ secret }).generate() }, first);
  const person = await signIn(someone.email);
  await ask("PUT", "/v1/me/profile", { data: exampleInput }, person);
  await ask("POST", "/v1/me/positions", { data: { coordinates: [2, 48], source: "gnss" } }, person);
  const { token: card } = (await ask("PUT", "/v1/me/card", { data: { parts: ["identity"] } }, person)).data;

  const responder = await signIn("r@example.org", new TOTP({ secret }).generate({ timestamp: Date.now() + 30_000 }));
  const why = { reason: "trauma", incident: "p" };
  await ask("POST", "/v1/lookup", { ...why, phone: someone.phone }, responder);
  await ask("POST", "/v1/lookup", { ...why, card }, responder);
  await ask("GET", `/v1/cards/${card}`);
  await ask("GET", "/v1/me/access-log", undefined, person);
  await ask("GET", "/v1/lookups", undefined, responder);
  await ask("POST", "/v1/passwords/reset", { email: someone.email });
  const { refresh_token } = await ask("POST", "/v1/sessions", { email: someone.email, password });
  await ask("POST", "/v1/sessions/refresh", { refresh_token });
  await ask("DELETE", "/v1/me", { password }, person);

  const found = await plans();
  assert.ok(found.length > 10, `${found.length} queries`);
  assert.deepEqual(
    found.filter(({ readsAll }) => readsAll),
    [],
  );
});
