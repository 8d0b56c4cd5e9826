import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { correlationHeaders } from "../operations/trace.ts";
import { memoryStorage } from "../storage/memory.ts";
import { openStorage } from "../storage/open.ts";
import type { Change, LogEntry, Storage } from "../storage/storage.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/registry.ts";
import { type ConsumerHost, type ConsumerOptions, consume, deadLetters } from "./consumer.ts";

const clock = manualClock();

async function store(t: TestContext): Promise<Storage> {
  const storage = memoryStorage({ clock });
  t.after(() => storage.close());
  await storage.define([{ resource: "things", indexes: [], unique: [] }]);
  return storage;
}

const host = (storage: Storage): ConsumerHost => ({ storage, clock, log: silentLogger, metrics: createMetrics() });

function thing(id: string): Change {
  return { kind: "put", key: { resource: "things", parent: "", id }, body: "{}", expect: { kind: "any" } };
}

/** Starts a consumer whose waits end at once and whose handler's calls can be awaited. */
async function consuming(
  t: TestContext,
  storage: Storage,
  source: Storage,
  handle: ConsumerOptions["handle"],
  more: Partial<ConsumerOptions> = {},
) {
  const waits: number[] = [];
  const seen: string[] = [];
  let wake = (): void => {};
  const stop = await consume({
    name: "test",
    source,
    handle: async (entry, context) => {
      try {
        await handle(entry, context);
        seen.push(entry.id);
      } finally {
        setImmediate(() => wake());
      }
    },
    wait: async (ms) => {
      waits.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
      wake();
    },
    ...more,
  }).start(host(storage));
  t.after(stop);
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo()))
      await new Promise<void>((resolve) => {
        wake = resolve;
        setImmediate(resolve);
      });
  };
  return { stop, waits, seen, until };
}

const positionOf = async (storage: Storage): Promise<number> => {
  const entry = await storage.get({ resource: "consumers", parent: "", id: "test" });
  return entry?.kind === "object" ? JSON.parse(entry.body).position : 0;
};

async function letters(storage: Storage) {
  return Array.fromAsync(deadLetters(storage, "test"));
}

