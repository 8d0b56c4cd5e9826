import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Change, Storage } from "../storage.ts";
import { openDatabase } from "./database.ts";
import type { GroupCommit } from "./group-commit.ts";
import { migrate } from "./migrations.ts";
import { many } from "./rows.ts";
import { openSession } from "./session.ts";
import { type SqliteStorageOptions, sqliteStorage } from "./sqlite.ts";
import { type Transactions, transactions } from "./transactions.ts";

interface Fixture {
  readonly storage: Storage;
  readonly path: string;
  /** The same store through other connections, as another process has it. */
  readonly other: () => Promise<Storage>;
}

function storeTest(
  name: string,
  run: (fixture: Fixture) => Promise<void>,
  options: Partial<SqliteStorageOptions> = {},
): void {
  test(name, async () => {
    const folder = await mkdtemp(join(tmpdir(), "rouage-transactions-"));
    const path = join(folder, "store.db");
    const opened: Storage[] = [];
    const open = async () => {
      const storage = sqliteStorage({ path, clock: manualClock(), log: silentLogger, ...options });
      opened.push(storage);
      await storage.define([{ resource: "things", indexes: [], unique: [] }]);
      return storage;
    };
    try {
      await run({ storage: await open(), path, other: open });
    } finally {
      for (const storage of opened) await storage.close();
      await rm(folder, { recursive: true });
    }
  });
}

const things = { resource: "things", parent: "" };
const put = (id: string, body = "{}"): Change => ({
  kind: "put",
  key: { ...things, id },
  body,
  expect: { kind: "any" },
});
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

const is = (code: string) => (error: unknown) => ServiceError.is(error) && error.code === code;
const turnOver = () => new Promise<void>((resolve) => setImmediate(resolve));

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

storeTest(
  "one that holds the store too long is taken back, and what is left of its work is refused",
  async ({ storage }) => {
    const { open, opened } = gate();
    let late: Promise<unknown> = Promise.resolve();
    let asked = true;
    let ran = false;
    const transaction = storage.transaction(async () => {
      await storage.commit([put("a")]);
      storage.afterCommit(() => {
        ran = true;
      });
      late = opened.then(async () => {
        asked = storage.inTransaction();
        await storage.commit([put("b")]);
      });
      await late;
    });
    const waiting = storage.commit([put("c")]);
    await assert.rejects(transaction, is("deadline-exceeded"));
    await waiting;
    open();
    await assert.rejects(late, is("deadline-exceeded"));
    assert.deepEqual([asked, ran], [false, false]);
    assert.equal(await storage.get({ ...things, id: "a" }), undefined);
    assert.equal(await storage.count(things), 1);
    await storage.transaction(() => storage.commit([put("d")]));
    assert.equal(await storage.count(things), 2);
  },
  { transactionLimitMs: 30 },
);

