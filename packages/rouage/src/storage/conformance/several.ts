/**
 * Tests of several instances on one store, for storages that are shared. They share nothing but the database: in one process they are as
 * strange to each other as in several.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ListDefinition, LogEntry, Storage } from "../storage.ts";

const things = { resource: "things", parent: "" };
const definitions: readonly ListDefinition[] = [{ resource: "things", indexes: [["n"]], unique: [["email"]] }];

/** Opens as many instances on a store that does not exist yet. */
export type SeveralInstances = (count: number) => Promise<readonly Storage[]>;

export function severalInstancesTests(open: SeveralInstances): void {
  async function instances(count: number): Promise<readonly Storage[]> {
    const opened = await open(count);
    await Promise.all(opened.map((storage) => storage.define(definitions)));
    return opened;
  }

  const close = (opened: readonly Storage[]) => Promise.all(opened.map((storage) => storage.close()));

  const put = (storage: Storage, id: string, object: object, parent = "") =>
    storage.commit([
      { kind: "put", key: { ...things, parent, id }, body: JSON.stringify(object), expect: { kind: "any" } },
    ]);

  test("open and define a new store at the same moment", async () => {
    const opened = await instances(5);
    await Promise.all(opened.map((storage, n) => put(storage, `i${n}`, { n })));
    assert.equal(await opened[0]?.count(things), 5);
    await close(opened);
  });

  test("revisions are unique and grow over all of them, and no commit fails because of another", async () => {
    const opened = await instances(4);
    const written = await Promise.all(
      opened.flatMap((storage, n) =>
        Array.from({ length: 8 }, async (_, lane) => {
          const revisions: number[] = [];
          for (let round = 0; round < 15; round++) {
            // Two lists in both orders: what locks them one by one would deadlock.
            const keys = [
              { ...things, id: `i${n}-${lane}-${round}` },
              { ...things, parent: "/other", id: `i${n}-${lane}-${round}` },
            ];
            const results = await storage.commit(
              (lane % 2 === 0 ? keys : keys.toReversed()).map((key) => ({
                kind: "put",
                key,
                body: `{"n":${round}}`,
                expect: { kind: "absent" },
              })),
            );
            const mine = results[lane % 2];
            revisions.push(mine !== undefined && "object" in mine ? mine.object.revision : 0);
          }
          assert.deepEqual(
            revisions,
            revisions.toSorted((a, b) => a - b),
          );
          return revisions;
        }),
      ),
    );
    const all = written.flat();
    assert.equal(new Set(all).size, 4 * 8 * 15);
    assert.equal(Math.max(...all), await opened[0]?.timestamp(things));
    await close(opened);
  });

  test("each follower sees everybody's entries, each once, in the order of positions", async () => {
    const opened = await instances(3);
    const ending = new AbortController();
    const total = 3 * 60 + 20 * 2;
    const following = opened.map(async (storage) => {
      const seen: LogEntry[] = [];
      for await (const entry of storage.log({ follow: true, signal: ending.signal })) {
        seen.push(entry);
        if (seen.length === total) break;
      }
      return seen;
    });
    await Promise.all([
      ...opened.flatMap((storage, n) => Array.from({ length: 60 }, (_, m) => put(storage, `i${n}-${m}`, { n: m }))),
      ...Array.from({ length: 20 }, (_, n) => {
        const storage = opened[n % 3];
        return storage?.transaction(async () => {
          await put(storage, `t${n}-a`, { n });
          await new Promise(setImmediate);
          await put(storage, `t${n}-b`, { n });
        });
      }),
    ]);
    const [first = [], ...others] = await Promise.all(following);
    ending.abort();
    assert.equal(first.length, total);
    for (const [index, { position }] of first.entries()) assert.ok(position > (first[index - 1]?.position ?? 0));
    for (const other of others) assert.deepEqual(other, first);
    assert.deepEqual(first, await Array.fromAsync(opened[1]?.log() ?? []));
    await close(opened);
  });

  test("a reader of the log never passes a position that is committed later", async () => {
    const opened = await instances(3);
    const [reader] = opened;
    let writing = true;
    const reading = (async () => {
      const seen: number[] = [];
      while (writing) {
        for await (const { position } of reader?.log({ after: seen.at(-1) ?? 0 }) ?? []) seen.push(position);
      }
      for await (const { position } of reader?.log({ after: seen.at(-1) ?? 0 }) ?? []) seen.push(position);
      return seen;
    })();
    await Promise.all(
      opened.flatMap((storage, n) => Array.from({ length: 150 }, (_, m) => put(storage, `i${n}-${m}`, { n: m }))),
    );
    writing = false;
    const seen = await reading;
    assert.deepEqual(seen, await Array.fromAsync(reader?.log() ?? [], ({ position }) => position));
    assert.equal(seen.length, 450);
    await close(opened);
  });

  test("one wakes the followers of another in time", async () => {
    const opened = await instances(2);
    const [one, two] = opened;
    const entries = two?.log({ follow: true })[Symbol.asyncIterator]();
    for (let n = 0; n < 5; n++) {
      const next = entries?.next();
      // The first may be found by looking; who listens may look every five seconds only.
      await put(one ?? assert.fail(), `i${n}`, {});
      const started = performance.now();
      assert.equal((await next)?.value?.id, `i${n}`);
      if (n === 4) assert.ok(performance.now() - started < 2_000);
    }
    await entries?.return?.();
    await close(opened);
  });

  test("of many that want a unique value, or expect one revision, exactly one wins over all of them", async () => {
    const opened = await instances(3);
    const [first] = opened;
    await put(first ?? assert.fail(), "a", { n: 0 });
    const revision = (await first?.get({ ...things, id: "a" }))?.revision ?? 0;
    const outcomes = async (change: (storage: Storage, n: number) => Promise<unknown>) =>
      (
        await Promise.allSettled(opened.flatMap((storage) => Array.from({ length: 9 }, (_, n) => change(storage, n))))
      ).filter(({ status }) => status === "fulfilled").length;
    assert.equal(await outcomes((storage, n) => put(storage, `u${n}-${Math.random()}`, { email: "x" })), 1);
    assert.equal(
      await outcomes((storage, n) =>
        storage.commit([
          { kind: "put", key: { ...things, id: "a" }, body: `{"n":${n}}`, expect: { kind: "revision", revision } },
        ]),
      ),
      1,
    );
    await close(opened);
  });

  test("transactions of different instances lose no update of each other", async () => {
    const opened = await instances(3);
    const key = { ...things, id: "counter" };
    await put(opened[0] ?? assert.fail(), "counter", { n: 0 });
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => {
        const storage = opened[index % 3] ?? assert.fail();
        return storage.transaction(async () => {
          const entry = await storage.get(key);
          const n = entry?.kind === "object" ? Number(JSON.parse(entry.body).n) : Number.NaN;
          await put(storage, "counter", { n: n + 1 });
        });
      }),
    );
    const entry = await opened[0]?.get(key);
    assert.equal(entry?.kind === "object" && entry.body, '{"n":30}');
    await close(opened);
  });

  test("services with a store each know nothing of each other", async () => {
    const one = await instances(1);
    const two = await instances(1);
    await put(one[0] ?? assert.fail(), "a", {});
    assert.equal(await two[0]?.get({ ...things, id: "a" }), undefined);
    assert.equal(await two[0]?.position(), 0);
    await close([...one, ...two]);
  });
}
