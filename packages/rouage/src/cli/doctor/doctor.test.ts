/** Each finding of the doctor by the real fault. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../../clock.ts";
import { examineStore } from "../../storage/examine.ts";
import * as mongodb from "../../storage/mongodb/test-stores.ts";
import { openStorage } from "../../storage/open.ts";
import { startTestStores, type TestStores, withoutPostgres } from "../../storage/postgres/test-stores.ts";
import { examineFile } from "../../storage/sqlite/examine.ts";
import type { Symptom } from "../../storage/symptom.ts";
import { main, peopleService } from "../people.fixture.ts";
import { examine, examineRuntime } from "./examine-service.ts";

const run = promisify(execFile);

const declaration = peopleService(`indexes: ["name"],`);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "doctor-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const words = (symptoms: readonly Symptom[]) =>
  symptoms.map(({ level, about, message }) => `${level} ${about}: ${message}`);

async function store(path: string, indexes: readonly (readonly string[])[] = []): Promise<void> {
  await using storage = await openStorage(`sqlite:${path}`, { clock: systemClock });
  await storage.define([{ resource: "people", indexes, unique: [] }]);
  await storage.commit([
    { kind: "put", key: { resource: "people", parent: "", id: "a" }, body: '{"name":"x"}', expect: { kind: "any" } },
  ]);
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function rouage(
  path: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  flags: readonly string[] = [],
): Promise<Ended> {
  writeFileSync(join(path, "people.ts"), declaration);
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...environment };
  return run(process.execPath, [...flags, main, "doctor", ...args], { cwd: path, env }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

test("of a healthy service nothing is wrong, and nothing was made by looking", async (t) => {
  const path = folder(t);
  const { code, stdout } = await rouage(path, ["people.ts", "--set", "port=0"]);
  assert.deepEqual([code, stdout], [0, "people: nothing is wrong\n"]);
  assert.deepEqual(readdirSync(path), ["people.ts"]);
});

test("every bad setting is named at once, with where it comes from; as JSON too", async (t) => {
  const path = folder(t);
  writeFileSync(join(path, "people.toml"), 'storag = "memory:"\nport = "x"\n');
  const environment = { PEOPLE_LOG_LEVEL: "loud" };
  const { code, stdout, stderr } = await rouage(path, ["people.ts", "--config", "people.toml", "--json"], environment);
  const report = JSON.parse(stdout);
  assert.deepEqual([code, report.ok, stderr], [1, false, "rouage: errors: 3\n"]);
  assert.deepEqual(
    report.symptoms.map(({ about, message }: Symptom) => [about, message.split(" (")[0]]),
    [
      ["settings", "storag"],
      ["settings", "port"],
      ["settings", "log_level"],
    ],
  );
  for (const { remedy } of report.symptoms) assert.match(remedy, /correct it/);
});

test("a service that cannot be loaded is said; a file that is not there is a wrong call", async (t) => {
  const path = folder(t);
  writeFileSync(join(path, "broken.ts"), "export default 5;");
  const { code, stdout } = await rouage(path, ["broken.ts"]);
  assert.equal(code, 1);
  assert.match(stdout, /error: broken\.ts: the default export of broken\.ts was not made with service\(\) \[service\]/);
  assert.equal((await rouage(path, ["none.ts"])).code, 2);
  assert.equal((await rouage(path, [])).code, 2);
});

test("a file of others, of a newer version, damaged, or below a file", async (t) => {
  const path = folder(t);
  const other = new DatabaseSync(join(path, "songs.db"));
  other.exec("CREATE TABLE songs (title)");
  other.close();
  chmodSync(join(path, "songs.db"), 0o600);
  assert.match(
    words(examineFile(join(path, "songs.db")))[0] ?? "",
    /^error storage-file: .* is a SQLite database of something else/,
  );
  await store(join(path, "new.db"));
  const newer = new DatabaseSync(join(path, "new.db"));
  newer.exec("UPDATE meta SET value = 99 WHERE key = 'schema'");
  newer.close();
  assert.match(words(examineFile(join(path, "new.db")))[0] ?? "", /^error storage-file: .*newer version of Rouage/);
  writeFileSync(join(path, "text.db"), "no database, but long enough to be looked at".repeat(50), { mode: 0o600 });
  assert.match(words(examineFile(join(path, "text.db")))[0] ?? "", /^error storage-file: .*not a database/);
  assert.match(words(examineFile(join(path, "text.db", "x.db")))[0] ?? "", /^error storage-file: .* is not a folder/);
});

test("an older version, and a journal mode that somebody changed", async (t) => {
  const path = join(folder(t), "old.db");
  await store(path);
  const connection = new DatabaseSync(path);
  connection.exec("UPDATE meta SET value = 3 WHERE key = 'schema'; PRAGMA journal_mode = DELETE");
  connection.close();
  const found = words(examineFile(path));
  assert.match(found[0] ?? "", /^warning storage-version: .* is of version 3, this Rouage writes \d/);
  assert.match(found[1] ?? "", /^warning journal: .* is in the journal mode delete instead of wal/);
});

test("what others may read: the store, the file of settings with secrets, the ledger", async (t) => {
  const path = folder(t);
  await store(join(path, "people.db"), [["name"]]);
  chmodSync(join(path, "people.db"), 0o644);
  writeFileSync(
    join(path, "people.toml"),
    'storage = "sqlite:people.db"\nport = 0\nidempotency_seconds = 0\nerasure_ledger = "ledger"\nmetrics_port = 0\nprofiler_token = "0123456789abcdef0"\n',
  );
  chmodSync(join(path, "people.toml"), 0o644);
  mkdirSync(join(path, "ledger"), { mode: 0o755 });
  const { code, stdout } = await rouage(path, ["people.ts", "--config", "people.toml"]);
  assert.equal(code, 0, "warnings alone");
  assert.match(stdout, /warning: others may open people\.db \(mode 644\) \[storage-mode\]\n {4}chmod 600 people\.db\n/);
  assert.match(stdout, /warning: everybody on this machine may read people\.toml, which has secrets \[settings-mode\]/);
  assert.match(stdout, /warning: others may look into ledger \(mode 755\) \[ledger-mode\]\n {4}chmod 700 ledger/);
  assert.match(
    stdout,
    /warning: the erasure ledger ledger is in the folder of the store, and is lost with it \[ledger\]/,
  );
});

test("a ledger's folder is not made, and one that cannot be is an error", async (t) => {
  const path = folder(t);
  const looked = (ledger: string) =>
    rouage(path, [
      "people.ts",
      "--set",
      "port=0",
      "--set",
      "storage=sqlite:people.db",
      "--set",
      `erasure_ledger=${ledger}`,
    ]);
  await looked("elsewhere/ledger");
  assert.ok(!existsSync(join(path, "elsewhere")));
  const { code, stdout } = await looked("people.ts/ledger");
  assert.equal(code, 1);
  assert.match(stdout, /error: the erasure ledger people\.ts\/ledger cannot be written \[ledger\]/);
});

test("indexes that are missing or that nothing declares", async (t) => {
  const path = folder(t);
  await store(join(path, "people.db"), [["age"]]);
  const { stdout } = await rouage(path, [
    "people.ts",
    "--set",
    "port=0",
    "--set",
    "storage=sqlite:people.db",
    "--set",
    "idempotency_seconds=0",
  ]);
  assert.match(stdout, /declared: index people by name \(1 rows\) \[indexes\]\n {4}rouage migrate does it/);
  assert.match(stdout, /declared: drop the index \w+ of people/);
});

test("a disk that is full or nearly so, a write-ahead log that does not shrink, a restore that was interrupted", async (t) => {
  const path = join(folder(t), "people.db");
  await using storage = await openStorage(`sqlite:${path}`, { clock: systemClock });
  await storage.define([{ resource: "people", indexes: [], unique: [] }]);
  assert.match(words(examineFile(path, { fullBytes: Number.MAX_SAFE_INTEGER }))[0] ?? "", /^error disk: .* MB free/);
  assert.match(
    words(examineFile(path, { scarceBytes: Number.MAX_SAFE_INTEGER }))[0] ?? "",
    /^warning disk: .* MB free/,
  );
  assert.match(words(examineFile(path, { walBytes: 1 }))[0] ?? "", /^warning wal: the write-ahead log of/);
  assert.deepEqual(examineFile(path), []);
  mkdirSync(join(path, "..", ".restoring-people"));
  writeFileSync(join(path, "..", ".restoring-people", "ready.json"), "[]");
  assert.match(words(examineFile(path))[0] ?? "", /^error restore: a restore of people into .* was interrupted/);
});

test("a disk without room", { skip: existsSync("/dev/full") ? false : "needs a device that is full" }, () => {
  const found = words(examineFile("/proc/people.db"));
  assert.match(found.join("\n"), /^error disk: the disk of \/proc has 0 MB free/m);
});

test("a cache that does not answer, a port that is taken, an address that is not ours", async (t) => {
  const path = folder(t);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as { readonly port: number };
  const patient = { name: "people", storage: `sqlite:${path}/people.db`, environment: {} };
  assert.match(
    words(await examine({ ...patient, cache: "redis://127.0.0.1:1" }))[0] ?? "",
    /^error cache: the cache cannot be used: connect ECONNREFUSED/,
  );
  assert.match(
    words(await examine({ ...patient, host: "127.0.0.1", port }))[0] ?? "",
    /^warning port: somebody listens on port/,
  );
  assert.match(
    words(await examine({ ...patient, host: "203.0.113.7", port }))[0] ?? "",
    /^error port: 203\.0\.113\.7 is no address of this machine/,
  );
  assert.deepEqual(await examine(patient), []);
});

test("in production: memory, and a log that says too much", async () => {
  const environment = { NODE_ENV: "production" };
  const found = words(await examine({ name: "people", storage: "memory:", logLevel: "debug", environment }));
  assert.match(found[0] ?? "", /^error storage: with NODE_ENV=production everything is kept in memory/);
  assert.match(found[1] ?? "", /^warning log: .* at level debug/);
  assert.deepEqual(await examine({ name: "people", storage: "memory:", logLevel: "debug", environment: {} }), []);
});

test("memory with several workers, which does not start", async () => {
  const memory = { name: "people", storage: "memory:", environment: {} };
  assert.match(
    words(await examine({ ...memory, workers: 2 }))[0] ?? "",
    /^error workers: the storage memory: is in one/,
  );
  assert.match(words(await examine({ ...memory, workers: 0 }))[0] ?? "", /^error workers: /);
  assert.deepEqual(await examine({ ...memory, workers: 1 }), []);
  assert.deepEqual(await examine({ ...memory, storage: "sqlite:nowhere/people.db", workers: 2 }), []);
});

test("an old runtime, and a URL that is none", async () => {
  assert.match(words(await examineStore("sqlite:"))[0] ?? "", /^error storage: .*not a storage URL: "sqlite:"/);
  assert.match(words(examineRuntime("v20.11.0"))[0] ?? "", /^error runtime: Node\.js v20\.11\.0 is older than 26/);
  assert.deepEqual(examineRuntime("v26.0.0"), []);
  assert.match(
    words(await examineStore("nosuch://x"))[0] ?? "",
    /^error storage: the storage cannot be used: not a storage URL/,
  );
});

/** Where a package is not installed. */
function withoutDriver(t: TestContext, name: string, url: string) {
  const hooks = `import { registerHooks } from "node:module"; registerHooks({ resolve(name, context, next) { if (name === ${JSON.stringify(name)}) throw new Error("not installed"); return next(name, context); } });`;
  return rouage(folder(t), [url], {}, ["--import", `data:text/javascript,${encodeURIComponent(hooks)}`]);
}

