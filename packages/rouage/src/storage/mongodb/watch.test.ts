import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { MongoClient } from "mongodb";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import type { LogEntry } from "../storage.ts";
import { slot } from "./journal.ts";
import { collectionsOf } from "./names.ts";
import { startStreamingServer, withoutStreams } from "./streaming-server.ts";
import { startTestServer, withoutMongo } from "./test-server.ts";
import { watchOf } from "./watch.ts";

/** Never, as far as a test can tell. */
const never = 2 ** 30;

interface Looking {
  readonly applied?: number;
  readonly pollMs?: number;
  readonly silenceMs?: number;
}

/** A watch of a journal, and of everything that it does. */
async function watching(t: TestContext, url: string, { applied = 0, pollMs = never, silenceMs = 200 }: Looking = {}) {
  const client = await new MongoClient(url, { monitorCommands: true, serverSelectionTimeoutMS: 500 }).connect();
  const { journal } = collectionsOf(client.db("test"), "x");
  const asked: string[] = [];
  client.on("commandStarted", ({ commandName }) => asked.push(commandName));
  const lines: string[] = [];
  const line = (level: string) => (_fields: object, message?: string) => void lines.push(`${level} ${message}`);
  const log: Logger = { ...silentLogger, info: line("info"), warn: line("warn") };
  let looks = 0;
  const looked = new EventTarget();
  const ledger = {
    applied,
    async catchUp() {
      looks++;
      looked.dispatchEvent(new Event("look"));
    },
  };
  const watch = watchOf({ ...{ journal, ledger, log, pollMs, silenceMs }, statementTimeoutMs: never, againMs: 20 });
  let leave = () => {};
  const gone = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const entries: AsyncIterable<LogEntry> = {
    [Symbol.asyncIterator]: () => ({ next: () => gone.then(() => ({ done: true, value: undefined })) }),
  };
  t.after(async () => {
    leave();
    await watch.close();
    await client.close();
  });
  return {
    journal,
    asked,
    lines,
    watch,
    looks: () => looks,
    follow: () => Array.fromAsync(watch.whileFollowing({ follow: true }, entries)),
    leave: () => leave(),
    /** Resolves with the next look of somebody at the journal. */
    nextLook: () => once(looked, "look"),
    insert: (n: number) =>
      journal.insertOne({ _id: slot(n), n, kind: "entry", attempt: "a", writer: "w", last: n }, { writeConcern: {} }),
  };
}

describe("a change stream of the journal", { skip: withoutStreams() }, () => {
  test("says at once that there is something; nobody looks for it beside", async (t) => {
    await using server = await startStreamingServer();
    const one = await watching(t, server.url, { silenceMs: never });
    const first = one.nextLook();
    void one.follow();
    while (!one.asked.includes("getMore")) await new Promise(setImmediate);
    await one.insert(1);
    await first;
    for (let n = 2; n <= 4; n++) {
      const next = one.nextLook();
      await one.insert(n);
      await next;
    }
    assert.deepEqual(one.lines, []);
    assert.deepEqual([...new Set(one.asked)].sort(), ["aggregate", "getMore", "insert"]);
  });

  test("of steps that this process knows nobody looks for more", async (t) => {
    await using server = await startStreamingServer();
    const one = await watching(t, server.url, { applied: 100, silenceMs: never });
    const first = one.nextLook();
    void one.follow();
    while (!one.asked.includes("getMore")) await new Promise(setImmediate);
    await one.insert(1);
    await first;
    const next = one.nextLook();
    for (let n = 2; n <= 50; n++) await one.insert(n);
    await one.insert(101);
    await next;
    assert.equal(one.looks(), 2);
  });

  test("ends with the last who follows, and with the storage", async (t) => {
    await using server = await startStreamingServer();
    const one = await watching(t, server.url);
    const open = one.nextLook();
    const following = one.follow();
    await open;
    one.leave();
    await following;
    while (!one.asked.includes("killCursors")) await new Promise(setImmediate);
    const two = await watching(t, server.url);
    const again = two.nextLook();
    void two.follow();
    await again;
    await two.watch.close();
    const { length } = two.asked;
    assert.ok(two.asked.slice(length - 1).includes("killCursors"));
    assert.deepEqual([...one.lines, ...two.lines], []);
  });

  test("breaks with its server, is said once, and is there again with it; meanwhile followers look for themselves", async (t) => {
    await using server = await startStreamingServer();
    const one = await watching(t, server.url, { pollMs: 5 });
    const open = one.nextLook();
    void one.follow();
    await open;
    await one.insert(1);
    await server.kill();
    while (one.lines.length === 0) await one.nextLook();
    for (let tried = 0; tried < 20; tried++) await one.nextLook();
    assert.equal(one.lines.length, 1);
    assert.match(one.lines[0] ?? "", /^warn the change stream is broken/);
    await server.start();
    const { length } = one.asked;
    const isOpen = () => one.asked.slice(length).filter((command) => command === "getMore").length > 1;
    while (!isOpen()) await one.nextLook();
    const looks = one.looks();
    const next = one.nextLook();
    await one.insert(2);
    await next;
    assert.ok(one.looks() > looks);
    assert.equal(one.lines.length, 1);
  });
});

describe("a server without change streams", { skip: withoutMongo() }, () => {
  test("is asked once, said, and looked at", async (t) => {
    await using server = await startTestServer();
    const one = await watching(t, server.url, { pollMs: 5 });
    void one.follow();
    while (one.lines.length === 0) await one.nextLook();
    for (let tried = 0; tried < 20; tried++) await one.nextLook();
    assert.deepEqual(one.lines, ["info the server gives no change streams: other processes are looked for every 5 ms"]);
    assert.equal(one.asked.filter((command) => command === "aggregate").length, 1);
  });
});
