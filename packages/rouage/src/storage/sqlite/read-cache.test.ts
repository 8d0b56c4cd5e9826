import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { put, remove, save } from "../conformance/harness.ts";
import type { Change, Storage } from "../storage.ts";
import { openDatabase } from "./database.ts";
import { readCache } from "./read-cache.ts";
import { definition, list } from "./read-cache-writer.ts";
import { sqliteStorage } from "./sqlite.ts";

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-cache-"));
  try {
    await run(join(folder, "store.db"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function opened(path: string): Promise<Storage> {
  const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
  await storage.define([definition]);
  return storage;
}

/** A cache of a database whose reads are counted. */
async function counting(run: (parts: ReturnType<typeof countingCache>) => void, size = 100_000): Promise<void> {
  await inFolder(async (path) => {
    const parts = countingCache(path, size);
    try {
      run(parts);
    } finally {
      parts.cache.close();
      parts.database.close();
    }
  });
}

function countingCache(path: string, size: number) {
  const database = openDatabase(path);
  const cache = readCache(database, { path, size });
  const reads: string[] = [];
  const get = cache.getter("things", (parent, id) => {
    reads.push(parent + id);
    return id.startsWith("no")
      ? undefined
      : { kind: "object", id, revision: reads.length, body: `{"n":"${"x".repeat(1_000)}"}` };
  });
  return { database, cache, reads, get, path };
}

const now = (entry: ReturnType<Storage["get"]>) => {
  if (entry instanceof Promise) throw new Error("reads of one object are synchronous here");
  return entry;
};

test("an object is read once and then known, what is absent is looked up each time", () =>
  counting(({ get, reads }) => {
    for (let times = 0; times < 3; times++) {
      assert.equal(now(get("", "a"))?.revision, 1);
      assert.equal(get("", "nothing"), undefined);
    }
    assert.deepEqual(reads, ["a", "nothing", "nothing", "nothing"]);
  }));

test("the same id below different parents is never taken for the same object", () =>
  counting(({ get, reads }) => {
    const places = [
      ["", "1 ab"],
      ["a", "b"],
      ["ab", ""],
      ["", "ab"],
      ["a", "1 b"],
    ] as const;
    for (const [parent, id] of [...places, ...places]) get(parent, id);
    assert.equal(reads.length, places.length);
  }));

test("what is kept is bounded, and what is used stays", () =>
  counting(({ get, reads }) => {
    for (let n = 0; n < 500; n++) {
      get("", "used");
      get("", `other-${n}`);
    }
    assert.equal(reads.filter((id) => id === "used").length, 1);
    get("", "other-0");
    assert.equal(reads.filter((id) => id === "other-0").length, 2);
  }));

test("what may not be on disk yet is handed out when it is, and not kept before", () =>
  inFolder(async (path) => {
    const database = openDatabase(path);
    const disk = Promise.withResolvers<void>();
    let settling: Promise<void> | undefined = disk.promise;
    const cache = readCache(database, { path, settling: () => settling });
    const get = cache.getter("things", (_, id) => ({ kind: "object", id, revision: 1, body: "{}" }));
    const { of, groupsOf } = cache.permissions({
      of: () => ({ read: ["a"] }),
      groupsOf: () => new Set(["g"]),
      reachable: () => [],
      membersBehind: () => [],
    });
    const reads = [() => get("", "a"), () => of({ resource: "things", parent: "", id: "a" }), () => groupsOf("m")];
    try {
      const early = reads.map((read) => read());
      for (const answer of early) assert.ok(answer instanceof Promise);
      let answered = 0;
      for (const answer of early) void Promise.resolve(answer).then(() => answered++);
      await new Promise(setImmediate);
      assert.equal(answered, 0);
      for (const read of reads) assert.ok(read() instanceof Promise);
      settling = undefined;
      disk.resolve();
      assert.deepEqual(
        await Promise.all(early),
        reads.map((read) => read()),
      );
    } finally {
      cache.close();
      database.close();
    }
  }));

test("another connection's commit makes everything forgotten", () =>
  counting(({ get, reads, cache, path }) => {
    get("", "a");
    const other = openDatabase(path);
    other.connection.exec("CREATE TABLE other (a)");
    other.close();
    // As if the turn had ended.
    cache.committed();
    get("", "a");
    assert.equal(reads.length, 2);
  }));

const kinds = [
  "put",
  "delete",
  "get",
  "get",
  "permissions",
  "transaction",
  "rolled back",
  "erase",
  "forget",
  "join",
] as const;

interface Step {
  readonly kind: (typeof kinds)[number];
  readonly storage: number;
  readonly id: string;
}

test("of two storages on one file, whatever they do, neither ever answers what is no longer so", () =>
  inFolder(async (path) => {
    const storages = [await opened(path), await opened(path)];
    const step: fc.Arbitrary<Step> = fc.record({
      kind: fc.constantFrom(...kinds),
      storage: fc.nat(1),
      id: fc.constantFrom("a", "b"),
    });
    const groups = new Map<string, readonly string[]>();
    const model = new Map<string, { readonly n: number; readonly readers: readonly string[] }>();
    let n = 0;
    const write = async (storage: Storage, id: string) => {
      const change: Change = put(list, id, { n: ++n }, { permissions: { read: [`user:${n}`] } });
      await storage.commit([change]);
      return { n, readers: [`user:${n}`] };
    };
    const apply = async ({ kind, storage: index, id }: Step) => {
      const storage = storages[index] as Storage;
      const key = { ...list, id };
      if (kind === "put") model.set(id, await write(storage, id));
      else if (kind === "transaction") model.set(id, await storage.transaction(() => write(storage, id)));
      else if (kind === "rolled back")
        await storage
          .transaction(async () => {
            await write(storage, id);
            assert.equal(JSON.parse(((await storage.get(key)) as { body: string }).body).n, n);
            throw new Error("taken back");
          })
          .catch(() => {});
      else if (kind === "delete") {
        await storage.commit([remove(list, id)]).catch(() => {});
        model.delete(id);
      } else if (kind === "erase") {
        await storage.erase([key]);
        model.delete(id);
      } else if (kind === "forget") {
        const { readers = [], n = 0 } = model.get(id) ?? {};
        await storage.commit(readers.map((principal) => ({ kind: "forget", principal })));
        if (model.has(id)) model.set(id, { n, readers: [] });
      } else if (kind === "join") {
        groups.set(id, [`member:${++n}`]);
        await storage.commit([{ kind: "members", group: id, members: [`member:${n}`] }]);
      } else {
        for (const each of storages) {
          const known = model.get(id);
          const entry = await each.get(key);
          assert.equal(entry?.kind === "object" ? JSON.parse(entry.body).n : undefined, known?.n);
          const { read = [] } = await each.permissions.of(key);
          assert.deepEqual(read, known?.readers ?? []);
          for (const [group, [member = ""]] of groups)
            assert.deepEqual(await each.permissions.groupsOf(member), new Set([group]));
          // Left with the last change of members.
          for (const old of [n - 1, n - 2].filter((each) => ![...groups.values()].flat().includes(`member:${each}`)))
            assert.deepEqual(await each.permissions.groupsOf(`member:${old}`), new Set());
        }
      }
    };
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          for (const each of steps) await apply(each);
          for (const id of ["a", "b"]) await apply({ kind: "get", storage: 0, id });
        }),
        { numRuns: 40 },
      );
    } finally {
      for (const storage of storages) await storage.close();
    }
  }));

