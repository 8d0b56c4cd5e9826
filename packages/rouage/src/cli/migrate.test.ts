import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../clock.ts";
import { openStorage } from "../storage/open.ts";
import * as postgres from "../storage/postgres/migrations.ts";
import { startTestStores, type TestStores, withoutPostgres } from "../storage/postgres/test-stores.ts";
import * as sqlite from "../storage/sqlite/migrations.ts";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

const declaration = (indexes: readonly string[]) => peopleService(`indexes: ${JSON.stringify(indexes)},`);

function place(t: TestContext, url = "sqlite:people.db") {
  const path = mkdtempSync(join(tmpdir(), "migrate-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, "people.ts"), declaration(["name"]));
  writeFileSync(join(path, "people.toml"), `storage = ${JSON.stringify(url)}\nport = 0\nidempotency_seconds = 0\n`);
  const rouage = (...args: string[]) =>
    run(process.execPath, [main, ...args, "--config", "people.toml"], { cwd: path });
  const failed = (...args: string[]): Promise<string> =>
    rouage(...args).then(
      () => assert.fail("it was done"),
      ({ code, stderr, stdout }) => `${code} ${stdout}${stderr}`,
    );
  const fill = async (storage = url.replace("sqlite:", `sqlite:${path}/`)) => {
    await using store = await openStorage(storage, { clock: systemClock, name: "people" });
    await store.define([{ resource: "people", indexes: [["age"]], unique: [] }]);
    await store.commit(
      ["a", "b", "c"].map((id) => ({
        ...{ kind: "put", key: { resource: "people", parent: "", id }, body: '{"name":"x"}', expect: { kind: "any" } },
      })),
    );
  };
  return { path, rouage, failed, fill };
}

test("every step is named", () => {
  assert.equal(sqlite.migrationWords.length, sqlite.migrations.length);
  assert.equal(postgres.migrationWords.length, postgres.migrations.length);
});

test("a dry run says what would be done with how many rows, and does nothing; the real one does it", async (t) => {
  const { path, rouage, failed, fill } = place(t);
  await fill();
  const planned =
    /^index people by name \(3 rows\)\ndrop the index objects_1_f_\w+ of people, which nothing declares\n$/;
  for (let time = 0; time < 2; time++) {
    const { stdout, stderr } = await rouage("migrate", "people.ts", "--dry-run");
    assert.match(stdout, planned);
    assert.equal(stderr, "nothing was done: this was a dry run\n");
  }
  const refused = await failed("start", "people.ts", "--set", "migrate=check");
  assert.match(refused, /has to be migrated before .*\n {2}index people by name \(3 rows\)\n.*\nrun `rouage migrate`/);
  const { stdout, stderr } = await rouage("migrate", "people.ts");
  assert.match(stdout, planned);
  assert.equal(stderr, `the store is up to date (version ${sqlite.migrations.length})\n`);
  assert.match((await rouage("migrate", "people.ts")).stderr, /^the store is up to date/);
  const { default: definition } = await import(join(path, "people.ts"));
  const running = await definition.start({
    settings: { storage: `sqlite:${path}/people.db`, migrate: "check", log_level: "silent", idempotency_seconds: 0 },
  });
  await running.stop();
});

test("a file of each older version is said to be, refused by migrate=check, and brought up to date", async (t) => {
  const { path, rouage, failed } = place(t);
  for (let version = 1; version < sqlite.migrations.length; version++) {
    const file = join(path, "people.db");
    rmSync(file, { force: true });
    const old = new DatabaseSync(file);
    sqlite.migrate(old, { now: 5, steps: sqlite.migrations.slice(0, version) });
    old.exec(
      "INSERT INTO log (time, resource, parent, id, action, revision) VALUES (1, 'people', '', 'a', 'create', 7)",
    );
    old.close();
    const words = sqlite.migrationWords
      .slice(version)
      .map(
        (step) =>
          `version ${version} to ${sqlite.migrations.length}: ${step.words}${step.table === "log" ? " (1 rows)" : ""}`,
      );
    const dry = await rouage("migrate", "people.ts", "--dry-run");
    assert.deepEqual(dry.stdout.trim().split("\n"), [...words, "make the table of people"]);
    assert.match(await failed("start", "people.ts", "--set", "migrate=check"), /has to be migrated/);
    await rouage("migrate", "people.ts");
    assert.match((await rouage("migrate", "people.ts", "--dry-run")).stderr, /^the store is up to date/);
  }
});

test("a newer store is refused in words, a store that is not there yet is made, also with migrate=check", async (t) => {
  const { path, failed, rouage } = place(t);
  mkdirSync(join(path, "data"));
  const fresh = await rouage("migrate", "people.ts", "--set", "storage=sqlite:data/new.db", "--dry-run");
  assert.equal(fresh.stdout, `make a store of version ${sqlite.migrations.length}\nmake the table of people\n`);
  const { default: definition } = await import(join(path, "people.ts"));
  const settings = {
    storage: `sqlite:${path}/data/new.db`,
    migrate: "check",
    log_level: "silent",
    idempotency_seconds: 0,
  };
  await (await definition.start({ settings })).stop();
  const connection = new DatabaseSync(join(path, "data/new.db"));
  connection.exec("UPDATE meta SET value = 99 WHERE key = 'schema'");
  connection.close();
  for (const command of ["migrate", "start"])
    assert.match(
      await failed(command, "people.ts", "--set", "storage=sqlite:data/new.db"),
      /^1 rouage: .*new\.db was written by a newer version of Rouage \(its schema is 99/,
    );
});

test("two at the same time are safe", async (t) => {
  const { rouage, fill } = place(t);
  await fill();
  await Promise.all([rouage("migrate", "people.ts"), rouage("migrate", "people.ts"), rouage("migrate", "people.ts")]);
  assert.match((await rouage("migrate", "people.ts", "--dry-run")).stderr, /^the store is up to date/);
});

test("the URL of a store tells of its version alone, and drops nothing", async (t) => {
  const { path, rouage, fill } = place(t);
  await fill();
  const { stderr, stdout } = await run(process.execPath, [main, "migrate", "sqlite:people.db"], { cwd: path });
  assert.deepEqual(
    [stdout, /^the store is up to date .*the service's file would tell/.test(stderr)],
    ["", true],
    stderr,
  );
  assert.match((await rouage("migrate", "people.ts", "--dry-run")).stdout, /drop the index/);
});

describe("in PostgreSQL", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  test("indexes are planned, refused by migrate=check, and made, also by two at the same time", async (t) => {
    const { url, drop } = stores.fresh();
    t.after(drop);
    const { rouage, failed, fill } = place(t, url);
    const fresh = await rouage("migrate", "people.ts", "--dry-run");
    assert.match(fresh.stdout, /^make a store of version \d+\n/);
    await fill(url);
    assert.match(
      (await rouage("migrate", "people.ts", "--dry-run")).stdout,
      /^index people by name \(3 rows\)\ndrop the index/,
    );
    assert.match(await failed("start", "people.ts", "--set", "migrate=check"), /index people by name \(3 rows\)/);
    await Promise.all([rouage("migrate", "people.ts"), rouage("migrate", "people.ts")]);
    assert.match((await rouage("migrate", "people.ts")).stderr, /^the store is up to date/);
  });

  test("a newer schema is refused in words", async (t) => {
    const { url, schema, drop } = stores.fresh();
    t.after(drop);
    const { failed, fill } = place(t, url);
    await fill(url);
    await stores.run(`UPDATE "${schema}".rouage_meta SET value = 99 WHERE key = 'schema'`);
    assert.match(
      await failed("migrate", "people.ts"),
      /^1 rouage: schema \w+ was written by a newer version of Rouage/,
    );
  });
});
