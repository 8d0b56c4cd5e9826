import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { manualClock } from "../clock.ts";
import { resource } from "../resource.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Change, LogEntry, LogQuery, Storage } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";
import { everyone } from "./access.ts";
import { createLogHub } from "./log-hub.ts";
import type { WatchEvent, WatchRequest } from "./operations.ts";
import { ann, bench } from "./testing.ts";

const things = resource("things", {
  schema: Type.Object({ n: Type.Number() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});
const list = { resource: "things", parent: "" };

function put(id: string, n = 0, revision?: number): Change {
  return {
    kind: "put",
    key: { ...list, id },
    body: JSON.stringify({ n }),
    expect: { kind: "any" },
    ...(revision === undefined ? {} : { revision }),
  };
}

/** Takes events until the condition holds. */
async function take(events: AsyncIterator<WatchEvent>, isEnough: (taken: readonly WatchEvent[]) => boolean) {
  const taken: WatchEvent[] = [];
  while (!isEnough(taken)) {
    const { value, done } = await events.next();
    assert.ok(done !== true, "the watch ended");
    taken.push(value);
  }
  return taken;
}

const isReady = (taken: readonly WatchEvent[]) => taken.at(-1)?.kind === "ready";

async function watching(request: WatchRequest = {}, wrap?: (storage: Storage) => Storage) {
  const { storage, operations, as } = await bench([things], {}, wrap);
  const stop = new AbortController();
  const watch = (more: WatchRequest = request) =>
    operations(things).watch(as(ann, stop.signal), { params: {} }, more)[Symbol.asyncIterator]();
  return { storage, watch, stop };
}

describe("watch", () => {
  test("tells of objects that are stored with a revision of the past, also while it catches up", async () => {
    const first = await watching();
    const [old] = await first.storage.commit([put("a", 1)]);
    assert.ok(old?.kind === "created");
    const { revision } = old.object;
    await first.storage.commit([put("b", 2)]);
    const events = first.watch({ since: 0 });
    await take(events, (taken) => taken.length === 2);
    // The page is read; the next is stored behind what it told.
    await first.storage.commit([put("c", 3, revision - 1000)]);
    const rest = await take(events, isReady);
    assert.deepEqual(
      rest.flatMap((event) => ("json" in event ? [JSON.parse(event.json).n] : [])),
      [2, 3],
    );
    await first.storage.commit([put("d", 4, revision - 2000)]);
    const [last] = await take(events, (taken) => taken.length === 1);
    assert.ok(last !== undefined && "json" in last);
    assert.equal(JSON.parse(last.json).last_modified, revision - 2000);
    assert.ok(last.revision > revision, "the place to go on from does not go back");
    first.stop.abort();
    assert.equal((await events.next()).done, true);
  });

  test("misses nothing and tells nothing twice, whatever is written between any two of its steps", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 5 }), fc.boolean(), fc.boolean()), { maxLength: 30 }),
        fc.nat({ max: 8 }),
        async (writes, before) => {
          const { storage, watch, stop } = await watching();
          const log: [string, number][] = [];
          const write = async ([, id, isDeleted, isPast]: (typeof writes)[number], n: number) => {
            const key = { ...list, id: `k${id}` };
            const live = await storage.get(key);
            if (isDeleted && live?.kind !== "object") return;
            const past = isPast && live === undefined ? 1000 + n : undefined;
            const [result] = await storage.commit([
              isDeleted ? { kind: "delete", key, expect: { kind: "any" } } : put(key.id, n, past),
            ]);
            if (result?.kind === "deleted") log.push([key.id, result.tombstone.revision]);
            else if (result !== undefined && "object" in result) log.push([key.id, result.object.revision]);
          };
          for (const [n, one] of writes.slice(0, before).entries()) await write(one, n);
          const earlier = new Map(log.splice(0));
          const events = watch({ since: 0, idleMs: 0 });
          const told: [string, number][] = [];
          const hear = (event: WatchEvent) => {
            if (!("json" in event)) return;
            const { id, last_modified } = JSON.parse(event.json);
            told.push([id, last_modified]);
          };
          for (const [n, one] of writes.slice(before).entries()) {
            await write(one, before + n);
            for (let steps = one[0]; steps > 0; steps--) {
              const [event] = await take(events, (taken) => taken.length === 1);
              if (event !== undefined) hear(event);
            }
          }
          await storage.commit([put("end")]);
          // Silence after that says that everything was told.
          for (let kind: string | undefined; kind !== "idle" || !told.some(([id]) => id === "end"); ) {
            const [event] = await take(events, (taken) => taken.length === 1);
            if (event !== undefined) hear(event);
            kind = event?.kind;
          }
          stop.abort();
          const names = told.map(([id, revision]) => `${id} ${revision}`);
          assert.equal(new Set(names).size, names.length, "nothing twice");
          const last = new Map(told);
          last.delete("end");
          assert.deepEqual(new Map([...last].sort()), new Map([...earlier, ...log].sort()));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("refuses and ends like a list does", async () => {
    const closed = resource("closed", { schema: Type.Object({}), access: { read: [] }, disabled: [] });
    const off = resource("off", { schema: Type.Object({}), disabled: ["list"] });
    const { operations, as } = await bench([closed, off]);
    const first = (of: typeof closed) =>
      operations(of).watch(as(ann), { params: {} }, {})[Symbol.asyncIterator]().next();
    await assert.rejects(first(closed), { code: "forbidden" });
    await assert.rejects(first(off), { code: "method-not-allowed" });
  });
});