describe("a consumer", () => {
  test("T1 handlers, their log lines and their commits keep request id and trace of what caused the entry", async (t) => {
    const storage = await store(t);
    const source = await store(t);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const lines: object[] = [];
    const log = (bound: object): Logger => ({
      ...silentLogger,
      warn: (fields, message) => void lines.push({ ...bound, ...fields, message }),
      child: (fields) => log({ ...bound, ...fields }),
    });
    const sent: Record<string, string>[] = [];
    const { resolve: done, promise } = Promise.withResolvers<void>();
    const stop = await consume({
      name: "test",
      source,
      wait: async () => {},
      handle: async (entry, context) => {
        if (context.attempt === 1 && entry.id === "a") throw new Error("once");
        sent.push(correlationHeaders(context));
        await context.commit([thing(`copy-${entry.id}`)]);
        if (entry.id === "b") done();
      },
    }).start({ ...host(storage), log: log({}) });
    t.after(stop);
    await source.commit([thing("a")], { requestId: "r-1", traceparent });
    await source.commit([thing("b")]);
    await promise;
    await stop();
    assert.equal(sent[0]?.["x-request-id"], "r-1");
    assert.match(sent[0]?.traceparent ?? "", /^00-0af7651916cd43dd8448eb211c80319c-/);
    assert.match(sent[1]?.["x-request-id"] ?? "", /^[0-9a-f-]{36}$/);
    const { err: _, ...line } = lines[0] as Record<string, unknown>;
    assert.deepEqual(line, {
      consumer: "test",
      rid: "r-1",
      trace: "0af7651916cd43dd8448eb211c80319c",
      position: 1,
      attempt: 1,
      message: "entry failed, will be tried again",
    });
    const [copy] = await Array.fromAsync(storage.log({ resources: ["things"] }));
    assert.deepEqual([copy?.requestId, copy?.traceparent], ["r-1", traceparent]);
  });

  test("handles what was in the log before and what comes later, in order", async (t) => {
    const source = await store(t);
    await source.commit([thing("a"), thing("b")]);
    const { seen, until } = await consuming(t, await store(t), source, () => {});
    await until(() => seen.length === 2);
    await source.commit([thing("c")]);
    await until(() => seen.length === 3);
    assert.deepEqual(seen, ["a", "b", "c"]);
  });

  test("goes on after a restart where it stopped, in a store on disk", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "consumer-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const source = await store(t);
    await source.commit(["a", "b", "c", "d"].map(thing));
    const url = `sqlite:${join(folder, "own.db")}`;

    const before = await openStorage(url, { clock });
    const inside = Promise.withResolvers<void>();
    const first = await consuming(t, before, source, async (entry, { signal }) => {
      if (entry.id !== "c") return;
      inside.resolve();
      // The restart comes in the middle of c: it is not done, so it comes again.
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
    });
    await inside.promise;
    await first.stop();
    await before.close();
    assert.deepEqual(first.seen, ["a", "b"]);

    const after = await openStorage(url, { clock });
    t.after(() => after.close());
    const second = await consuming(t, after, source, () => {});
    await second.until(() => second.seen.length === 2);
    await second.stop();
    assert.deepEqual(second.seen, ["c", "d"]);
  });

  test("tries a failed entry again, with growing delays, before anything behind it", async (t) => {
    const source = await store(t);
    await source.commit([thing("a"), thing("b")]);
    let failures = 0;
    const { seen, until, waits } = await consuming(
      t,
      await store(t),
      source,
      ({ id }) => {
        if (id === "a" && failures++ < 3) throw new Error("not yet");
      },
      { retry: { initialMs: 100, maximumMs: 300 } },
    );
    await until(() => seen.length === 2);
    assert.deepEqual(seen, ["a", "b"]);
    const [first = 0, second = 0, third = 0] = waits;
    assert.ok(first >= 50 && first <= 100, `${first}`);
    assert.ok(second >= 100 && second <= 200, `${second}`);
    assert.ok(third >= 150 && third <= 300, `${third}`);
  });

  test("moves an entry that never succeeds to the dead letters, without its content, and goes on", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await source.commit([thing("poison"), thing("b")]);
    const { seen, until } = await consuming(
      t,
      own,
      source,
      ({ id }) => {
        if (id === "poison") throw new ServiceError("conflict", { message: "no way" });
      },
      { retry: { attempts: 3 } },
    );
    await until(() => seen.length === 1);
    const [letter, ...others] = await letters(own);
    assert.deepEqual(others, []);
    assert.deepEqual(letter?.entry, { resource: "things", parent: "", id: "poison", action: "create" });
    assert.deepEqual(
      letter?.failures.map(({ message, code }) => [message, code]),
      Array(3).fill(["no way", "conflict"]),
    );
  });

  test("never gives up on an entry because a neighbour is unavailable", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await source.commit([thing("a")]);
    let failures = 0;
    const { seen, until } = await consuming(
      t,
      own,
      source,
      () => {
        if (failures++ < 20) throw new ServiceError("unavailable");
      },
      { retry: { attempts: 2 } },
    );
    await until(() => seen.length === 1);
    assert.deepEqual(await letters(own), []);
  });

  test("commits its own changes and its position together, once", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await source.commit([thing("a")]);
    const twice = Promise.withResolvers<unknown>();
    const { until } = await consuming(t, own, source, async (entry, { commit }) => {
      const results = await commit([thing(`seen-${entry.id}`)]);
      assert.equal(results.length, 1);
      commit([]).catch(twice.resolve);
    });
    assert.match(String(await twice.promise), /committed already/);
    await until(async () => (await positionOf(own)) > 0);
    assert.equal((await own.get({ resource: "things", parent: "", id: "seen-a" }))?.kind, "object");
  });

  test("a failure behind its commit is not tried again: the effect is there", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await source.commit([thing("a"), thing("b")]);
    let calls = 0;
    const { seen, until } = await consuming(t, own, source, async ({ id }, { commit }) => {
      if (id !== "a") return;
      calls++;
      await commit([thing("effect")]);
      throw new Error("afterwards");
    });
    await until(() => seen.length === 1);
    assert.deepEqual([calls, seen], [1, ["b"]]);
  });

  test("a conflict of its own changes is an error of the handler and is tried again", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await own.commit([thing("taken")]);
    await source.commit([thing("a")]);
    const { seen, until } = await consuming(t, own, source, async (_entry, { commit, attempt }) => {
      const id = attempt === 1 ? "taken" : "free";
      await commit([
        { kind: "put", key: { resource: "things", parent: "", id }, body: "{}", expect: { kind: "absent" } },
      ]);
    });
    await until(() => seen.length === 1);
  });

  test("two instances on one store do not both move the position: the slower one reads on from where the faster is", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await source.commit([thing("a")]);
    const first = await consuming(t, own, source, () => {});
    const second = await consuming(t, own, source, () => {});
    for (let n = 0; n < 20; n++) await source.commit([thing(`n${n}`)]);
    const end = await source.position();
    await first.until(async () => (await positionOf(own)) === end);
    assert.deepEqual(await letters(own), []);
    assert.ok(first.seen.length + second.seen.length >= 21, "at least once");
  });

  test("reads only the resources it names", async (t) => {
    const source = await store(t);
    await source.define([{ resource: "others", indexes: [], unique: [] }]);
    await source.commit([{ ...thing("x"), key: { resource: "others", parent: "", id: "x" } } as Change, thing("a")]);
    const { seen, until } = await consuming(t, await store(t), source, () => {}, { resources: ["things"] });
    await until(() => seen.length > 0);
    assert.deepEqual(seen, ["a"]);
  });

  test("a service can consume its own log without chasing its own bookkeeping", async (t) => {
    const own = await store(t);
    await own.commit([thing("a")]);
    const entries: LogEntry[] = [];
    const { until } = await consuming(t, own, own, (entry) => {
      entries.push(entry);
    });
    await until(() => entries.length === 1);
    await own.commit([thing("b")]);
    await until(() => entries.length === 2);
    assert.deepEqual(
      entries.map(({ id }) => id),
      ["a", "b"],
    );
  });

  test("a source that fails is read again from the stored position", async (t) => {
    const source = await store(t);
    await source.commit([thing("a"), thing("b")]);
    let reads = 0;
    const flaky = {
      log: async function* (query: Parameters<Storage["log"]>[0]) {
        for await (const entry of source.log(query)) {
          yield entry;
          if (reads++ === 0) throw new Error("connection lost");
        }
      },
    };
    const { seen, until } = await consuming(t, await store(t), source, () => {}, { source: flaky });
    await until(() => seen.length === 2);
    assert.deepEqual(seen, ["a", "b"]);
  });

  test("stopping waits for the entry being handled", async (t) => {
    const source = await store(t);
    const own = await store(t);
    await source.commit([thing("a")]);
    const inside = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const { stop, seen } = await consuming(t, own, source, async () => {
      inside.resolve();
      await release.promise;
    });
    await inside.promise;
    const stopped = stop();
    setImmediate(() => release.resolve());
    await stopped;
    assert.deepEqual(seen, ["a"]);
    assert.ok((await positionOf(own)) > 0, "and its position is committed");
  });
});
