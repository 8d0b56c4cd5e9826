import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { memoryStorage } from "../storage/memory.ts";
import { browserSessions } from "./sessions.ts";

async function setup() {
  const clock = manualClock();
  const storage = memoryStorage({ clock });
  const sessions = browserSessions({ storage, clock, csrfKey: new Uint8Array(32).fill(7) });
  await storage.define([sessions.definition]);
  return { clock, storage, sessions };
}

const minute = 60_000;

test("the cookie's secret finds its session; anything else finds none", async () => {
  const { sessions } = await setup();
  const { secret, session } = await sessions.start("0198", { amr: ["pwd"] });
  const found = await sessions.resolve(secret);
  assert.equal(found?.id, session.id);
  assert.deepEqual(found?.data, { amr: ["pwd"] });
  const [subject, id] = secret.split(".");
  for (const wrong of ["", "x", `${subject}.${id}.${"A".repeat(43)}`, `${subject}.${id}`, `${secret}x`, `${secret}.x`])
    assert.equal(await sessions.resolve(wrong), undefined);
});

test("the secret is not in the store", async () => {
  const { sessions, storage } = await setup();
  const { secret } = await sessions.start("0198");
  for await (const entry of storage.scan("browser-session"))
    assert.equal(JSON.stringify(entry).includes(secret.split(".")[2] ?? ""), false);
});

test("a session goes idle after 30 minutes, and being used keeps it, until 12 hours", async () => {
  const { sessions, clock } = await setup();
  const { secret } = await sessions.start("0198");
  for (let passed = 0; passed < 12 * 60 - 29; passed += 29) {
    clock.advance(29 * minute);
    assert.ok((await sessions.resolve(secret)) !== undefined, `after ${passed + 29} minutes`);
  }
  clock.advance(29 * minute);
  assert.equal(await sessions.resolve(secret), undefined, "12 hours are over");
  const other = await sessions.start("0198");
  clock.advance(30 * minute);
  assert.equal(await sessions.resolve(other.secret), undefined, "idle");
  assert.equal(await sessions.purge(), 2);
});

test("a page that loads ten things writes the session at most once", async () => {
  const { sessions, storage, clock } = await setup();
  const { secret } = await sessions.start("0198");
  const before = await storage.position();
  for (let n = 0; n < 10; n += 1) await sessions.resolve(secret);
  assert.equal(await storage.position(), before);
  clock.advance(4 * minute);
  await Promise.all(Array.from({ length: 10 }, () => sessions.resolve(secret)));
  assert.equal(await storage.position(), before + 1);
});

test("the CSRF token belongs to one session", async () => {
  const { sessions } = await setup();
  const { session: a } = await sessions.start("0198");
  const { session: b } = await sessions.start("0198");
  assert.equal(sessions.csrfMatches(a, a.csrf), true);
  assert.equal(sessions.csrfMatches(a, b.csrf), false);
  assert.equal(sessions.csrfMatches(a, ""), false);
});

test("ended sessions resolve to nothing, and are not brought back by a request under way", async () => {
  const { sessions, clock } = await setup();
  const { secret, session } = await sessions.start("0198");
  clock.advance(5 * minute);
  const [, ended] = await Promise.all([sessions.resolve(secret), sessions.end("0198", session.id)]);
  assert.equal(ended, true);
  assert.equal(await sessions.resolve(secret), undefined);
  assert.equal(await sessions.end("0198", session.id), false);
});