test("what another process says it has committed is what this one answers from then on", () =>
  inFolder(async (path) => {
    const storage = await opened(path);
    const child = fork(fileURLToPath(new URL("./read-cache-writer.ts", import.meta.url)), [path, "100"]);
    const ended = once(child, "exit");
    let seen = 0;
    let stale = 0;
    const current = async (): Promise<number> => {
      const entry = await storage.get({ ...list, id: "shared" });
      return entry?.kind === "object" ? JSON.parse(entry.body).n : 0;
    };
    child.on("message", async (acknowledged: number) => {
      seen++;
      if ((await current()) < acknowledged) stale++;
      child.send("next");
    });
    // Reads and writes of this process go on meanwhile, so that there is always something to be stale.
    let running = true;
    void ended.then(() => {
      running = false;
    });
    let own = 0;
    let turns = 0;
    try {
      while (running) {
        const before = await current();
        await new Promise(setImmediate);
        assert.ok((await current()) >= before);
        // Rarely, so that both get their turns at the lock.
        if (++turns % 100 !== 0) continue;
        await save(storage, list, "own", { n: ++own });
        assert.equal(JSON.parse(((await storage.get({ ...list, id: "own" })) as { body: string }).body).n, own);
      }
    } finally {
      child.kill();
      await ended;
      await storage.close();
    }
    assert.equal(seen, 100);
    assert.equal(stale, 0);
  }));