storeTest(
  "one that takes too long takes none back of those that shared its turn",
  async ({ storage }) => {
    const outcomes = await Promise.allSettled([
      storage.transaction(() => storage.commit([put("before")])),
      storage.transaction(async () => {
        await storage.commit([put("hangs")]);
        await new Promise(() => {});
      }),
      storage.transaction(() => storage.commit([put("after")])),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    assert.deepEqual(
      (await storage.list(things, { sort: [{ field: "id", direction: "ascending" }], limit: 9 })).map(({ id }) => id),
      ["after", "before"],
    );
  },
  { transactionLimitMs: 30 },
);

storeTest("another process sees it when it is done, and both wait for each other", async ({ storage, other }) => {
  const second = await other();
  const { open, opened } = gate();
  const begun = gate();
  const first = storage.transaction(async () => {
    await storage.commit([put("a")]);
    begun.open();
    await opened;
  });
  await begun.opened;
  assert.equal(await second.get({ ...things, id: "a" }), undefined);
  assert.equal(await second.count(things), 0);
  const order: string[] = [];
  const waiting = [
    second.commit([put("b")]).then(() => order.push("commit")),
    second.transaction(() => second.commit([put("c")])).then(() => order.push("transaction")),
  ];
  for (let turn = 0; turn < 20; turn++) await turnOver();
  assert.equal(order.length, 0);
  open();
  await Promise.all([first, ...waiting]);
  assert.equal(await second.count(things), 3);
  assert.equal(await storage.count(things), 3);
});

storeTest("groups that were remembered are forgotten when another process changes them", async ({ storage, other }) => {
  const second = await other();
  const members = (from: number): Change[] =>
    Array.from({ length: 100 }, (_, n) => ({ kind: "members", group: `g${n}`, members: n < from ? [] : ["ann"] }));
  const size = async () => (await storage.permissions.groupsOf("ann")).size;
  await storage.commit(members(0));
  assert.deepEqual([await size(), await size(), await size()], [100, 100, 100]);
  await second.commit(members(10));
  assert.deepEqual([await size(), await size()], [90, 90]);
  await second.transaction(() => second.commit(members(20)));
  assert.deepEqual([await size(), await size()], [80, 80]);
  await storage.flush();
  assert.equal(await size(), 0);
});

storeTest("waits for another process's lock without blocking this one", async ({ storage, path }) => {
  const lock = new DatabaseSync(path);
  lock.exec("BEGIN IMMEDIATE");
  let done = false;
  const transaction = storage
    .transaction(() => storage.commit([put("a")]))
    .then(() => {
      done = true;
    });
  for (let turn = 0; turn < 20; turn++) {
    await turnOver();
    assert.equal(await storage.count(things), 0);
  }
  assert.equal(done, false);
  lock.exec("ROLLBACK");
  lock.close();
  await transaction;
  assert.equal(await storage.count(things), 1);
});

/** Transactions on a bare connection, whose file can be kept from growing. */
async function bareTest(
  run: (fixture: Bare) => Promise<void>,
  group: Partial<Pick<GroupCommit, "pause" | "settle">> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-transactions-"));
  const database = openDatabase(join(folder, "store.db"));
  migrate(database.connection, { now: 1 });
  const session = openSession(database, new Map());
  const own = transactions({
    open: () => session,
    group: { pause: (work) => work(), settle: async () => {}, ...group },
    settling: () => {},
    committed: () => {},
    log: silentLogger,
  });
  const { prepare } = database;
  const add = (member: string) => own.step(() => void prepare("INSERT INTO members VALUES (?, 'g')").run(member));
  try {
    await run({
      run: own.run,
      add,
      fill: () => add("x".repeat(500_000)),
      stored: () => many(prepare("SELECT member FROM members ORDER BY member")).map(([member]) => member),
      limit(pages) {
        const { page_count: count } = database.connection.prepare("PRAGMA page_count").get() ?? {};
        database.connection.exec(`PRAGMA max_page_count = ${Number(count) + pages}`);
      },
    });
  } finally {
    await own.close();
    database.close();
    await rm(folder, { recursive: true });
  }
}

interface Bare {
  readonly run: Transactions["run"];
  readonly add: (member: string) => Promise<void>;
  readonly fill: () => Promise<void>;
  readonly stored: () => readonly unknown[];
  readonly limit: (pages: number) => void;
}

test("when the disk is full inside, nothing is kept even where the error is caught", () =>
  bareTest(async ({ run, add, fill, stored, limit }) => {
    await run(() => add("a"));
    limit(2);
    await assert.rejects(
      run(async () => {
        await add("b");
        await assert.rejects(fill, is("unavailable"));
        await assert.rejects(add("c"), is("unavailable"), "goes on as if nothing had been");
      }),
      is("unavailable"),
    );
    limit(10_000);
    await run(() => fill());
    assert.deepEqual(
      stored().map((member) => String(member).length),
      [1, 500_000],
    );
  }));

test("when no turn can be had any more, each is refused and none waits for ever", () => {
  const failure = new ServiceError("unavailable");
  return bareTest(
    async ({ run, add, stored }) => {
      for (let n = 0; n < 2; n++) {
        const outcomes = await Promise.allSettled([run(() => add("a")), run(() => add("b"))]);
        for (const outcome of outcomes) assert.equal(outcome.status === "rejected" && outcome.reason, failure);
      }
      assert.deepEqual(stored(), []);
    },
    { pause: () => Promise.reject(failure) },
  );
});

test("nobody is told of a transaction before it is on disk; those that wrote nothing wait for no disk", () => {
  const disk = Promise.withResolvers<void>();
  let settles = 0;
  return bareTest(
    async ({ run, add, stored }) => {
      assert.equal(await run(async () => 1), 1);
      assert.equal(settles, 0);
      let isTold = false;
      const told = run(() => add("a")).then(() => {
        isTold = true;
      });
      await until(() => settles === 1);
      assert.deepEqual(stored(), ["a"]);
      assert.equal(isTold, false);
      disk.resolve();
      await told;
    },
    {
      settle() {
        settles++;
        return disk.promise;
      },
    },
  );
});

test("when what was committed cannot be put on disk, the transactions of the turn are refused", () => {
  const failure = new ServiceError("unavailable");
  return bareTest(
    async ({ run, add }) => {
      const outcomes = await Promise.allSettled([run(() => add("a")), run(() => add("b"))]);
      for (const outcome of outcomes)
        assert.equal(outcome.status === "rejected" && is("unavailable")(outcome.reason), true);
    },
    { settle: () => Promise.reject(failure) },
  );
});

test("when the disk is full in one, those that shared its turn are answered truthfully", () =>
  bareTest(async ({ run, add, fill, stored, limit }) => {
    limit(2);
    const outcomes = await Promise.allSettled([run(() => add("a")), run(() => fill()), run(() => add("c"))]);
    const kept = ["a", undefined, "c"].filter((_, index) => outcomes[index]?.status === "fulfilled");
    assert.deepEqual(stored(), kept);
    assert.equal(outcomes[1]?.status, "rejected");
    for (const outcome of outcomes) if (outcome.status === "rejected") assert.ok(is("unavailable")(outcome.reason));
  }));

storeTest(
  "those that wait for the same turn share one COMMIT, and all are answered after it",
  async ({ storage, path }) => {
    await storage.transaction(() => storage.commit([put("warm")]));
    const reader = new DatabaseSync(path);
    const version = () => Number(reader.prepare("PRAGMA data_version").get()?.data_version);
    const before = version();
    const seen = new Set<number>();
    await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        await storage.transaction(() => storage.commit([put(`a${n}`)]));
        seen.add(version());
      }),
    );
    assert.ok(!seen.has(before), "nobody is answered before the COMMIT");
    assert.ok(seen.size < 5, `${seen.size} commits`);
    reader.close();
  },
);

