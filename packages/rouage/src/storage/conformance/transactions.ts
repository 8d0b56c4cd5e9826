/** Conformance: transactions, and what belongs to them. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import fc from "fast-check";
import { ServiceError } from "../../errors.ts";
import type { Storage } from "../storage.ts";
import {
  type ConformanceSubject,
  conflict,
  drop,
  event,
  people,
  put,
  remove,
  save,
  storageTest,
  things,
} from "./harness.ts";

const other = { ...things, parent: "/other" };
const newest = [{ field: "id", direction: "ascending" }] as const;

export function transactionTests(open: ConformanceSubject): void {
  storageTest(open, "answers what its work answers, and what it wrote is there", async ({ storage }) => {
    const answer = await storage.transaction(async () => {
      await save(storage, things, "a", { n: 1 });
      await turnOver();
      await storage.commit([put(things, "b"), put(people, "c")]);
      return "done";
    });
    assert.equal(answer, "done");
    assert.deepEqual(await idsOf(storage), ["a", "b"]);
    assert.equal(await storage.count(people), 1);
  });

  storageTest(open, "its work sees its own writes in get, list, count, scan and timestamp", async ({ storage }) => {
    await save(storage, things, "old", { n: 1 });
    const before = await storage.timestamp(things);
    await storage.transaction(async () => {
      await storage.commit([put(things, "new", { n: 2 }), remove(things, "old"), put(other, "else", { n: 3 })]);
      assert.equal((await storage.get({ ...things, id: "new" }))?.kind, "object");
      assert.equal((await storage.get({ ...things, id: "old" }))?.kind, "tombstone");
      assert.deepEqual(await idsOf(storage), ["new"]);
      assert.equal(await storage.count(things, { kind: "compare", field: "n", operator: "gt", value: 1 }), 1);
      assert.deepEqual(
        (await Array.fromAsync(storage.scan("things"))).map(({ parent, id }) => `${parent} ${id}`),
        [" new", "/other else"],
      );
      assert.ok((await storage.timestamp(things)) > before);
    });
  });

  storageTest(open, "a scan of many pages inside sees its own writes", async ({ storage }) => {
    await storage.transaction(async () => {
      await storage.commit(Array.from({ length: 1_200 }, (_, n) => put(things, `a${n}`, { n })));
      assert.equal((await Array.fromAsync(storage.scan("things"))).length, 1_200);
    });
  });

  storageTest(open, "its work sees its own entries in the log, and the position behind them", async ({ storage }) => {
    await save(storage, things, "a");
    await storage.transaction(async () => {
      await storage.commit([put(things, "b"), event({ ...things, id: "b" }, "seen")]);
      const entries = await Array.fromAsync(storage.log());
      assert.deepEqual(
        entries.map(({ id, action }) => `${id} ${action}`),
        ["a create", "b create", "b event"],
      );
      assert.equal(await storage.position(), entries[2]?.position);
    });
  });

  storageTest(open, "nobody else sees any of it before its end", async ({ storage }) => {
    await save(storage, things, "a", { n: 1 }, { permissions: { read: ["ann"] } });
    const position = await storage.position();
    const timestamp = await storage.timestamp(things);
    const { inside, finish } = await hold(storage, async () => {
      await storage.commit([
        put(things, "a", { n: 2 }, { permissions: { read: ["bob"] } }),
        put(things, "b"),
        { kind: "members", group: "g", members: ["ann"] },
      ]);
    });
    const entry = await storage.get({ ...things, id: "a" });
    assert.equal(entry?.kind === "object" && entry.body, '{"n":1}');
    assert.equal(await storage.get({ ...things, id: "b" }), undefined);
    assert.deepEqual(await idsOf(storage), ["a"]);
    assert.equal(await storage.count(things), 1);
    assert.equal((await Array.fromAsync(storage.scan("things"))).length, 1);
    assert.equal(await storage.timestamp(things), timestamp);
    assert.equal(await storage.position(), position);
    assert.equal((await Array.fromAsync(storage.log())).length, 1);
    assert.deepEqual(await storage.permissions.of({ ...things, id: "a" }), { read: ["ann"] });
    assert.equal((await storage.permissions.groupsOf("ann")).size, 0);
    assert.deepEqual(await Array.fromAsync(storage.permissions.reachable({ principals: ["bob"] })), []);
    finish();
    await inside;
    assert.deepEqual(await idsOf(storage), ["a", "b"]);
    assert.deepEqual(await storage.permissions.of({ ...things, id: "a" }), { read: ["bob"] });
    assert.deepEqual([...(await storage.permissions.groupsOf("ann"))], ["g"]);
  });

  storageTest(open, "when its work rejects, all of it is taken back", async ({ storage }) => {
    await storage.commit([
      put(things, "a", { n: 1 }, { permissions: { read: ["ann"] } }),
      put(people, "p", { email: "x" }),
      { kind: "members", group: "g", members: ["ann"] },
    ]);
    await drop(storage, things, "gone-not").catch(() => {});
    const before = await everything(storage);
    const failure = new Error("no");
    await assert.rejects(
      storage.transaction(async () => {
        await storage.commit([put(things, "a", { n: 2 }, { permissions: {} }), put(things, "b")]);
        await storage.commit([remove(people, "p"), put(people, "q", { email: "x" })]);
        await storage.commit([{ kind: "forget", principal: "ann" }, event({ ...things, id: "a" }, "seen")]);
        await storage.timestamp({ resource: "names", parent: "" });
        throw failure;
      }),
      failure,
    );
    assert.deepEqual(await everything(storage), before);
    assert.equal((await conflict(storage.commit([put(people, "r", { email: "x" })]))).reason.kind, "unique");
    await save(storage, people, "s", { email: "y" });
  });

  storageTest(open, "work that throws before it waits rejects the transaction as well", async ({ storage }) => {
    const failure = new Error("at once");
    await assert.rejects(
      storage.transaction(() => {
        throw failure;
      }),
      failure,
    );
    await save(storage, things, "a");
  });

  storageTest(open, "a commit that fails inside takes only itself back", async ({ storage }) => {
    await save(storage, things, "a");
    await storage.transaction(async () => {
      await save(storage, things, "b");
      const failed = await conflict(
        storage.commit([put(things, "c"), put(things, "a", {}, { expect: { kind: "absent" } })]),
      );
      assert.deepEqual([failed.change, failed.reason.kind], [1, "expectation"]);
      await save(storage, things, "d");
    });
    assert.deepEqual(await idsOf(storage), ["a", "b", "d"]);
    assert.deepEqual(
      (await Array.fromAsync(storage.log())).map(({ id }) => id),
      ["a", "b", "d"],
    );
  });

  storageTest(open, "expectations inside are met by what was written inside", async ({ storage }) => {
    await storage.transaction(async () => {
      const { revision } = await save(storage, things, "a", { n: 1 }, { expect: { kind: "absent" } });
      const next = await save(storage, things, "a", { n: 2 }, { expect: { kind: "revision", revision } });
      assert.ok(next.revision > revision);
      await storage.commit([{ kind: "require", key: { ...things, id: "a" } }]);
      await drop(storage, things, "a", { expect: { kind: "revision", revision: next.revision } });
      const failed = await conflict(storage.commit([{ kind: "require", key: { ...things, id: "a" } }]));
      assert.equal(failed.reason.kind === "expectation" && failed.reason.actual?.kind, "tombstone");
    });
  });

  storageTest(open, "unique values given back inside can be taken inside", async ({ storage }) => {
    await save(storage, people, "a", { email: "x" });
    await storage.transaction(async () => {
      const taken = await conflict(storage.commit([put(people, "b", { email: "x" })]));
      assert.equal(taken.reason.kind === "unique" && taken.reason.existing.id, "a");
      await drop(storage, people, "a");
      await save(storage, people, "b", { email: "x" });
    });
    assert.equal((await conflict(storage.commit([put(people, "c", { email: "x" })]))).reason.kind, "unique");
  });

  storageTest(
    open,
    "knows whether the calling code runs inside, however deep and after any wait",
    async ({ storage }) => {
      assert.equal(storage.inTransaction(), false);
      const { inside, finish } = await hold(storage, async () => {
        assert.equal(storage.inTransaction(), true);
        await turnOver();
        await Promise.all([1, 2].map(async () => assert.equal(storage.inTransaction(), true)));
      });
      assert.equal(storage.inTransaction(), false, "others' transaction is not ours");
      finish();
      await inside;
      assert.equal(storage.inTransaction(), false);
    },
  );

  storageTest(open, "one inside of another joins it", async ({ storage }) => {
    await assert.rejects(
      storage.transaction(async () => {
        await save(storage, things, "a");
        const inner = await storage.transaction(async () => {
          await save(storage, things, "b");
          assert.deepEqual(await idsOf(storage), ["a", "b"]);
          return storage.inTransaction();
        });
        assert.equal(inner, true);
        throw new Error("the outer one fails");
      }),
      /the outer one fails/,
    );
    assert.deepEqual(await idsOf(storage), []);
    await storage.transaction(() => storage.transaction(() => save(storage, things, "c")));
    assert.deepEqual(await idsOf(storage), ["c"]);
  });

  storageTest(open, "one inside of another that rejects is taken back alone, with its tasks", async ({ storage }) => {
    const tasks: string[] = [];
    const task = (name: string) => storage.afterCommit(() => void tasks.push(name));
    await save(storage, things, "a", { n: 1 }, { permissions: { read: ["ann"] } });
    await storage.transaction(async () => {
      await save(storage, things, "before");
      task("before");
      await assert.rejects(
        storage.transaction(async () => {
          await storage.commit([put(things, "a", { n: 2 }, { permissions: {} }), put(things, "part")]);
          await storage.commit([{ kind: "members", group: "g", members: ["ann"] }]);
          await storage.transaction(() => save(storage, things, "part of the part"));
          task("part");
          assert.deepEqual(await idsOf(storage), ["a", "before", "part", "part of the part"]);
          throw new Error("this part");
        }),
        /this part/,
      );
      assert.deepEqual(await idsOf(storage), ["a", "before"]);
      assert.deepEqual(await storage.permissions.of({ ...things, id: "a" }), { read: ["ann"] });
      await storage.transaction(async () => {
        await save(storage, things, "kept");
        task("kept");
      });
      assert.deepEqual(tasks, []);
    });
    assert.deepEqual(await idsOf(storage), ["a", "before", "kept"]);
    assert.deepEqual(tasks, ["before", "kept"]);
    assert.deepEqual(
      (await Array.fromAsync(storage.log())).map(({ id }) => id),
      ["a", "before", "kept"],
    );
    assert.equal((await storage.permissions.groupsOf("ann")).size, 0);
  });

  storageTest(open, "those called at once inside of one take nothing of each other back", async ({ storage }) => {
    await storage.transaction(async () => {
      const parts = Array.from({ length: 9 }, (_, n) =>
        storage.transaction(async () => {
          await save(storage, things, `part${n}`);
          await turnOver();
          await save(storage, things, `more${n}`);
          if (n % 3 === 0) throw new Error(String(n));
        }),
      );
      const commits = Array.from({ length: 9 }, (_, n) => save(storage, things, `commit${n}`));
      const outcomes = await Promise.allSettled(parts);
      for (const [n, { status }] of outcomes.entries()) assert.equal(status === "rejected", n % 3 === 0);
      await Promise.all(commits);
    });
    const expected = ["commit", "more", "part"].flatMap((name) =>
      Array.from({ length: 9 }, (_, n) => (name !== "commit" && n % 3 === 0 ? [] : `${name}${n}`)).flat(),
    );
    assert.deepEqual(await idsOf(storage), expected);
  });

  storageTest(open, "waits for what was begun inside and not waited for", async ({ storage }) => {
    let part: Promise<unknown> = Promise.resolve();
    await storage.transaction(async () => {
      part = storage.transaction(async () => {
        await save(storage, things, "a");
        for (let turn = 0; turn < 5; turn++) await turnOver();
        await save(storage, things, "b");
      });
    });
    assert.deepEqual(await idsOf(storage), ["a", "b"]);
    await part;
    await storage
      .transaction(async () => {
        part = storage.transaction(async () => {
          for (let turn = 0; turn < 5; turn++) await turnOver();
          await save(storage, things, "c");
        });
        throw new Error("no");
      })
      .catch(() => {});
    await part;
    assert.deepEqual(await idsOf(storage), ["a", "b"]);
  });

  storageTest(open, "commits of the same moment inside all belong to it", async ({ storage }) => {
    await storage.transaction(async () => {
      await Promise.all(Array.from({ length: 30 }, (_, n) => save(storage, things, `a${n}`)));
      assert.equal(await storage.count(things), 30);
    });
    const revisions = (await Array.fromAsync(storage.log())).map(({ revision }) => revision);
    assert.equal(new Set(revisions).size, 30);
  });

  storageTest(open, "transactions called at once run one after the other and lose no update", async ({ storage }) => {
    await save(storage, things, "counter", { n: 0 });
    const increment = () =>
      storage.transaction(async () => {
        const n = await counted(storage);
        await turnOver();
        await save(storage, things, "counter", { n: n + 1 });
        return n;
      });
    const seen = await Promise.all(Array.from({ length: 25 }, increment));
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.equal(await counted(storage), 25);
  });

  storageTest(open, "one that fails takes nothing of those called with it back", async ({ storage }) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        storage.transaction(async () => {
          await save(storage, things, `a${n}`, { n });
          await turnOver();
          if (n % 3 === 0) throw new RangeError(String(n));
          return n;
        }),
      ),
    );
    for (const [n, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") assert.equal(outcome.value, n);
      else assert.equal(String(outcome.reason), `RangeError: ${n}`);
      assert.equal(outcome.status === "rejected", n % 3 === 0);
      assert.equal((await storage.get({ ...things, id: `a${n}` })) === undefined, n % 3 === 0);
    }
  });

  storageTest(open, "other commits wait for it, and are made after it", async ({ storage }) => {
    const order: string[] = [];
    const { inside, finish } = await hold(storage, async () => {
      await save(storage, things, "a", { by: "transaction" });
    });
    const waiting = save(storage, things, "a", { by: "other" }, { expect: { kind: "absent" } }).then(
      () => order.push("commit made"),
      () => order.push("commit refused"),
    );
    for (let turn = 0; turn < 5; turn++) await turnOver();
    assert.equal(order.length, 0);
    finish();
    await Promise.all([inside.then(() => order.push("transaction")), waiting]);
    assert.deepEqual(order.sort(), ["commit refused", "transaction"]);
    const [entry] = await storage.list(things, { sort: [], limit: 9 });
    assert.equal(entry?.kind === "object" && entry.body, '{"by":"transaction"}');
  });

  storageTest(
    open,
    "commits and transactions without end keep each other waiting for a moment only",
    async ({ storage }) => {
      let transactions = 0;
      let commits = 0;
      let ended = false;
      const enough = () => (ended ||= transactions >= 40 && commits >= 40);
      const transacting = async (name: string) => {
        while (!enough() && transactions < 20_000) {
          await storage.transaction(() => save(storage, things, name, { n: transactions }));
          transactions++;
        }
      };
      const committing = async (name: string) => {
        while (!enough() && commits < 20_000) {
          await save(storage, other, name, { n: commits });
          commits++;
        }
      };
      await Promise.all([..."abc"].flatMap((name) => [transacting(name), committing(name)]));
      assert.ok(transactions >= 40 && commits >= 40, `${transactions} transactions, ${commits} commits`);
      assert.ok(transactions < 20_000 && commits < 20_000);
    },
  );

  storageTest(
    open,
    "entries of one transaction stand together in the log, in the order of their commits",
    async ({ storage }) => {
      await Promise.all(
        Array.from({ length: 40 }, (_, n) =>
          n % 2 === 0
            ? save(storage, other, `single${n}`)
            : storage.transaction(async () => {
                for (let part = 0; part < 3; part++) {
                  await storage.commit([event({ ...things, id: `${n}` }, `part${part}`)]);
                  await turnOver();
                }
              }),
        ),
      );
      const entries = await Array.fromAsync(storage.log());
      assert.equal(entries.length, 20 + 20 * 3);
      for (const [index, { id, type, position }] of entries.entries()) {
        assert.ok(position > (entries[index - 1]?.position ?? 0));
        if (type === "part1" || type === "part2") assert.equal(entries[index - 1]?.id, id);
        if (type === "part1") assert.equal(entries[index - 1]?.type, "part0");
      }
    },
  );

  storageTest(
    open,
    "a follower gets its entries when it is done, and none that were taken back",
    async ({ storage }) => {
      const ending = new AbortController();
      const seen: string[] = [];
      const following = (async () => {
        for await (const { id } of storage.log({ follow: true, signal: ending.signal })) {
          seen.push(id);
          if (id === "last") ending.abort();
        }
      })();
      await storage
        .transaction(async () => {
          await save(storage, things, "never");
          throw new Error("no");
        })
        .catch(() => {});
      const { inside, finish } = await hold(storage, async () => {
        await save(storage, things, "first");
      });
      for (let turn = 0; turn < 5; turn++) await turnOver();
      assert.deepEqual(seen, []);
      finish();
      await inside;
      await save(storage, things, "last");
      await following;
      assert.deepEqual(seen, ["first", "last"]);
    },
  );

  storageTest(
    open,
    "a follower begun inside is told of what is committed alone, and outlives it",
    async ({ storage }) => {
      const ending = new AbortController();
      const seen: string[] = [];
      let following: Promise<void> = Promise.resolve();
      await storage
        .transaction(async () => {
          await save(storage, things, "never");
          following = (async () => {
            for await (const { id } of storage.log({ follow: true, signal: ending.signal })) {
              seen.push(id);
              if (id === "last") ending.abort();
            }
          })();
          for (let turn = 0; turn < 5; turn++) await turnOver();
          throw new Error("no");
        })
        .catch(() => {});
      assert.deepEqual(seen, []);
      await storage.transaction(() => save(storage, things, "first"));
      await save(storage, things, "last");
      await following;
      assert.deepEqual(seen, ["first", "last"]);
    },
  );

  storageTest(
    open,
    "positions are given to nobody else when a transaction is taken back, and grow on",
    async ({ storage }) => {
      await save(storage, things, "a");
      await storage
        .transaction(async () => {
          await storage.commit([event({ ...things, id: "x" }, "e"), event({ ...things, id: "x" }, "e")]);
          throw new Error("no");
        })
        .catch(() => {});
      await save(storage, things, "b");
      const [first, second, ...rest] = await Array.fromAsync(storage.log());
      assert.deepEqual([first?.id, second?.id, rest.length], ["a", "b", 0]);
      assert.ok((second?.position ?? 0) > (first?.position ?? 0));
    },
  );

  storageTest(
    open,
    "a list's timestamp made inside stays, or goes with the transaction",
    async ({ storage, clock }) => {
      const made = await storage.transaction(() => storage.timestamp(other));
      clock.advance(1_000);
      assert.equal(await storage.timestamp(other), made);
      const list = { ...things, parent: "/taken back" };
      await storage
        .transaction(async () => {
          assert.equal(await storage.timestamp(list), clock.now());
          throw new Error("no");
        })
        .catch(() => {});
      clock.advance(1_000);
      assert.equal(await storage.timestamp(list), clock.now());
    },
  );

  storageTest(open, "purges and erases inside, or not at all", async ({ storage }) => {
    const context = { principal: "ann" };
    await storage.commit([put(things, "a", { n: 1 }), put(things, "b"), put(things, "c")], context);
    await drop(storage, things, "b");
    const before = await everything(storage);
    const log = await Array.fromAsync(storage.log());
    const work = async () => {
      assert.equal(await storage.purgeTombstones(things, Number.MAX_SAFE_INTEGER), 1);
      assert.equal(await storage.purgedBefore(things), Number.MAX_SAFE_INTEGER);
      assert.deepEqual(await storage.erase([{ ...things, id: "a" }]), { objects: 1, tombstones: 0, logEntries: 1 });
      assert.deepEqual(await idsOf(storage), ["c"]);
      assert.equal((await Array.fromAsync(storage.log()))[0]?.body, undefined);
    };
    await assert.rejects(
      storage.transaction(async () => {
        await work();
        throw new Error("no");
      }),
    );
    assert.deepEqual(await everything(storage), before);
    assert.deepEqual(await Array.fromAsync(storage.log()), log);
    assert.equal(await storage.purgedBefore(things), 0);
    await storage.transaction(work);
    assert.deepEqual(await idsOf(storage), ["c"]);
    assert.equal((await Array.fromAsync(storage.log()))[0]?.principal, undefined);
  });

  storageTest(open, "checks inside without waiting for itself", async ({ storage }) => {
    await storage.transaction(async () => {
      await storage.check();
      await storage.check(true);
    });
  });

  storageTest(open, "refuses to define lists inside instead of waiting for itself", async ({ storage }) => {
    await assert.rejects(
      storage.transaction(() => storage.define([{ resource: "late", indexes: [], unique: [] }])),
      /inside of a transaction/,
    );
  });

  storageTest(open, "tasks run after it is durable, before it is answered, in their order", async ({ storage }) => {
    const order: string[] = [];
    const task = (name: string) =>
      storage.afterCommit(async () => {
        assert.equal(storage.inTransaction(), false);
        assert.equal((await storage.get({ ...things, id: "a" }))?.kind, "object");
        await turnOver();
        order.push(name);
      });
    await storage.transaction(async () => {
      task("first");
      await save(storage, things, "a");
      await storage.transaction(async () => task("inner"));
      task("last");
      await turnOver();
      assert.deepEqual(order, []);
    });
    assert.deepEqual(order, ["first", "inner", "last"]);
  });

  storageTest(open, "tasks of one that was taken back never run", async ({ storage }) => {
    let ran = false;
    await storage
      .transaction(async () => {
        storage.afterCommit(() => {
          ran = true;
        });
        throw new Error("no");
      })
      .catch(() => {});
    await save(storage, things, "a");
    assert.equal(ran, false);
  });

  storageTest(
    open,
    "a task that fails makes no failure of what is durable, and the next one runs",
    async ({ storage }) => {
      let ran = false;
      const answer = await storage.transaction(async () => {
        storage.afterCommit(() => {
          throw new Error("task");
        });
        storage.afterCommit(() => Promise.reject(new Error("another")));
        storage.afterCommit(() => {
          ran = true;
        });
        await save(storage, things, "a");
        return 7;
      });
      assert.deepEqual([answer, ran], [7, true]);
      assert.deepEqual(await idsOf(storage), ["a"]);
    },
  );

  storageTest(open, "a task may write, and begin a transaction of its own", async ({ storage }) => {
    await storage.transaction(async () => {
      storage.afterCommit(async () => {
        await save(storage, things, "by task");
        await storage.transaction(() => save(storage, things, "in its own"));
      });
    });
    assert.deepEqual(await idsOf(storage), ["by task", "in its own"]);
  });

  storageTest(open, "outside of any a task runs at once", async ({ storage }) => {
    let ran = false;
    const answer = storage.afterCommit(() => {
      ran = true;
    });
    assert.deepEqual([ran, answer], [true, undefined]);
    await assert.rejects(async () => storage.afterCommit(() => Promise.reject(new Error("its own"))), /its own/);
  });

  storageTest(open, "work that outlives its transaction runs outside", async ({ storage }) => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let outliving: Promise<boolean> = Promise.resolve(true);
    await storage
      .transaction(async () => {
        outliving = gate.then(async () => {
          await save(storage, things, "late");
          await storage.transaction(() => save(storage, things, "own"));
          return storage.inTransaction();
        });
        await save(storage, things, "taken back");
        throw new Error("no");
      })
      .catch(() => {});
    go();
    assert.equal(await outliving, false);
    assert.deepEqual(await idsOf(storage), ["late", "own"]);
  });

  storageTest(open, "a context made inside is of no transaction that comes later", async ({ storage }) => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let stray: Promise<unknown> = Promise.resolve();
    await storage.transaction(async () => {
      stray = gate.then(() => save(storage, things, "stray"));
    });
    const { inside, finish } = await hold(storage, async () => {});
    go();
    let settled = false;
    stray.then(() => {
      settled = true;
    });
    for (let turn = 0; turn < 5; turn++) await turnOver();
    assert.equal(settled, false, "waits like everybody else");
    finish();
    await Promise.all([inside, stray]);
  });

  storageTest(open, "work and tasks run in their caller's asynchronous context", async ({ storage }) => {
    const context = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const one = (name: string) =>
      context.run(name, () =>
        storage.transaction(async () => {
          await turnOver();
          seen.push(context.getStore());
          storage.afterCommit(() => void seen.push(context.getStore()));
        }),
      );
    await Promise.all([..."abc"].map(one));
    assert.deepEqual(seen.sort(), [..."aabbcc"]);
  });

  storageTest(open, "each belongs to its own storage, one within the other", async ({ storage, clock }) => {
    const second = await open({ clock });
    try {
      await second.storage.define([{ resource: "things", indexes: [], unique: [] }]);
      await Promise.all(
        ["a", "b", "c"].map((id) =>
          storage.transaction(async () => {
            assert.equal(second.storage.inTransaction(), false);
            await second.storage.transaction(async () => {
              assert.ok(storage.inTransaction() && second.storage.inTransaction());
              await save(storage, things, id);
              await save(second.storage, things, id);
            });
            assert.equal(await second.storage.count(things), await storage.count(things));
          }),
        ),
      );
      await assert.rejects(
        storage.transaction(async () => {
          await save(second.storage, things, "stays");
          throw new Error("no");
        }),
      );
      assert.deepEqual(await idsOf(second.storage), ["a", "b", "c", "stays"]);
    } finally {
      await second.cleanup();
    }
  });

  storageTest(open, "closing waits for those already called, and refuses later ones", async ({ storage }) => {
    const done: string[] = [];
    const { inside, finish } = await hold(storage, async () => {});
    const waiting = storage.transaction(async () => {
      await save(storage, things, "a");
      done.push("waiting");
    });
    const closing = storage.close().then(() => done.push("closed"));
    const unavailable = (error: unknown) => ServiceError.is(error) && error.code === "unavailable";
    await assert.rejects(
      storage.transaction(async () => {}),
      unavailable,
    );
    await assert.rejects(save(storage, things, "b"), unavailable);
    assert.deepEqual(done, []);
    finish();
    await Promise.all([inside, waiting, closing]);
    assert.deepEqual(done, ["waiting", "closed"]);
  });

  storageTest(open, "is there when the store is opened again", async ({ storage, reopen }) => {
    if (reopen === undefined) return;
    await storage.transaction(async () => {
      await storage.commit([put(things, "a", {}, { permissions: { read: ["ann"] } })]);
      await storage.commit([{ kind: "members", group: "g", members: ["ann"] }]);
    });
    const again = await reopen();
    assert.deepEqual(await idsOf(again), ["a"]);
    assert.deepEqual(await again.permissions.of({ ...things, id: "a" }), { read: ["ann"] });
    assert.deepEqual([...(await again.permissions.groupsOf("ann"))], ["g"]);
  });

  storageTest(open, "random transactions leave what a plain map would hold", async ({ storage }) => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(script, { maxLength: 8 }), async (scripts) => {
        const list = { ...things, parent: `round ${round++}` };
        const model: Model = new Map();
        /** Runs a script as a transaction, or as a part of one, on a copy of the model that it answers when it is kept. */
        const run = async ({ steps, fails }: Script, before: Model): Promise<Model> => {
          const own = new Map(before);
          const ended = await storage
            .transaction(async () => {
              for (const step of steps) {
                if (step.kind === "part") replace(own, await run(step.part, own));
                else if (step.kind === "put") {
                  await save(storage, list, step.id, { n: step.n });
                  own.set(step.id, step.n);
                } else if (own.delete(step.id)) await drop(storage, list, step.id);
                else await conflict(storage.commit([put(list, "never"), remove(list, step.id)]));
                assert.deepEqual(await numbers(storage, list), sorted(own));
              }
              if (fails) throw new RangeError("as told");
            })
            .then(
              () => true,
              (error: unknown) => {
                if (!(error instanceof RangeError)) throw error;
                return false;
              },
            );
          assert.equal(ended, !fails);
          const after = ended ? own : before;
          assert.deepEqual(await numbers(storage, list), sorted(after));
          return after;
        };
        for (const one of scripts) replace(model, await run(one, model));
      }),
      { numRuns: Number(process.env.CONFORMANCE_RUNS ?? 40) },
    );
  });
}

