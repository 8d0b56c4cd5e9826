import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { LogEntry } from "../storage/storage.ts";
import { followRevocations, type Revocation, revocations } from "./revocation.ts";

const lifetimeMs = 610_000;

function read(entry: LogEntry): Revocation | undefined {
  return entry.type === "session.revoked" ? { kind: "sid", id: entry.id } : undefined;
}

function revokedEvent(id: string) {
  return { kind: "event", key: { resource: "session", parent: "", id }, type: "session.revoked", data: {} } as const;
}

test("a revocation holds by session, token or subject until every token from before has expired", () => {
  const clock = manualClock();
  const set = revocations({ lifetimeMs, clock });
  set.revoke({ kind: "sid", id: "s1" });
  set.revoke({ kind: "sub", id: "a" });
  set.revoke({ kind: "jti", id: "j" });
  assert.equal(set.revoked({ sid: "s1" }), true);
  assert.equal(set.revoked({ sid: "s2", sub: "a" }), true);
  assert.equal(set.revoked({ jti: "j" }), true);
  assert.equal(set.revoked({ sid: "a", sub: "s1", jti: "s1" }), false, "kinds do not mix");
  assert.equal(set.size, 3);
  clock.advance(lifetimeMs);
  assert.equal(set.size, 0);
});

test("a reader learns what was revoked before it started, not what is long over, and what is revoked from then on", async () => {
  const clock = manualClock();
  const storage = memoryStorage({ clock });
  await storage.define([{ resource: "session", indexes: [], unique: [] }]);
  await storage.commit([revokedEvent("ancient")]);
  clock.advance(lifetimeMs + 1);
  await storage.commit([revokedEvent("recent")]);
  const into = revocations({ lifetimeMs, clock });
  const stop = new AbortController();
  const { ready, done } = followRevocations({ log: storage, into, read, lifetimeMs, signal: stop.signal, clock });
  await ready;
  assert.equal(into.revoked({ sid: "ancient" }), false);
  assert.equal(into.revoked({ sid: "recent" }), true);
  await storage.commit([revokedEvent("now")]);
  const deadline = Date.now() + 1000;
  while (!into.revoked({ sid: "now" }) && Date.now() < deadline) await new Promise(setImmediate);
  assert.equal(into.revoked({ sid: "now" }), true);
  stop.abort();
  await done;
});

test("a log that fails is read again from before the failure; until then it shows that revocations are missing", async () => {
  const clock = manualClock();
  const storage = memoryStorage({ clock });
  await storage.define([{ resource: "session", indexes: [], unique: [] }]);
  const stop = new AbortController();
  const cut = new AbortController();
  let broken = false;
  const log: Pick<typeof storage, "log" | "position"> = {
    position: () => (broken ? Promise.reject(new Error("no disk")) : storage.position()),
    async *log(query = {}) {
      // The first reader is cut off; the ones after it are not.
      const signal = cut.signal.aborted ? stop.signal : AbortSignal.any([stop.signal, cut.signal]);
      yield* storage.log({ ...query, signal });
    },
  };
  const into = revocations({ lifetimeMs, clock });
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  const options = { log, into, read, lifetimeMs, signal: stop.signal, clock, retryMs: 1, failed };
  const { ready, done } = followRevocations(options);
  await ready;
  const until = async (condition: () => boolean) => {
    const deadline = Date.now() + 2000;
    while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(condition());
  };
  broken = true;
  cut.abort();
  await until(() => failures.length > 2);
  assert.equal(into.blindSince, clock.now());
  await storage.commit([revokedEvent("meanwhile")]);
  assert.equal(into.revoked({ sid: "meanwhile" }), false);
  broken = false;
  await until(() => into.revoked({ sid: "meanwhile" }));
  stop.abort();
  await done;
});

test("where the log begins later than a token was issued, as in a store that was copied, the token is refused", async () => {
  const clock = manualClock();
  const storage = memoryStorage({ clock });
  await storage.define([{ resource: "session", indexes: [], unique: [] }]);
  const issued = (millisecondsAgo: number) => ({ sub: "a", iat: Math.floor((clock.now() - millisecondsAgo) / 1000) });
  const reader = async () => {
    const into = revocations({ lifetimeMs, clock });
    const stop = new AbortController();
    const { ready, done } = followRevocations({ log: storage, into, read, lifetimeMs, signal: stop.signal, clock });
    await ready;
    stop.abort();
    await done;
    return into;
  };
  const ofEmpty = await reader();
  assert.equal(ofEmpty.revoked(issued(60_000)), true);
  assert.equal(ofEmpty.revoked(issued(0)), false);
  await storage.commit([revokedEvent("first")]);
  clock.advance(60_000);
  const later = await reader();
  assert.equal(later.revoked(issued(120_000)), true);
  assert.equal(later.revoked(issued(60_000)), false, "issued in the second that the log begins in");
  assert.equal(later.revoked(issued(0)), false);
  assert.equal(later.revoked({ sub: "a" }), false, "the policy asks for the time; here nothing is made up");
});
