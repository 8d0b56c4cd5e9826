import assert from "node:assert/strict";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Storage } from "../storage.ts";
import { connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestServer, type TestServer } from "./test-server.ts";
import { withoutPostgres } from "./test-stores.ts";
import { parsePostgresUrl } from "./url.ts";

const things = { resource: "things", parent: "" };
const definitions = [{ resource: "things", indexes: [], unique: [] }];
const isUnavailable = (error: unknown) => ServiceError.is(error) && error.code === "unavailable";

describe("faults of PostgreSQL", { skip: withoutPostgres() }, () => {
  let server: TestServer;
  let count = 0;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server?.[Symbol.asyncDispose]());

  const urlOf = (parameters = "", base = server.url) => `${base}&schema=faults_${count}${parameters}`;

  async function open(parameters = "", base = server.url, queryBudgetMs?: number): Promise<Storage> {
    const storage = await postgresStorage({
      url: urlOf(parameters, base),
      clock: systemClock,
      log: silentLogger,
      queryBudgetMs,
    });
    await storage.define(definitions);
    return storage;
  }

  async function fresh(parameters = "", base = server.url, queryBudgetMs?: number): Promise<Storage> {
    count++;
    return open(parameters, base, queryBudgetMs);
  }

  const create = (storage: Storage, id: string, body = "{}") =>
    storage.commit([{ kind: "put", key: { ...things, id }, body, expect: { kind: "absent" } }]);

  async function run(statement: string) {
    const admin = await connect(await loadDriver(), { url: parsePostgresUrl(server.url), setup: "SELECT 1" });
    try {
      return (await admin.run(statement)).rows;
    } finally {
      await admin.end();
    }
  }

  /** Waits until something is so; a test has no other way to know that a server is back. */
  async function eventually(check: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      if (await check().catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail("it never came to pass");
  }

  /** What was acknowledged is there, what is there is in the log, and nothing is there by half. */
  async function assertWhole(storage: Storage, acknowledged: ReadonlySet<string>): Promise<void> {
    const found = new Set<string>();
    for await (const { id } of storage.scan("things")) found.add(id);
    for (const id of acknowledged) assert.ok(found.has(id), `${id} was acknowledged and is gone`);
    const logged = await Array.fromAsync(storage.log(), ({ id }) => id);
    assert.deepEqual([...found].sort(), [...new Set(logged)].sort());
    assert.equal(logged.length, new Set(logged).size);
    for (const id of found) assert.ok(found.has(id.endsWith("-a") ? id.replace(/a$/, "b") : id.replace(/b$/, "a")));
  }

  test("SIGKILL of the server under load: what was acknowledged is there, nothing by half, and it goes on by itself, followers included", async () => {
    await using storage = await fresh("&connect_timeout=2");
    const acknowledged = new Set<string>();
    const followed: number[] = [];
    const following = (async () => {
      for await (const { position, id } of storage.log({ follow: true })) {
        followed.push(position);
        if (id === "last") break;
      }
    })();
    for (let round = 0; round < 4; round++) {
      let loading = true;
      let refused = 0;
      const load = Array.from({ length: 8 }, async (_, lane) => {
        for (let n = 0; loading; n++) {
          const ids = ["a", "b"].map((end) => `${round}-${lane}-${n}-${end}`);
          const write = () =>
            storage.commit(
              ids.map((id) => ({ kind: "put", key: { ...things, id }, body: "{}", expect: { kind: "absent" } })),
            );
          try {
            await (lane % 2 === 0 ? write() : storage.transaction(write));
            for (const id of ids) acknowledged.add(id);
          } catch (error) {
            assert.ok(isUnavailable(error), String(error));
            refused++;
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      });
      const before = acknowledged.size;
      await eventually(async () => acknowledged.size > before + 100);
      await server.kill();
      await eventually(async () => refused >= 8);
      await server.start();
      const atStart = acknowledged.size;
      await eventually(async () => acknowledged.size > atStart + 20);
      loading = false;
      await Promise.all(load);
    }
    await assertWhole(storage, acknowledged);
    await create(storage, "last");
    await following;
    assert.deepEqual(followed, await Array.fromAsync(storage.log(), ({ position }) => position));
  });

  test("sessions that the server ends while nobody uses them are no failure of who comes next", async () => {
    await using storage = await fresh();
    await create(storage, "a");
    await storage.transaction(() => create(storage, "b"));
    await storage.list(things, { sort: [], limit: 9 });
    await run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rouage faults%'");
    await create(storage, "c");
    await storage.transaction(() => create(storage, "d"));
    assert.equal((await storage.list(things, { sort: [], limit: 9 })).length, 4);
    assert.equal((await storage.get({ ...things, id: "d" }))?.kind, "object");
  });

  test("a transaction whose session ends is taken back as a whole, and said to be", async () => {
    await using storage = await fresh();
    await assert.rejects(
      storage.transaction(async () => {
        await create(storage, "a");
        await run(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rouage faults%' AND state = 'idle in transaction'",
        );
        await create(storage, "b").catch(() => {});
        return "done";
      }),
      isUnavailable,
    );
    assert.equal(await storage.count(things), 0);
    await storage.transaction(() => create(storage, "c"));
    assert.equal(await storage.count(things), 1);
  });

  test("a COMMIT whose answer is lost is not acknowledged and not made again; what became of it an expectation says", async () => {
    for (const arrives of [true, false]) {
      await using proxy = await cuttingProxy(join(server.folder, ".s.PGSQL.5432"));
      await using storage = await fresh("", `postgres://rouage@localhost:${proxy.port}/postgres?sslmode=disable`);
      await create(storage, "before");
      proxy.cutNextCommit(arrives);
      await assert.rejects(create(storage, "a"), isUnavailable);
      const again = await create(storage, "a").then(
        () => "made",
        (error: Error) => error.name,
      );
      assert.equal(again, arrives ? "CommitConflict" : "made");
      assert.equal(await storage.count(things), 2);
      assert.equal((await Array.fromAsync(storage.log())).length, 2);
    }
  });

  test("a server that stands still is a 503 in time, and used again when it goes on", async () => {
    await using storage = await fresh("&statement_timeout=1&connect_timeout=1");
    await create(storage, "a");
    await storage.transaction(() => create(storage, "z"));
    const sessions = (await run("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rouage faults%'")).map(
      Number,
    );
    const pids = [...sessions, server.pid ?? assert.fail()];
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    try {
      await Promise.all([
        assert.rejects(create(storage, "b"), isUnavailable),
        assert.rejects(
          storage.transaction(() => create(storage, "c")),
          isUnavailable,
        ),
      ]);
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
    await eventually(async () => (await create(storage, "d")).length === 1);
    assert.equal((await storage.get({ ...things, id: "d" }))?.kind, "object");
  });

  test("where all connections for lists are in use, others wait, and are refused in time", async () => {
    await using storage = await fresh("&pool=6&connect_timeout=1", server.url, 0);
    await create(storage, "a");
    const held = await connect(await loadDriver(), { url: parsePostgresUrl(server.url), setup: "SELECT 1" });
    await held.run(`BEGIN; LOCK TABLE "faults_${count}".objects_1 IN ACCESS EXCLUSIVE MODE`);
    const lists = Array.from({ length: 3 }, () => storage.list(things, { sort: [], limit: 1 }));
    const outcomes = await Promise.allSettled(lists.slice(1));
    assert.ok(outcomes.every((outcome) => outcome.status === "rejected" && isUnavailable(outcome.reason)));
    assert.ok((await storage.position()) > 0, "what needs none of them goes on");
    await held.run("ROLLBACK");
    assert.equal((await lists[0])?.length, 1);
    assert.equal((await storage.list(things, { sort: [], limit: 1 })).length, 1);
    await held.end();
  });

  test("who waits for another's transaction is served after it", async () => {
    const one = await fresh();
    const two = await open();
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let waiting: Promise<unknown> = Promise.resolve();
    const holding = one.transaction(async () => {
      await create(one, "a");
      waiting = create(two, "a").catch((error: Error) => error.name);
      await gate;
    });
    const inLine = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'rouage faults_${count}' AND wait_event = 'advisory'`;
    await eventually(async () => (await run(inLine)).length === 1);
    release();
    await holding;
    assert.equal(await waiting, "CommitConflict");
    await one.close();
    await two.close();
  });
});

/** A way to the server that can be cut when a COMMIT goes by, before or behind it. */
async function cuttingProxy(socketPath: string) {
  let cut: "before" | "behind" | undefined;
  const sockets = new Set<Socket>();
  const proxy: Server = createServer((client) => {
    const upstream = connectSocket(socketPath);
    sockets.add(client).add(upstream);
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on("error", end).on("close", end);
    let isDeaf = false;
    client.on("data", (data) => {
      if (cut !== undefined && data.includes("COMMIT\0")) {
        const arrives = cut === "behind";
        cut = undefined;
        isDeaf = true;
        if (!arrives) return end();
        upstream.write(data);
        // The server has answered: the commit is made, and the answer is lost.
        upstream.once("data", (answer) => {
          if (answer.includes("COMMIT\0")) end();
          else upstream.on("data", (more) => more.includes("COMMIT\0") && end());
        });
        return;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (!isDeaf) client.write(data);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  return {
    port: typeof address === "object" ? address?.port : 0,
    cutNextCommit(arrives: boolean) {
      cut = arrives ? "behind" : "before";
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
