import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ServiceError } from "../../errors.ts";
import { type Database, openDatabase } from "./database.ts";
import { type GroupCommit, type GroupCommitOptions, groupCommit } from "./group-commit.ts";

interface Fixture {
  readonly database: Database;
  readonly group: GroupCommit;
  readonly path: string;
  readonly transactions: () => number;
  readonly add: (n: number) => Promise<void>;
  readonly stored: () => number[];
}

function groupTest(
  name: string,
  run: (fixture: Fixture) => Promise<void>,
  options: Pick<GroupCommitOptions, "lockTimeoutMs" | "gatherMs"> = {},
): void {
  test(name, async () => {
    const folder = await mkdtemp(join(tmpdir(), "rouage-group-"));
    const path = join(folder, "store.db");
    const database = openDatabase(path, { busyMs: 0 });
    database.connection.exec("CREATE TABLE t (n INTEGER PRIMARY KEY)");
    let transactions = 0;
    const committed = () => {
      transactions++;
    };
    const group = groupCommit({ database, committed, ...options });
    const add = (n: number) =>
      group.run(() => {
        database.prepare("INSERT INTO t VALUES (?)").run(n);
      });
    const stored = () =>
      database.connection
        .prepare("SELECT n FROM t ORDER BY n")
        .all()
        .map((row) => Number(row.n));
    try {
      await run({ database, group, path, transactions: () => transactions, add, stored });
    } finally {
      await group.close();
      database.close();
      await rm(folder, { recursive: true });
    }
  });
}

const isUnavailable = (error: unknown) =>
  ServiceError.is(error) && error.code === "unavailable" && error.cause instanceof Error;

groupTest(
  "writes join a group as long as each turn of the event loop brings more",
  async ({ add, transactions }) => {
    const writes: Promise<void>[] = [];
    for (let n = 1; n <= 5; n++) {
      writes.push(add(n));
      await nextTurn();
    }
    await Promise.all(writes);
    assert.equal(transactions(), 1);
  },
  { gatherMs: Number.POSITIVE_INFINITY },
);

groupTest("a group does not wait for ever for writes that do not end", async ({ add, stored }) => {
  let answered = false;
  const writes = [add(0).then(() => (answered = true))];
  for (let n = 1; !answered; n++) {
    writes.push(add(n).then(() => true));
    await nextTurn();
  }
  await Promise.all(writes);
  assert.equal(stored().length, writes.length);
});

groupTest("writes of one turn of the event loop share a transaction", async ({ add, transactions, stored }) => {
  await Promise.all([1, 2, 3, 4, 5].map(add));
  assert.equal(transactions(), 1);
  await add(6);
  assert.equal(transactions(), 2);
  assert.deepEqual(stored(), [1, 2, 3, 4, 5, 6]);
});

groupTest(
  "a repeatable write that fails takes back only itself; the others run again",
  async ({ group, database, transactions, stored }) => {
    const put = (n: number) =>
      group.run(
        () => {
          database.prepare("INSERT INTO t VALUES (?)").run(n);
          if (n % 2 === 0) throw new RangeError(String(n));
          return n;
        },
        { repeatable: true },
      );
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map(put));
    assert.deepEqual(
      results.map((result) => (result.status === "fulfilled" ? result.value : String(result.reason))),
      [1, "RangeError: 2", 3, "RangeError: 4", 5],
    );
    assert.deepEqual(stored(), [1, 3, 5]);
    assert.equal(transactions(), 1);
    await put(7);
    assert.deepEqual([transactions(), stored()], [2, [1, 3, 5, 7]]);
  },
);

groupTest("a group is bounded in number", async ({ add, transactions, stored }) => {
  await Promise.all(Array.from({ length: 1_500 }, (_, n) => add(n)));
  assert.ok(transactions() >= 3);
  assert.equal(stored().length, 1_500);
});

groupTest("a group is bounded in time, and the event loop turns between two", async ({ group, transactions }) => {
  const slow = () => {
    const until = performance.now() + 5;
    while (performance.now() < until);
  };
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  await Promise.all(Array.from({ length: 12 }, () => group.run(slow)));
  clearInterval(ticking);
  assert.ok(transactions() >= 6);
  assert.ok(turns >= 3);
});

