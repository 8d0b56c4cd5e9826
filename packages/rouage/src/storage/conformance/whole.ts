/** Conformance: the store as a whole, counted and emptied. */
import assert from "node:assert/strict";
import { type ConformanceSubject, drop, people, put, storageTest, things } from "./harness.ts";

export function wholeTests(open: ConformanceSubject): void {
  const mine = { ...things, parent: "/me" };

  storageTest(open, "counts objects and tombstones of each resource over all lists", async ({ storage }) => {
    await storage.commit([put(mine, "a"), put(mine, "b"), put(things, "c"), put(people, "d", { email: "x" })]);
    await drop(storage, mine, "b");
    const totals = Object.fromEntries((await storage.totals()).map((total) => [total.resource, total]));
    assert.deepEqual(totals.things, { resource: "things", objects: 2, tombstones: 1 });
    assert.deepEqual(totals.people, { resource: "people", objects: 1, tombstones: 0 });
    assert.deepEqual(totals.names, { resource: "names", objects: 0, tombstones: 0 });
  });

  storageTest(open, "a flush leaves nothing, and lists begin anew", async ({ storage, clock }) => {
    const key = { ...mine, id: "a" };
    await storage.commit(
      [
        { kind: "put", key, body: '{"n":1}', expect: { kind: "any" }, permissions: { write: ["bob"] } },
        put(mine, "b"),
        put(people, "d", { email: "x" }),
        { kind: "members", group: "/g", members: ["bob"] },
      ],
      { principal: "bob" },
    );
    await drop(storage, mine, "b");
    await storage.purgeTombstones(mine, Number.MAX_SAFE_INTEGER);
    const position = await storage.position();
    clock.advance(5000);
    await storage.flush();
    assert.equal(await storage.get(key), undefined);
    assert.deepEqual(await storage.list(mine, { sort: [], limit: 9, tombstones: true }), []);
    assert.deepEqual(await storage.permissions.of(key), {});
    assert.equal((await storage.permissions.groupsOf("bob")).size, 0);
    assert.equal(await storage.purgedBefore(mine), 0);
    assert.equal(await storage.timestamp(mine), clock.now());
    assert.ok((await storage.totals()).every(({ objects, tombstones }) => objects + tombstones === 0));
    for await (const entry of storage.log()) assert.ok(entry.body === undefined && entry.principal === undefined);
    assert.equal(await storage.position(), position);
    await storage.commit([put(people, "e", { email: "x" })]);
    assert.ok((await storage.position()) > position);
  });

  storageTest(open, "a flush inside of a transaction that fails flushed nothing", async ({ storage }) => {
    await storage.commit([put(mine, "a")]);
    const failing = storage.transaction(async () => {
      await storage.flush();
      assert.equal(await storage.get({ ...mine, id: "a" }), undefined);
      throw new Error("no");
    });
    await assert.rejects(failing, /no/);
    assert.equal((await storage.get({ ...mine, id: "a" }))?.kind, "object");
  });
}
