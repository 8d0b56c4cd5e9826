/** Conformance: erasing for good. That no byte remains is proved by each durable storage's own tests. */
import assert from "node:assert/strict";
import { type ConformanceSubject, drop, event, people, put, save, storageTest, things } from "./harness.ts";

export function eraseTests(open: ConformanceSubject): void {
  const mine = { ...things, parent: "/me" };

  storageTest(open, "erases one object: itself or its tombstone, and what the log keeps of it", async ({ storage }) => {
    const context = { principal: "alice", requestId: "r1", traceparent: "00-a-b-01" };
    await storage.commit([put(mine, "a", { n: 1 }), put(mine, "b", { n: 2 }), put(things, "a", { n: 3 })], context);
    await storage.commit([put(mine, "a", { n: 4 }), event({ ...mine, id: "a" }, "seen", { by: "x" })], context);
    const before = await Array.fromAsync(storage.log());
    const scope = { resource: "things", parent: "/me", id: "a" };
    assert.deepEqual(await storage.erase([scope]), { objects: 1, tombstones: 0, logEntries: 3 });
    assert.equal(await storage.get({ ...mine, id: "a" }), undefined);
    assert.equal((await storage.get({ ...mine, id: "b" }))?.kind, "object");
    assert.equal((await storage.get({ ...things, id: "a" }))?.kind, "object");
    const erased = before.map((entry) => {
      if (entry.parent !== "/me" || entry.id !== "a") return entry;
      const { body: _body, principal: _principal, requestId: _requestId, traceparent: _trace, ...rest } = entry;
      return rest;
    });
    assert.deepEqual(await Array.fromAsync(storage.log()), erased);
    assert.deepEqual(await storage.erase([scope]), { objects: 0, tombstones: 0, logEntries: 0 });
  });

  storageTest(open, "erases a list with its tombstones, or a whole resource", async ({ storage }) => {
    await storage.commit([put(mine, "a"), put(mine, "b"), put(things, "c"), put(people, "d", { email: "x" })]);
    await drop(storage, mine, "b");
    assert.deepEqual(await storage.erase([{ resource: "things", parent: "/me" }]), {
      objects: 1,
      tombstones: 1,
      logEntries: 2,
    });
    assert.deepEqual(await storage.list(mine, { sort: [], limit: 9, tombstones: true }), []);
    assert.deepEqual(
      await storage.erase([{ resource: "people" }, { resource: "things" }, { resource: "unheard of" }]),
      {
        objects: 2,
        tombstones: 0,
        logEntries: 2,
      },
    );
    assert.equal(await storage.count(things), 0);
    await save(storage, people, "e", { email: "x" });
  });

  storageTest(open, "a list that lost something has a new revision, others keep theirs", async ({ storage }) => {
    await storage.commit([put(mine, "a"), put(things, "b")]);
    const [touched, untouched] = [await storage.timestamp(mine), await storage.timestamp(things)];
    await storage.erase([{ resource: "things", parent: "/me", id: "a" }]);
    assert.ok((await storage.timestamp(mine)) > touched);
    assert.equal(await storage.timestamp(things), untouched);
  });

  storageTest(open, "erases thousands of objects while others are written", async ({ storage }) => {
    await storage.commit(Array.from({ length: 1_000 }, (_, n) => put(mine, `a${n}`, { n })));
    const erasing = storage.erase([{ resource: "things", parent: "/me" }]);
    const writing = Promise.all(Array.from({ length: 50 }, (_, n) => save(storage, things, `b${n}`, { n })));
    assert.deepEqual(await erasing, { objects: 1_000, tombstones: 0, logEntries: 1_000 });
    await writing;
    assert.equal(await storage.count(mine), 0);
    assert.equal(await storage.count(things), 50);
  });
}