describe("PostgreSQL", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  const isOwn = process.env.ROUAGE_TEST_POSTGRES === undefined;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  /** What is wrong beside that the server of the tests may lose everything. */
  const others = async (url: string, now?: () => number): Promise<readonly string[]> =>
    words(await examineStore(url, now === undefined ? {} : { now })).filter(
      (line) => !/durability|collation/.test(line),
    );

  test("a driver that is not installed", async (t) => {
    const { stdout } = await withoutDriver(t, "pg", "postgres://127.0.0.1:1/x");
    assert.match(stdout, /error: .*not installed.* \[driver\]\n {4}npm install pg/);
  });

  test("a URL with a wrong parameter, and a server that is not there", async () => {
    assert.match(
      words(await examineStore("postgres://h/d?pool=x"))[0] ?? "",
      /^error storage-url: storage: \?pool= is a whole number/,
    );
    assert.match(
      words(await examineStore("postgres://someone:geheim@127.0.0.1:1/x"))[0] ?? "",
      /^error server: 127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/,
    );
  });

  test("the password of a URL is not said, and what cannot be talked to by TLS is no server that is down", async (t) => {
    const { url } = stores.fresh();
    const secret = `${url.replace(/\/\/([^/@]*)@/, "//$1:geheim@")}`;
    const { stdout, stderr } = await rouage(folder(t), [secret, "--json"]);
    assert.match(JSON.parse(stdout).name, /^postgres:\/\/\*\*\*@/);
    assert.doesNotMatch(stdout + stderr, /geheim/);
    const withoutHost = "postgres://someone:geheim@127.0.0.1";
    const answersNo = createServer((socket) => {
      socket.on("error", () => {});
      // What a server says that has no TLS.
      socket.once("data", () => socket.write("N"));
    });
    await new Promise<void>((resolve) => answersNo.listen(0, "127.0.0.1", resolve));
    t.after(() => answersNo.close());
    const { port } = answersNo.address() as { readonly port: number };
    assert.match(
      words(await examineStore(`${withoutHost}:${port}/x?sslmode=verify-full`))[0] ?? "",
      /^error tls: 127\.0\.0\.1:\d+ cannot be talked to as \?sslmode= says: The server does not support SSL/,
    );
  });

  test("a healthy server, but for what the tests' server does without", async () => {
    const { url } = stores.fresh();
    const found = words(await examineStore(url));
    if (isOwn)
      assert.match(found.join("\n"), /^error durability: the server runs with fsync off: a power cut may cost/m);
    assert.deepEqual(await others(url), []);
    assert.equal((await stores.run(`SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'test_%'`))[0]?.[0], 0);
  });

  test("nobody of that name, no such database, not enough connections", { skip: !isOwn }, async () => {
    const { url } = stores.fresh();
    assert.match(
      (await others(url.replace("rouage@", "nobody_at_all@")))[0] ?? "",
      /^error authentication: .* does not let this role in: role "nobody_at_all"/,
    );
    assert.match(
      (await others(url.replace("/postgres?", "/nowhere?")))[0] ?? "",
      /^error database: .* has no such database/,
    );
    assert.match(
      (await others(`${url}&pool=999`))[0] ?? "",
      /^warning connections: one process takes up to 999 connections, the server has \d+ for all/,
    );
  });

  test("a clock that is far off", async () => {
    const { url } = stores.fresh();
    assert.match(
      (await others(url, () => Date.now() - 60_000))[0] ?? "",
      /^warning clock: the clock of this machine is (59|60|61) s behind the database's/,
    );
    assert.match((await others(url, () => Date.now() + 60_000))[0] ?? "", /^warning clock: .* ahead of/);
  });

  test("rights, an encoding, a role that may only read", { skip: !isOwn }, async () => {
    const { url, schema } = stores.fresh();
    const as = (role: string) => url.replace("rouage@", `${role}@`);
    await stores.run("CREATE ROLE small LOGIN");
    assert.match((await others(as("small")))[0] ?? "", /^error rights: the role small may not make the schema/);
    await stores.run(`CREATE SCHEMA "${schema}"`);
    assert.match(
      (await others(as("small")))[0] ?? "",
      /^error rights: the schema \w+ belongs to another role than small/,
    );
    await stores.run("CREATE ROLE reader LOGIN SUPERUSER");
    await stores.run("ALTER ROLE reader SET default_transaction_read_only = on");
    assert.match((await others(as("reader")))[0] ?? "", /^error server: the server takes no writes/);
    await stores.run("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
    assert.match(
      (await others(url.replace("/postgres?", "/ascii?")))[0] ?? "",
      /^error encoding: the database has the encoding SQL_ASCII/,
    );
  });

  test("a schema of a newer version, or of something else", async (t) => {
    const { url, schema, drop } = stores.fresh();
    t.after(drop);
    await (await openStorage(url, { clock: systemClock })).close();
    assert.deepEqual(await others(url), []);
    await stores.run(`UPDATE "${schema}".rouage_meta SET value = 99 WHERE key = 'schema'`);
    assert.match((await others(url))[0] ?? "", /^error storage-version: the schema \w+ was written by a newer version/);
    await stores.run(`DROP TABLE "${schema}".rouage_meta`);
    assert.match((await others(url))[0] ?? "", /^error schema: schema \w+ of this database holds something else/);
  });
});

