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
