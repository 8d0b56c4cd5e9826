import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { LogEntry, Storage } from "../storage.ts";
import { type Acknowledged, lists } from "./crash-writer.ts";
import { sqliteStorage } from "./sqlite.ts";

const rounds = Number(process.env.CRASH_ROUNDS ?? 15);

function writer(path: string, ...options: string[]): ChildProcess {
  const script = fileURLToPath(new URL("./crash-writer.ts", import.meta.url));
  return spawn(process.execPath, [script, path, ...options], { stdio: ["ignore", "pipe", "inherit"] });
}

async function opened(path: string): Promise<Storage> {
  const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
  await storage.define(lists.map(({ resource }) => ({ resource, indexes: [["n"]], unique: [["name"]] })));
  return storage;
}

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-crash-"));
  try {
    await run(join(folder, "store.db"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test(`killed ${rounds} times while it commits, a store has all that was acknowledged and nothing by halves`, () =>
  inFolder(async (path) => {
    const acknowledged: Acknowledged[] = [];
    for (let round = 0; round < rounds; round++) {
      const child = writer(path, `r${round}`);
      const ended = once(child, "exit");
      const enough = 1 + Math.floor(Math.random() * 300);
      let seen = 0;
      assert.ok(child.stdout);
      for await (const line of createInterface({ input: child.stdout })) {
        // What was printed before the signal arrived counts as well; the last line may be cut.
        if (!line.endsWith("}")) continue;
        acknowledged.push(JSON.parse(line));
        if (++seen === enough) child.kill("SIGKILL");
      }
      assert.deepEqual(await ended, [null, "SIGKILL"]);

      const storage = await opened(path);
      const entries = await Array.fromAsync(storage.log());
      await assertWhole(storage, entries);
      const positions = new Map(entries.map((entry) => [entry.position, entry]));
      for (const { id, positions: expected } of acknowledged) {
        const found = expected.map((position) => positions.get(position));
        assert.deepEqual(
          found.map((entry) => entry && `${entry.resource} ${entry.id} ${entry.action}`),
          [`left ${id} create`, `right ${id} create`, `left ${id} event`],
          `round ${round}`,
        );
      }
      await storage.close();
    }
    const connection = new DatabaseSync(path);
    assert.deepEqual(
      connection.prepare("PRAGMA integrity_check").get(),
      Object.assign(Object.create(null), { integrity_check: "ok" }),
    );
    connection.close();
  }));

test("two processes write one store: revisions and positions never repeat, and each sees what the other does", () =>
  inFolder(async (path) => {
    const storage = await opened(path);
    try {
      const mine = 200;
      const theirs = 200;
      const ending = new AbortController();
      let seen = 0;
      const following = (async () => {
        for await (const { action } of storage.log({ follow: true, signal: ending.signal })) {
          if (action === "event" && ++seen === theirs) ending.abort();
        }
      })();
      const child = writer(path, "theirs", String(theirs));
      child.stdout?.resume();
      const ended = once(child, "exit");
      for (let n = 0; n < mine; n++) {
        const puts = lists.map(
          (list) => ({ kind: "put", key: { ...list, id: `mine${n}` }, body: "{}", expect: { kind: "any" } }) as const,
        );
        await storage.commit(puts);
      }
      assert.deepEqual(await ended, [0, null]);
      await following;
      const entries = await Array.fromAsync(storage.log());
      assert.equal(entries.length, mine * 2 + theirs * 3);
      for (const { resource } of lists) {
        const revisions = entries
          .filter((entry) => entry.resource === resource && entry.revision > 0)
          .map(({ revision }) => revision);
        assert.equal(revisions.length, mine + theirs);
        for (const [index, revision] of revisions.entries()) assert.ok(revision > (revisions[index - 1] ?? 0));
      }
    } finally {
      await storage.close();
    }
  }));

test("a follower notices within a moment what another connection commits", () =>
  inFolder(async (path) => {
    const reader = await opened(path);
    const other = await opened(path);
    try {
      const entries = reader.log({ follow: true })[Symbol.asyncIterator]();
      for (let n = 0; n < 5; n++) {
        const next = entries.next();
        const key = { ...lists[0], id: `e${n}` };
        await other.commit([{ kind: "event", key, type: "ping", data: {} }]);
        const committed = performance.now();
        assert.equal((await next).value?.id, `e${n}`);
        assert.ok(performance.now() - committed < 1_000);
      }
      await entries.return?.();
    } finally {
      await reader.close();
      await other.close();
    }
  }));

/** Objects and entries belong together: no object without its entry, no entry without its object, no commit in part. */
async function assertWhole(storage: Storage, entries: readonly LogEntry[]): Promise<void> {
  const created = new Map(
    entries.filter(({ action }) => action === "create").map((entry) => [`${entry.resource} ${entry.id}`, entry]),
  );
  const events = new Set(entries.filter(({ action }) => action === "event").map(({ id }) => id));
  const objects = new Map<string, { revision: number; body: string }>();
  for (const { resource } of lists) {
    for await (const object of storage.scan(resource)) {
      if (object.kind === "object") objects.set(`${resource} ${object.id}`, object);
    }
  }
  assert.equal(objects.size, created.size);
  for (const [name, { revision, body }] of objects) {
    assert.deepEqual([created.get(name)?.revision, created.get(name)?.body], [revision, body]);
    const id = name.slice(name.indexOf(" ") + 1);
    for (const { resource } of lists) assert.ok(objects.has(`${resource} ${id}`), `${id} in ${resource}`);
    assert.ok(events.has(id));
  }
  assert.equal(events.size * lists.length, objects.size);
}