interface Script {
  readonly steps: readonly Step[];
  readonly fails: boolean;
}

type Step =
  | { readonly kind: "put" | "delete"; readonly id: string; readonly n: number }
  | { readonly kind: "part"; readonly part: Script };

const { script } = fc.letrec<{ script: Script; step: Step }>((tie) => ({
  step: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.record({
      kind: fc.constantFrom("put", "put", "delete"),
      id: fc.constantFrom("a", "b", "c"),
      n: fc.nat(9),
    }) as fc.Arbitrary<Step>,
    fc.record({ kind: fc.constant("part"), part: tie("script") }) as fc.Arbitrary<Step>,
  ),
  script: fc.record({ steps: fc.array(tie("step"), { maxLength: 6 }), fails: fc.boolean() }),
}));

/** A transaction that has done `work` and then waits until it is told to finish. */
async function hold(storage: Storage, work: () => Promise<void>) {
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let inside: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    inside = storage.transaction(async () => {
      await work();
      resolve();
      await gate;
    });
    inside.catch(reject);
  });
  return { inside, finish };
}

const turnOver = () => new Promise<void>((resolve) => setImmediate(resolve));

async function idsOf(storage: Storage): Promise<string[]> {
  return (await storage.list(things, { sort: newest, limit: 10_000 })).map(({ id }) => id);
}

