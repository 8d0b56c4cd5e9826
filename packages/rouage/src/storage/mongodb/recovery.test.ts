import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Storage } from "../storage.ts";
import { encoded, outcomeSlot, positionsOfStep, slot } from "./journal.ts";
import { mongoStorage } from "./mongodb.ts";
import { collectionsOf } from "./names.ts";
import { describeOnServers } from "./test-stores.ts";

const things = { resource: "things", parent: "" };

/** What a process leaves behind that is killed at the worst moment, as another one finds it. */
describeOnServers("recovery in MongoDB", (fresh) => {
  async function open(parameters = "", turnLimitMs = 400) {
    const { url, database } = fresh(parameters);
    const options = { url, clock: systemClock, log: silentLogger, helpAfterMs: 200, turnLimitMs };
    const storage = await mongoStorage(options);
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    await put(storage, "a", 1);
    const collections = collectionsOf(database, "rouage");
    const [newest] = await collections.journal.find({}, { sort: { _id: -1 }, limit: 1 }).toArray();
    return { storage, collections, next: (newest?.n ?? 0) + 1, last: newest?.last ?? 0 };
  }

  const put = (storage: Storage, id: string, n: number) =>
    storage.commit([{ kind: "put", key: { ...things, id }, body: `{"n":${n}}`, expect: { kind: "any" } }]);

  /** A step of a process that is gone: two objects, not applied. */
  function left(id: string, n: number) {
    const rows = ["a", "b"].map((name) => ({
      ...{ time: 1, ...things, id: name, action: "update" as const, revision: 9_000_000_000_000 + n, body: '{"n":2}' },
    }));
    return encoded(
      id,
      { n, attempt: randomUUID(), writer: "dead", last: n * positionsOfStep + 2 },
      {
        log: rows,
        objects: rows.map(({ id: name, revision, body }) => ({
          ...{ kind: "entry" as const, key: { ...things, id: name }, revision, body, owner: null, permissions: {} },
          isNew: name === "b",
        })),
        lists: [{ ...things, revision: rows[0]?.revision ?? 0, purged: 0 }],
        groups: [],
        blanked: [],
      },
    ).head;
  }

  const bodies = async (storage: Storage) =>
    (await storage.list(things, { sort: [{ field: "id", direction: "ascending" }], limit: 9 })).map(
      (entry) => entry.kind === "object" && entry.body,
    );

  test("a step that was committed and not applied is applied by who comes next: writers, readers and followers", async () => {
    for (const ask of [bodies, (storage: Storage) => put(storage, "c", 3), (storage: Storage) => storage.position()]) {
      const { storage, collections, next } = await open();
      await collections.journal.insertOne(left(slot(next), next));
      await ask(storage);
      assert.deepEqual((await bodies(storage)).slice(0, 2), ['{"n":2}', '{"n":2}']);
      const found = await collections.journal.findOne({ _id: slot(next) });
      assert.equal(found?.done, true);
      assert.equal(found.objects, undefined, "what was for its application alone is dropped");
      await storage.close();
    }
  });

  test("who is told of one object of a step that is half applied is told of the other", async () => {
    const { storage, collections, next } = await open();
    await collections.journal.insertOne(left(slot(next), next));
    // As far as the process got.
    await collections.objects("things").updateOne({ _id: '["","a"]' }, { $set: { s: next, b: '{"n":2}' } });
    const entry = await storage.get({ ...things, id: "a" });
    assert.equal(entry?.kind === "object" && entry.body, '{"n":2}');
    assert.equal((await collections.objects("things").findOne({ _id: '["","b"]' }))?.b, '{"n":2}');
    await storage.close();
  });

  test("the turn of a transaction whose process gives no sign of life is void, and what it says later is refused", async () => {
    const { storage, collections, next, last } = await open();
    const turn = { _id: slot(next), n: next, kind: "turn", attempt: "x", writer: "dead", last } as const;
    await collections.journal.insertOne(turn);
    assert.deepEqual(await bodies(storage), ['{"n":1}'], "readers wait for no transaction");
    await put(storage, "c", 3);
    await assert.rejects(collections.journal.insertOne(left(outcomeSlot(next), next)), /duplicate key/);
    assert.deepEqual(await bodies(storage), ['{"n":1}', '{"n":3}']);
    await storage.close();
  });

  test("a turn that lasts longer than anybody waits is void all the same: what was seen of it is kept", async () => {
    const { storage, collections, next, last } = await open("&statement_timeout=1", 1_800);
    const turn = { _id: slot(next), n: next, kind: "turn", attempt: "x", writer: "dead", last } as const;
    await collections.journal.insertOne(turn);
    let refused = 0;
    for (let isMade = false; !isMade; ) {
      isMade = await put(storage, "c", 3).then(
        () => true,
        () => false,
      );
      if (!isMade) refused++;
      assert.ok(refused < 10, "nobody gives it up");
    }
    assert.ok(refused > 0);
    await storage.close();
  });

  test("a transaction that works for longer than a turn lasts keeps it by saying so", async () => {
    const { url } = fresh();
    const options = { url, clock: systemClock, log: silentLogger, turnLimitMs: 200 };
    const [one, two] = [await mongoStorage(options), await mongoStorage(options)];
    for (const storage of [one, two]) await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    let waiting: Promise<unknown> = Promise.resolve();
    await one.transaction(async () => {
      await put(one, "a", 1);
      waiting = put(two, "a", 2);
      const until = performance.now() + 700;
      while (performance.now() < until) await one.get({ ...things, id: "b" });
    });
    await waiting;
    assert.deepEqual(await bodies(one), ['{"n":2}']);
    assert.equal((await Array.fromAsync(two.log())).length, 2);
    await Promise.all([one.close(), two.close()]);
  });
});