groupTest(
  "one that throws takes back only what it did itself",
  async ({ database, group, add, stored, transactions }) => {
    const failing = group.run(() => {
      database.prepare("INSERT INTO t VALUES (100)").run();
      throw new TypeError("not this one");
    });
    const outcomes = await Promise.allSettled([add(1), failing, add(2), add(1)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled", "rejected"],
    );
    await assert.rejects(failing, TypeError);
    assert.deepEqual(stored(), [1, 2]);
    assert.equal(transactions(), 1);
  },
);

groupTest("nobody is answered before the transaction is committed", async ({ database, add }) => {
  const writing = add(1).then(() => database.connection.isTransaction);
  assert.equal(await writing, false);
});

groupTest(
  "when the disk is full everybody of the group hears it, and later writes succeed",
  async ({ database, group, stored, add }) => {
    await add(1);
    const { page_count: pages } = database.connection.prepare("PRAGMA page_count").get() ?? {};
    database.connection.exec(`PRAGMA max_page_count = ${pages}`);
    const large = () => {
      database.connection.exec("CREATE TABLE IF NOT EXISTS large (b)");
      database.prepare("INSERT INTO large VALUES (zeroblob(100000))").run();
    };
    const outcomes = await Promise.allSettled([add(2), group.run(large), add(3)]);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status === "rejected" && isUnavailable(outcome.reason)),
      // The third was not yet part of the group that failed.
      [true, true, false],
    );
    database.connection.exec("PRAGMA max_page_count = 1000000");
    await Promise.all([add(2), group.run(large), add(4)]);
    assert.deepEqual(stored(), [1, 2, 3, 4]);
  },
);

groupTest(
  "when COMMIT itself fails everybody of the group hears it, conflicts included",
  async ({ database, group, stored, add }) => {
    database.connection.exec("PRAGMA foreign_keys = ON; CREATE TABLE u (n REFERENCES t DEFERRABLE INITIALLY DEFERRED)");
    const dangling = group.run(() => {
      database.prepare("INSERT INTO u VALUES (99)").run();
    });
    const conflict = group.run(() => {
      throw new TypeError("conflict");
    });
    for (const outcome of await Promise.allSettled([add(1), dangling, conflict])) {
      assert.ok(outcome.status === "rejected" && isUnavailable(outcome.reason));
    }
    await add(5);
    assert.deepEqual(stored(), [5]);
  },
);

groupTest("waits for another process's lock without blocking, then goes on", async ({ path, add, stored }) => {
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES (50)");
  let turns = 0;
  const writing = add(1);
  await new Promise<void>((resolve) => {
    const ticking = setInterval(() => {
      if (++turns < 20) return;
      clearInterval(ticking);
      resolve();
    }, 1);
  });
  other.exec("COMMIT");
  other.close();
  await writing;
  assert.deepEqual(stored(), [1, 50]);
});

groupTest(
  "gives up on a lock that is held too long, and works once it is gone",
  async ({ path, add, stored }) => {
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(add(1), isUnavailable);
    other.exec("ROLLBACK");
    other.close();
    await add(2);
    assert.deepEqual(stored(), [2]);
  },
  { lockTimeoutMs: 30 },
);

groupTest("begins nothing while it is paused, and pauses take turns", async ({ group, add, transactions }) => {
  const order: string[] = [];
  const release: (() => void)[] = [];
  const hold = (name: string) =>
    group.pause(async () => {
      order.push(`${name} begins`);
      await new Promise<void>((resolve) => release.push(resolve));
      order.push(`${name} ends`);
    });
  const pauses = [hold("a"), hold("b")];
  await new Promise(setImmediate);
  const writing = add(1).then(() => order.push("written"));
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  assert.equal(transactions(), 0);
  release[0]?.();
  while (release.length < 2) await new Promise(setImmediate);
  release[1]?.();
  await Promise.all([...pauses, writing]);
  assert.deepEqual(
    order.filter((line) => line !== "written"),
    ["a begins", "a ends", "b begins", "b ends"],
  );
});