describe("the reader of the log", () => {
  async function hubbed(mostWaiting?: number) {
    const storage = memoryStorage({ clock: manualClock() });
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    const followed: LogQuery[] = [];
    const source = {
      log(query: LogQuery): AsyncIterable<LogEntry> {
        if (query.follow === true) followed.push(query);
        return storage.log(query);
      },
    };
    const hub = createLogHub({
      storage: source,
      log: silentLogger,
      ...(mostWaiting === undefined ? {} : { mostWaiting }),
    });
    return { storage, hub, followed };
  }

  test("is one for all who watch, reads only while somebody does, and costs an entry nothing for those who watch another list", async () => {
    const { storage, hub, followed } = await hubbed();
    const stop = new AbortController();
    const crowd = Array.from({ length: 1000 }, (_, n) => hub.join({ resource: "things", parent: `p${n}` }, 0));
    const waiting = crowd.map((one) => one.next(stop.signal, 60_000));
    const key = { resource: "things", parent: "p7", id: "a" };
    await storage.commit([{ kind: "put", key, body: "{}", expect: { kind: "any" } }]);
    const entry = await waiting[7];
    assert.ok(typeof entry === "object" && entry.id === "a");
    assert.equal(followed.length, 1);
    assert.equal(hub.watchers, 1000);
    stop.abort();
    assert.deepEqual(new Set(await Promise.all(waiting.filter((_, n) => n !== 7))), new Set(["ended"]));
    for (const one of crowd) one.close();
    assert.equal(hub.watchers, 0);
    assert.equal(followed[0]?.signal?.aborted, true);
  });

  test("hands to who joins late what it has read already, and nothing twice", async () => {
    const { storage, hub } = await hubbed();
    const { signal } = new AbortController();
    const early = hub.join(list, 0);
    for (let n = 1; n <= 5; n++) await storage.commit([put(`k${n}`)]);
    for (let n = 1; n <= 5; n++) await early.next(signal, 60_000);
    const late = hub.join(list, 2);
    await storage.commit([put("k6")]);
    const heard: string[] = [];
    for (let n = 3; n <= 6; n++) {
      const entry = await late.next(signal, 60_000);
      heard.push(typeof entry === "object" ? entry.id : entry);
    }
    assert.deepEqual(heard, ["k3", "k4", "k5", "k6"]);
    assert.equal(await late.next(signal, 1), "idle");
    for (const one of [early, late]) one.close();
  });

  test("drops who takes nothing, and says so at once", async () => {
    const { storage, hub } = await hubbed(3);
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = hub.join(list, 0, resolve);
    for (let n = 1; n <= 4; n++) await storage.commit([put(`k${n}`)]);
    await promise;
    assert.equal(await slow.next(new AbortController().signal, 60_000), "overflow");
    slow.close();
  });

  test("belongs to no transaction, even where somebody joins inside of one", async () => {
    const { storage, hub } = await hubbed();
    const joined = await storage.transaction(async () => {
      await storage.commit([put("inside")]);
      return hub.join(list, 0);
    });
    await storage.commit([put("outside")]);
    const { signal } = new AbortController();
    const heard = [await joined.next(signal, 60_000), await joined.next(signal, 60_000)];
    assert.deepEqual(
      heard.map((entry) => (typeof entry === "object" ? entry.id : entry)),
      ["inside", "outside"],
    );
    joined.close();
  });
});