async function counted(storage: Storage): Promise<number> {
  const entry = await storage.get({ ...things, id: "counter" });
  return entry?.kind === "object" ? Number(JSON.parse(entry.body).n) : Number.NaN;
}

async function numbers(storage: Storage, list: typeof things): Promise<[string, number][]> {
  const entries = await storage.list(list, { sort: newest, limit: 100 });
  return entries.map((entry) => [entry.id, entry.kind === "object" ? Number(JSON.parse(entry.body).n) : Number.NaN]);
}

type Model = Map<string, number>;

function replace(model: Model, other: Model): void {
  const entries = [...other];
  model.clear();
  for (const [id, n] of entries) model.set(id, n);
}

function sorted(model: ReadonlyMap<string, number>): [string, number][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What a transaction that was taken back must have left as it was. */
async function everything(storage: Storage) {
  const reader = storage.permissions;
  return {
    things: await storage.list(things, { sort: newest, limit: 100, tombstones: true }),
    people: await storage.list(people, { sort: newest, limit: 100, tombstones: true }),
    timestamps: [await storage.timestamp(things), await storage.timestamp(people)],
    position: await storage.position(),
    entries: await reader.of({ ...things, id: "a" }),
    groups: [...(await reader.groupsOf("ann"))],
    reachable: await Array.fromAsync(reader.reachable({ principals: ["ann"] })),
  };
}
