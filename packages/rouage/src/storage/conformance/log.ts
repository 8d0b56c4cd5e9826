/** Conformance: the log. */
import assert from "node:assert/strict";
import type { ChangeResult, LogEntry, LogQuery, Storage } from "../storage.ts";
import { type ConformanceSubject, event, put, remove, save, storageTest, things } from "./harness.ts";

const other = { resource: "people", parent: "/p" };

export function logTests(open: ConformanceSubject): void {
  storageTest(open, "has an entry for each change, with who and what caused it", async ({ storage, clock }) => {
    const key = { ...things, id: "a" };
    const results = await storage.commit(
      [
        put(things, "a", { n: 1 }),
        put(things, "a", { n: 2 }, { logBody: false }),
        event(key, "thing.seen", { by: "b" }),
        remove(things, "a"),
      ],
      { principal: "alice", requestId: "r1", traceparent: "00-a-b-01" },
    );
    const [created, updated, , deleted] = results.map((result) =>
      "object" in result ? result.object.revision : "tombstone" in result ? result.tombstone.revision : 0,
    );
    const common = { time: clock.now(), ...key, principal: "alice", requestId: "r1", traceparent: "00-a-b-01" };
    const entries = await Array.fromAsync(storage.log());
    assert.deepEqual(
      entries.map(({ position: _, ...entry }) => entry),
      [
        { ...common, action: "create", revision: created, body: '{"n":1}' },
        { ...common, action: "update", revision: updated },
        { ...common, action: "event", revision: 0, type: "thing.seen", body: '{"by":"b"}' },
        { ...common, action: "delete", revision: deleted },
      ],
    );
    assert.deepEqual(
      results.map(positionOf),
      entries.map(({ position }) => position),
    );
  });

  storageTest(open, "says nothing about a cause that was not told", async ({ storage }) => {
    await save(storage, things, "a");
    const [entry] = await Array.fromAsync(storage.log());
    assert.deepEqual(Object.keys(entry ?? {}).sort(), [
      "action",
      "body",
      "id",
      "parent",
      "position",
      "resource",
      "revision",
      "time",
    ]);
  });

  storageTest(open, "takes events about resources that nobody defined", async ({ storage }) => {
    await storage.commit([event({ resource: "elsewhere", parent: "", id: "x" }, "ping")]);
    assert.equal((await Array.fromAsync(storage.log({ resources: ["elsewhere"] }))).length, 1);
  });

  storageTest(open, "positions grow in commit order over all lists, and the last is known", async ({ storage }) => {
    assert.equal(await storage.position(), 0);
    const commits = Array.from({ length: 100 }, (_, n) =>
      storage.commit([put(n % 2 ? things : other, `a${n}`, { n }), event({ ...things, id: "x" }, "e")]),
    );
    const results = await Promise.all(commits);
    const entries = await Array.fromAsync(storage.log());
    assert.equal(entries.length, 200);
    for (const [index, entry] of entries.entries()) assert.ok(entry.position > (entries[index - 1]?.position ?? 0));
    assert.equal(await storage.position(), entries[199]?.position);
    for (const [created, seen] of results) {
      assert.equal(positionOf(created) < positionOf(seen), true);
      const between = entries.filter(({ position }) => position > positionOf(created) && position < positionOf(seen));
      assert.deepEqual(between, [], "the entries of one commit stand together");
    }
  });

  storageTest(open, "is read from any position, forwards and backwards", async ({ storage }) => {
    await storage.commit(Array.from({ length: 700 }, (_, n) => put(things, `a${n}`, { n })));
    const all = await Array.fromAsync(storage.log());
    assert.equal(all.length, 700);
    const middle = all[349]?.position ?? 0;
    assert.deepEqual(await Array.fromAsync(storage.log({ after: middle })), all.slice(350));
    assert.deepEqual(await Array.fromAsync(storage.log({ reverse: true })), all.toReversed());
    assert.deepEqual(await Array.fromAsync(storage.log({ reverse: true, after: middle })), all.slice(350).reverse());
    assert.deepEqual(await Array.fromAsync(storage.log({ after: Number.MAX_SAFE_INTEGER })), []);
    assert.deepEqual(await Array.fromAsync(storage.log({ after: await storage.position() })), []);
  });

  storageTest(open, "is read for some resources, one parent, one object", async ({ storage }) => {
    for (let n = 0; n < 60; n++) {
      await storage.commit([
        put(things, `a${n % 3}`, { n }),
        put({ ...things, parent: "/p" }, "a0", { n }),
        put(other, "a0", { n }),
      ]);
    }
    const all = await Array.fromAsync(storage.log());
    const queries: readonly [LogQuery, (entry: LogEntry) => boolean][] = [
      [{ resources: ["things"] }, (entry) => entry.resource === "things"],
      [{ resources: ["people", "things"], parent: "/p" }, (entry) => entry.parent === "/p"],
      [{ resources: ["things"], parent: "" }, (entry) => entry.resource === "things" && entry.parent === ""],
      [{ resources: ["things"], parent: "", id: "a1" }, (entry) => entry.parent === "" && entry.id === "a1"],
      [{ parent: "/p", id: "a0" }, (entry) => entry.parent === "/p"],
      [{ parent: "" }, (entry) => entry.parent === ""],
      [{ resources: [] }, () => false],
      [{ resources: ["nothing"] }, () => false],
    ];
    for (const [query, wanted] of queries) {
      assert.deepEqual(await Array.fromAsync(storage.log(query)), all.filter(wanted));
      assert.deepEqual(await Array.fromAsync(storage.log({ ...query, reverse: true })), all.filter(wanted).reverse());
    }
  });

  storageTest(open, "reads on over entries that are too large to be held at once", async ({ storage }) => {
    for (let n = 0; n < 6; n++) await save(storage, things, `a${n}`, { text: "x".repeat(700_000) });
    const ids = (reverse: boolean) => Array.fromAsync(storage.log({ reverse }), ({ id }) => id);
    assert.deepEqual(await ids(false), ["a0", "a1", "a2", "a3", "a4", "a5"]);
    assert.deepEqual(await ids(true), ["a5", "a4", "a3", "a2", "a1", "a0"]);
  });

  storageTest(
    open,
    "a reader that follows gets what is committed later, in order, until it is told to end",
    async ({ storage }) => {
      await save(storage, things, "before");
      const ending = new AbortController();
      const seen: string[] = [];
      const reading = (async () => {
        for await (const { id } of storage.log({ follow: true, signal: ending.signal })) {
          seen.push(id);
          if (id === "last") ending.abort();
        }
      })();
      for (let n = 0; n < 40; n++) await Promise.all([save(storage, things, `a${n}`), save(storage, things, `b${n}`)]);
      await save(storage, things, "last");
      await reading;
      assert.equal(seen[0], "before");
      assert.equal(seen.length, 82);
      assert.deepEqual(seen, await Array.fromAsync(storage.log(), ({ id }) => id));
    },
  );

  storageTest(open, "a follower that asks for one resource is woken by it alone", async ({ storage }) => {
    const entries = storage.log({ follow: true, resources: ["people"] })[Symbol.asyncIterator]();
    const first = entries.next();
    await save(storage, things, "a");
    await save(storage, other, "b");
    const { value } = await first;
    assert.equal(value?.id, "b");
    await entries.return?.();
  });

  storageTest(
    open,
    "a follower ends without an error when it is aborted or the storage closes",
    async ({ storage }) => {
      const aborted = new AbortController();
      const one = collect(storage, { follow: true, signal: aborted.signal });
      const two = collect(storage, { follow: true });
      const three = collect(storage, { follow: true, signal: AbortSignal.abort() });
      await save(storage, things, "a");
      aborted.abort();
      assert.deepEqual(await three, []);
      await one;
      await storage.close();
      await two;
    },
  );

  storageTest(
    open,
    "resumes from the position a reader noted, even after it was opened again",
    async ({ storage, reopen }) => {
      await storage.commit(["a", "b", "c"].map((id) => put(things, id)));
      let noted = 0;
      for await (const { position, id } of storage.log()) {
        noted = position;
        if (id === "b") break;
      }
      const again = reopen === undefined ? storage : await reopen();
      await again.define([{ resource: "things", indexes: [], unique: [] }]);
      await save(again, things, "d");
      assert.deepEqual(await Array.fromAsync(again.log({ after: noted }), ({ id }) => id), ["c", "d"]);
    },
  );
}

async function collect(storage: Storage, query: LogQuery): Promise<readonly LogEntry[]> {
  return Array.fromAsync(storage.log(query));
}

function positionOf(result: ChangeResult | undefined): number {
  return result !== undefined && "position" in result ? result.position : 0;
}