storeTest("reads outside go on while one holds the store", async ({ storage }) => {
  await storage.commit(Array.from({ length: 100 }, (_, n) => put(`a${n}`)));
  const { open, opened } = gate();
  const begun = gate();
  const holding = storage.transaction(async () => {
    await storage.commit([put("b")]);
    begun.open();
    await opened;
  });
  await begun.opened;
  for (let n = 0; n < 100; n++) assert.ok(storage.get({ ...things, id: `a${n}` }));
  assert.equal(await storage.count(things), 100);
  assert.equal((await Array.fromAsync(storage.scan("things"))).length, 100);
  await storage.check(true);
  open();
  await holding;
});

storeTest("what is erased inside is overwritten when it is done, all of it at once", async ({ storage, path }) => {
  await storage.commit([put("a", '{"text":"secret words"}'), put("c"), put("d")]);
  await storage.transaction(async () => {
    await storage
      .transaction(async () => {
        await storage.erase([{ ...things, id: "d" }]);
        throw new Error("this part");
      })
      .catch(() => {});
    await storage.erase([{ ...things, id: "a" }]);
    await storage.transaction(() => storage.erase([{ ...things, id: "c" }]));
    await storage.commit([put("b")]);
  });
  const reader = new DatabaseSync(path);
  assert.equal(reader.prepare("SELECT value FROM meta WHERE key = 'scrubs'").get()?.value, 1);
  reader.close();
  const { execFileSync } = await import("node:child_process");
  const bytes = execFileSync("cat", [path, `${path}-wal`], { encoding: "latin1", maxBuffer: 2 ** 28 });
  assert.ok(!bytes.includes("secret words"));
  assert.equal(await storage.count(things), 2);
});
