/**
 * What people wait for must not take longer with more people: no query of a sign-in, a lookup, a card or an access log reads a whole list. Judged by
 * SQLite's own plans, for a measurement would need a million rows.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { TOTP } from "otpauth";
import { startUrgence } from "../src/app.ts";
import { exampleInput } from "../src/services/profiles/testing.ts";
import { readUrgenceSettings } from "../src/settings.ts";

/** Scans in portions by what runs in the background, and the check of a new unique index: nobody waits for them. */
const nobodyWaits = /ORDER BY 5, 1 LIMIT \d+$|GROUP BY parent/;

test("sign-in, lookup by number and by card, access log, refresh and erasure search indexes, however many people there are", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "urgence-plans-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const plans = new Map<string, string>();
  const prepare = DatabaseSync.prototype.prepare;
  t.mock.method(DatabaseSync.prototype, "prepare", function (this: DatabaseSync, sql: string) {
    if (/^\s*(SELECT|WITH)\b/.test(sql) && /\bobjects_\d/.test(sql) && !plans.has(sql)) {
      const unbound = prepare.call(this, `EXPLAIN QUERY PLAN ${sql.replaceAll("?", "'x'")}`);
      plans.set(
        sql,
        unbound
          .all()
          .map(({ detail }) => String(detail))
          .join("; "),
      );
    }
    return prepare.call(this, sql);
  });

  const settings = readUrgenceSettings({
    URGENCE_STORAGE: `sqlite:${join(folder, "store")}`,
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

  assert.ok(plans.size > 10, `${plans.size} queries`);
  for (const [sql, plan] of plans) {
    const readsAll =
      /\bSCAN objects/.test(plan) || /USING (COVERING )?INDEX objects_\d+_(id|revision) \(parent=\?\)/.test(plan);
    const asksForField = /\b[rv]_[0-9a-f]{16}\b/.test(sql.split(/ORDER BY/)[0] ?? "");
    assert.ok(nobodyWaits.test(sql) || !readsAll || !asksForField, `${sql}\n${plan}`);
  }
});