groupTest("between two pauses a group of what waits is written", async ({ group, add, transactions }) => {
  const order: string[] = [];
  const pauses = ["a", "b", "c"].map((name) =>
    group.pause(async () => {
      const writing = add(order.length).then(() => order.push(`written in ${name}`));
      await new Promise(setImmediate);
      order.push(name);
      return { writing };
    }),
  );
  for (const pause of pauses) await (await pause).writing;
  assert.deepEqual(order, ["a", "written in a", "b", "written in b", "c", "written in c"]);
  assert.equal(transactions(), 3);
});

groupTest("closing answers what was called before and refuses what comes after", async ({ group, add, stored }) => {
  const writing = Promise.all([add(1), add(2)]);
  const closing = group.close();
  await assert.rejects(add(3), isUnavailable);
  await closing;
  await writing;
  assert.deepEqual(stored(), [1, 2]);
});

/** A group whose disk the test holds in its hand. */
async function syncedGroup(
  run: (parts: {
    readonly group: GroupCommit;
    readonly add: (n: number) => Promise<void>;
    readonly stored: () => number;
    /** Each sync that was begun. */
    readonly syncs: PromiseWithResolvers<void>[];
  }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-group-"));
  const database = openDatabase(join(folder, "store.db"), { busyMs: 0 });
  database.connection.exec("CREATE TABLE t (n INTEGER PRIMARY KEY)");
  const syncs: PromiseWithResolvers<void>[] = [];
  const sync = () => {
    const begun = Promise.withResolvers<void>();
    syncs.push(begun);
    return begun.promise;
  };
  const group = groupCommit({ database, sync, committed: () => {} });
  const add = (n: number) =>
    group.run(() => {
      database.prepare("INSERT INTO t VALUES (?)").run(n);
    });
  const stored = () => Number(database.connection.prepare("SELECT count(*) AS n FROM t").get()?.n);
  try {
    await run({ group, add, stored, syncs });
  } finally {
    await group.close();
    database.close();
    await rm(folder, { recursive: true });
  }
}

const turns = async (count = 5) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

test("nobody is answered before the commit is on disk, and what comes meanwhile is the next group", () =>
  syncedGroup(async ({ group, add, stored, syncs }) => {
    const answered: number[] = [];
    const answer = (n: number) => add(n).then(() => answered.push(n));
    const first = [answer(1), answer(2)];
    await turns();
    assert.equal(stored(), 2);
    assert.ok(group.settling());
    const second = answer(3);
    await turns();
    assert.deepEqual([stored(), syncs.length, answered], [2, 1, []]);
    syncs[0]?.resolve();
    await Promise.all(first);
    await turns();
    assert.deepEqual([stored(), syncs.length, answered], [3, 2, [1, 2]]);
    syncs[1]?.resolve();
    await second;
    assert.equal(group.settling(), undefined);
  }));

test("a pause begins when what was committed is on disk", () =>
  syncedGroup(async ({ group, add, syncs }) => {
    const written = add(1);
    await turns();
    let began = false;
    const pause = group.pause(async () => {
      began = true;
    });
    await turns();
    assert.equal(began, false);
    syncs[0]?.resolve();
    await Promise.all([written, pause]);
    assert.equal(began, true);
  }));

test("closing waits for the disk", () =>
  syncedGroup(async ({ group, add, syncs }) => {
    const written = add(1);
    await turns();
    let closed = false;
    const closing = group.close().then(() => {
      closed = true;
    });
    await turns();
    assert.equal(closed, false);
    syncs[0]?.resolve();
    await Promise.all([written, closing]);
  }));

test("when the disk fails all whose commit it was are refused, and every write after them", () =>
  syncedGroup(async ({ group, add, syncs }) => {
    const first = [add(1), add(2)].map((write) => assert.rejects(write, isUnavailable));
    await turns();
    const waiting = assert.rejects(add(3), isUnavailable);
    syncs[0]?.reject(new Error("EIO"));
    await Promise.all([...first, waiting]);
    await assert.rejects(add(4), isUnavailable);
    await assert.rejects(
      group.pause(async () => {}),
      isUnavailable,
    );
    assert.equal(syncs.length, 1);
  }));
