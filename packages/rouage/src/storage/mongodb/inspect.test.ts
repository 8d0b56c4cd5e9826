/** What `rouage verify` learns of the collections themselves, each finding by the real damage. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Change } from "../storage.ts";
import { verifyStorage } from "../verify/verify.ts";
import { slot } from "./journal.ts";
import { mongoStorage } from "./mongodb.ts";
import { collectionsOf } from "./names.ts";
import { describeOnServers } from "./test-stores.ts";

const things = { resource: "things", parent: "" };
const definition = { resource: "things", indexes: [["n"]], unique: [] };

describeOnServers("damage of a store in MongoDB", (fresh) => {
  const put = (id: string, n: number, text = ""): Change => ({
    kind: "put",
    key: { ...things, id },
    body: JSON.stringify({ n, tags: ["a"], text }),
    permissions: { read: ["account:ann"] },
    expect: { kind: "any" },
  });

  /** A store that has some of everything: single writes, transactions, a deletion, an erasure, and where `large` a step of several parts. */
  async function whole(t: TestContext, large = false) {
    const { url, database, drop } = fresh();
    t.after(drop);
    const storage = await mongoStorage({ url, clock: systemClock, log: silentLogger });
    t.after(() => storage.close());
    await storage.define([definition]);
    await storage.commit([put("a", 1)]);
    await storage.transaction(async () => {
      await storage.commit([put("b", 2)]);
      await storage.commit([put("c", 3)]);
    });
    await storage.transaction(async () => {});
    const length = large ? 2_100_000 : 1;
    await storage.commit([put("d", 4, "x".repeat(length)), put("e", 5, "y".repeat(length))]);
    await storage.commit([{ kind: "delete", key: { ...things, id: "b" }, expect: { kind: "any" } }]);
    await storage.erase([{ ...things, id: "c" }]);
    const found = async (): Promise<readonly string[]> => {
      const { violations, skipped } = await verifyStorage(storage, { definitions: [definition] });
      assert.deepEqual(skipped, []);
      return violations
        .filter(({ rule }) => rule === "backend")
        .map(({ id, message }) => (id === undefined ? message : `${id} ${message}`));
    };
    return { collections: collectionsOf(database, "rouage"), database, found };
  }

  test("of a whole store nothing is wrong", async (t) => {
    const { found } = await whole(t);
    assert.deepEqual(await found(), []);
  });

  test("documents that are found by other values or permissions than they have, or lie at another's place", async (t) => {
    const { collections, found } = await whole(t);
    const objects = collections.objects("things");
    await objects.updateOne({ i: "a" }, { $set: { "k._n": "ff" } });
    await objects.updateOne({ i: "d" }, { $set: { w: ["account:eve"] } });
    await objects.updateOne({ i: "e" }, { $set: { i: "f" } });
    assert.deepEqual(await found(), [
      "a is found by other values than it has",
      "d is found by other permissions than it has",
      "f is kept under the key of another object",
      "f is found by other values than it has",
    ]);
  });

  test("objects that are newer than the journal: collections of different moments", async (t) => {
    const { collections, found } = await whole(t);
    const [newest] = await collections.journal.find({}, { sort: { _id: -1 }, limit: 1 }).toArray();
    const n = newest?.n ?? 0;
    await collections.objects("things").updateOne({ i: "a" }, { $set: { s: n + 1 } });
    assert.deepEqual(await found(), [
      `a was written by step ${n + 1}, and the journal ends with ${n}: the collections are of different moments`,
    ]);
  });

  test("a journal with gaps, without a part, without an outcome, with positions that are not its own", async (t) => {
    const { collections, found } = await whole(t, true);
    const { journal, parts } = collections;
    const steps = await journal.find({}, { sort: { _id: 1 } }).toArray();
    const large = steps.find((step) => (step.parts ?? 0) > 0);
    const single = steps.find((step) => step.kind === "entry");
    const held = steps.find((step) => step.kind === "turn");
    assert.ok(large !== undefined && single !== undefined && held !== undefined);
    await parts.deleteMany({ attempt: large.attempt });
    await journal.deleteOne({ _id: `${slot(held.n)}+` });
    await journal.updateOne({ _id: single._id }, { $set: { of: [] } });
    const said = (await found()).join("\n");
    assert.match(said, new RegExp(`step ${large.n} of the journal lacks its part 0`));
    assert.match(said, new RegExp(`step ${large.n} of the journal ends at ${large.last} instead of `));
    assert.match(said, new RegExp(`goes on behind step ${held.n}, and does not say what became of it`));
    assert.match(said, new RegExp(`step ${single.n} of the journal does not say that it has entries of this list`));
    await journal.deleteOne({ _id: slot(large.n) });
    assert.match((await found()).join("\n"), new RegExp(`the journal lacks its steps ${large.n} to ${large.n}:`));
  });

  test("a collection of no resource, and an index that is gone", async (t) => {
    const { collections, database, found } = await whole(t);
    await database.collection("rouage.objects.strangers").insertOne({ x: 1 });
    await collections.objects("things").dropIndex("list_id");
    assert.deepEqual(await found(), [
      "the collection rouage.objects.strangers is of no resource that the store knows",
      "the collection has no index list_id: start the service once",
    ]);
  });
});
