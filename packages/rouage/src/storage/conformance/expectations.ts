/** Conformance: expectations of single changes, and commits that happen whole or not at all. */
import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { type ConformanceSubject, conflict, drop, event, put, remove, save, storageTest, things } from "./harness.ts";

export function expectationTests(open: ConformanceSubject): void {
  storageTest(open, "`absent` creates, and conflicts with a live object, which it reports", async ({ storage }) => {
    const first = await save(storage, things, "a", { n: 1 }, { expect: { kind: "absent" }, owner: "alice" });
    const { change, reason } = await conflict(
      storage.commit([put(things, "b"), put(things, "a", { n: 2 }, { expect: { kind: "absent" } })]),
    );
    assert.equal(change, 1);
    assert.deepEqual(reason, { kind: "expectation", actual: first });
    await drop(storage, things, "a");
    await save(storage, things, "a", { n: 3 }, { expect: { kind: "absent" } });
  });

  storageTest(
    open,
    "`absent` with `isNew` creates as any other does, in one commit with others and in transactions",
    async ({ storage }) => {
      const fresh = () =>
        [randomUUIDv7(), { n: 1 }, { expect: { kind: "absent", isNew: true }, owner: "alice" }] as const;
      const [one, two] = [fresh(), fresh()];
      const results = await storage.commit([
        put(things, ...one),
        put(things, "named"),
        put(things, one[0], { n: 2 }, { permissions: { read: ["bob"] } }),
      ]);
      assert.deepEqual(
        results.map(({ kind }) => kind),
        ["created", "created", "updated"],
      );
      await storage.transaction(async () => {
        await storage.commit([put(things, ...two)]);
        await storage.commit([put(things, two[0], { n: 3 })]);
      });
      for (const [id, n] of [
        [one[0], 2],
        [two[0], 3],
      ] as const) {
        const found = await storage.get({ ...things, id });
        assert.deepEqual(found?.kind === "object" && [found.body, found.owner], [`{"n":${n}}`, "alice"]);
      }
      const again = await conflict(storage.commit([put(things, one[0], {}, { expect: { kind: "absent" } })]));
      assert.equal(again.reason.kind, "expectation");
    },
  );

  storageTest(open, "`revision` holds only for exactly that revision of a live object", async ({ storage }) => {
    const { revision } = await save(storage, things, "a", { n: 1 });
    const expect = { kind: "revision", revision } as const;
    const second = await save(storage, things, "a", { n: 2 }, { expect });
    assert.deepEqual((await conflict(storage.commit([put(things, "a", {}, { expect })]))).reason, {
      kind: "expectation",
      actual: second,
    });
    assert.deepEqual((await conflict(storage.commit([remove(things, "a", { expect })]))).reason, {
      kind: "expectation",
      actual: second,
    });
    const tombstone = await drop(storage, things, "a", { expect: { kind: "revision", revision: second.revision } });
    const gone = await conflict(
      storage.commit([put(things, "a", {}, { expect: { kind: "revision", revision: tombstone.revision } })]),
    );
    assert.deepEqual(gone.reason, { kind: "expectation", actual: tombstone });
    const never = await conflict(
      storage.commit([put(things, "never", {}, { expect: { kind: "revision", revision: 1 } })]),
    );
    assert.deepEqual(never.reason, { kind: "expectation", actual: undefined });
  });

  storageTest(open, "deleting what is not there is a conflict", async ({ storage }) => {
    assert.deepEqual((await conflict(storage.commit([remove(things, "a")]))).reason, {
      kind: "expectation",
      actual: undefined,
    });
    await save(storage, things, "a");
    const tombstone = await drop(storage, things, "a");
    assert.deepEqual((await conflict(storage.commit([remove(things, "a")]))).reason, {
      kind: "expectation",
      actual: tombstone,
    });
  });

  storageTest(open, "later changes of a commit see the earlier ones", async ({ storage }) => {
    const results = await storage.commit([
      put(things, "a", { n: 1 }, { expect: { kind: "absent" } }),
      remove(things, "a"),
      put(things, "a", { n: 2 }, { expect: { kind: "absent" } }),
    ]);
    assert.deepEqual(
      results.map(({ kind }) => kind),
      ["created", "deleted", "created"],
    );
    assert.equal(await storage.count(things), 1);
  });

  storageTest(open, "a commit that fails leaves nothing: no object, no log entry, no revision", async ({ storage }) => {
    const kept = await save(storage, things, "kept", { n: 1 });
    await save(storage, things, "gone", { n: 1 });
    const tombstone = await drop(storage, things, "gone");
    const revision = await storage.timestamp(things);
    const position = await storage.position();
    await conflict(
      storage.commit([
        put(things, "new", { n: 2 }),
        put(things, "kept", { n: 3 }),
        put(things, "gone", { n: 4 }),
        put({ ...things, parent: "fresh" }, "x"),
        event({ ...things, id: "new" }, "made"),
        remove(things, "kept"),
        remove(things, "never"),
      ]),
    );
    assert.equal(await storage.get({ ...things, id: "new" }), undefined);
    assert.deepEqual(await storage.get({ ...things, id: "kept" }), kept);
    assert.deepEqual(await storage.get({ ...things, id: "gone" }), tombstone);
    assert.equal(await storage.get({ ...things, parent: "fresh", id: "x" }), undefined);
    assert.equal(await storage.timestamp(things), revision);
    assert.deepEqual(await Array.fromAsync(storage.log({ after: position })), []);
    assert.equal(await storage.count(things), 1);
  });

  storageTest(open, "one that fails does not touch those made at the same time", async ({ storage }) => {
    await save(storage, things, "taken");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) =>
        n % 3 === 0
          ? storage.commit([put(things, `half${n}`), put(things, "taken", {}, { expect: { kind: "absent" } })])
          : storage.commit([put(things, `whole${n}`), put(things, `other${n}`)]),
      ),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      Array.from({ length: 30 }, (_, n) => (n % 3 === 0 ? "rejected" : "fulfilled")),
    );
    assert.equal(await storage.count(things), 41);
    assert.equal(await storage.count(things, { kind: "like", field: "id", pattern: "half*" }), 0);
    assert.equal((await Array.fromAsync(storage.log())).length, 41);
  });

  storageTest(open, "of many that expect the same revision exactly one wins", async ({ storage }) => {
    const { revision } = await save(storage, things, "a", { n: 0 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 25 }, (_, n) =>
        save(storage, things, "a", { n }, { expect: { kind: "revision", revision } }),
      ),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  });

  storageTest(open, "a commit of nothing does nothing", async ({ storage }) => {
    assert.deepEqual(await storage.commit([]), []);
    assert.equal(await storage.position(), 0);
  });
}