describe("MongoDB", { skip: mongodb.withoutMongo() }, () => {
  let stores: mongodb.TestStores;
  before(async () => {
    stores = await mongodb.startTestStores();
  });
  after(() => stores?.[Symbol.asyncDispose]());

  /** What is wrong beside that the server of the tests is for tests. */
  const others = async (url: string, now?: () => number): Promise<readonly string[]> =>
    words(await examineStore(url, now === undefined ? {} : { now })).filter((line) => !/FerretDB/.test(line));

  test("a driver that is not installed, a URL with a wrong parameter, a server that is not there", async (t) => {
    const { stdout } = await withoutDriver(t, "mongodb", "mongodb://127.0.0.1:1/x");
    assert.match(stdout, /error: .*not installed.* \[driver\]\n {4}npm install mongodb/);
    assert.match(
      words(await examineStore("mongodb://h/d?w=1"))[0] ?? "",
      /^error storage-url: storage: \?w= is not for a URL to say/,
    );
    assert.match(
      words(await examineStore("mongodb://someone:ge:heim@127.0.0.1:1/x"))[0] ?? "",
      /^error storage-url: Password contains unescaped characters/,
    );
    const away = await examineStore("mongodb://someone:geheim@127.0.0.1:1/x?connect_timeout=1");
    assert.match(words(away)[0] ?? "", /^error server: 127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/);
    assert.doesNotMatch(JSON.stringify(away), /geheim/);
  });

  test("a healthy server, where nothing is made by looking", async () => {
    const { url, database } = stores.fresh();
    if (process.env.ROUAGE_TEST_MONGODB === undefined)
      assert.match(
        words(await examineStore(url)).join("\n"),
        /^warning server: the server is FerretDB v1\S+: for tests/,
      );
    assert.deepEqual(await others(url), []);
    assert.deepEqual(await database.listCollections().toArray(), []);
  });

  test("a clock that is far off, and a store of a newer version", async (t) => {
    const { url, database, drop } = stores.fresh();
    t.after(drop);
    assert.match(
      (await others(url, () => Date.now() - 60_000))[0] ?? "",
      /^warning clock: the clock of this machine is (59|60|61) s behind the database's/,
    );
    await (await openStorage(url, { clock: systemClock })).close();
    assert.deepEqual(await others(url), []);
    await database.collection<{ _id: string }>("rouage.meta").updateOne({ _id: "format" }, { $set: { version: 99 } });
    assert.match(
      (await others(url))[0] ?? "",
      /^error storage-version: the store rouage was written by a newer version of Rouage \(99;/,
    );
  });
});
