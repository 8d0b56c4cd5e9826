/** The commands on stores, on a store in MongoDB, as one types them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { manualClock, systemClock } from "../clock.ts";
import { startTestStores, type TestStores, withoutMongo } from "../storage/mongodb/test-stores.ts";
import { openStorage } from "../storage/open.ts";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

const declaration = peopleService(`indexes: ["name"],`);

const list = { resource: "people", parent: "" };
const day = 86_400_000;

describe("commands on a store in MongoDB", { skip: withoutMongo() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores?.[Symbol.asyncDispose]());

  async function place(t: TestContext) {
    const path = mkdtempSync(join(tmpdir(), "mongodb-"));
    const { url, database, drop } = stores.fresh("?prefix=people");
    t.after(async () => {
      rmSync(path, { recursive: true, force: true });
      await drop();
    });
    writeFileSync(join(path, "people.ts"), declaration);
    writeFileSync(join(path, "people.toml"), `storage = ${JSON.stringify(url)}\nport = 0\nidempotency_seconds = 0\n`);
    const rouage = (...args: string[]) =>
      run(process.execPath, [main, ...args], { cwd: path }).then(
        ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
        ({ code, stdout, stderr }) => ({ code, said: `${stdout}${stderr}` }),
      );
    const ofService = (command: string, ...args: string[]) =>
      rouage(command, "people.ts", ...args, "--config", "people.toml");
    return { path, url, database, rouage, ofService };
  }

  /** Two objects, and a deletion forty days ago. */
  async function fill(url: string, indexes: readonly (readonly string[])[] = []): Promise<void> {
    const clock = manualClock(Date.now() - 40 * day);
    await using storage = await openStorage(url, { clock, name: "people" });
    await storage.define([{ resource: "people", indexes, unique: [] }]);
    for (const id of ["ann", "bob", "old"]) {
      const body = JSON.stringify({ name: id });
      await storage.commit([{ kind: "put", key: { ...list, id }, body, expect: { kind: "any" } }]);
    }
    await storage.commit([{ kind: "delete", key: { ...list, id: "old" }, expect: { kind: "any" } }]);
  }

  test("migrate says what would be done and does it; doctor says that it is missing, and then nothing but what the server is", async (t) => {
    const { url, ofService } = await place(t);
    await fill(url, [["age"]]);
    const planned =
      /^index people by name \(\d rows\)\ndrop the index objects_f_\w+ of people, which nothing declares\n/;
    const dry = await ofService("migrate", "--dry-run");
    assert.match(dry.said, planned);
    assert.match(dry.said, /nothing was done: this was a dry run\n$/);
    assert.match((await ofService("doctor")).said, /declared: index people by name/);
    assert.match((await ofService("start", "--set", "migrate=check")).said, /has to be migrated before/);
    assert.match((await ofService("migrate")).said, planned);
    assert.match((await ofService("migrate")).said, /^the store is up to date/);
    assert.doesNotMatch((await ofService("doctor")).said, /declared/);
  });

  test("verify says that it is whole, and what is not", async (t) => {
    const { url, database, rouage, ofService } = await place(t);
    assert.match((await rouage("verify", url)).said, /there is no store people in the database/);
    await fill(url, [["name"]]);
    const whole = {
      code: 0,
      said: /^2 objects and 1 tombstones in 1 lists, 0 groups, 4 entries of the log: all as they/,
    };
    for (const { code, said } of [await rouage("verify", url), await ofService("verify")]) {
      assert.equal(code, whole.code, said);
      assert.match(said, whole.said);
    }
    const objects = database.collection("people.objects.people");
    await objects.updateOne({ i: "bob" }, { $set: { b: '{"name":"ann"}' } });
    const damaged = await rouage("verify", url);
    assert.equal(damaged.code, 1);
    assert.match(damaged.said, /people "" "bob": is found by other values than it has\n/);
    assert.match(damaged.said, /people "" "bob": has another body than in entry \d+000001 of the log\n/);
  });

  test("copy there and back gives the same store; purge forgets old deletions; backup names the tool", async (t) => {
    const { path, url, rouage, ofService } = await place(t);
    await fill(`sqlite:${join(path, "first.db")}`);
    const there = await rouage("copy", "sqlite:first.db", url);
    assert.equal(there.code, 0, there.said);
    const back = await rouage("copy", url, "sqlite:back.db");
    assert.equal(back.code, 0, back.said);
    const sums = [there, back].map(({ said }) => /sha256 (\w+)/.exec(said)?.[1]);
    assert.ok(sums[0] !== undefined);
    assert.equal(sums[0], sums[1]);

    const fresh = stores.fresh("?prefix=people");
    t.after(fresh.drop);
    await fill(fresh.url, [["name"]]);
    assert.match((await rouage("purge", fresh.url, "--older-than", "30", "--dry-run")).said, /1/);
    assert.equal((await rouage("purge", fresh.url, "--older-than", "30")).code, 0);
    await using storage = await openStorage(fresh.url, { clock: systemClock, asFound: true });
    assert.deepEqual(
      (await Array.fromAsync(storage.scan("people", { tombstones: true }))).map(({ id }) => id),
      ["ann", "bob"],
    );
    const refused = await ofService("backup", "backups");
    assert.equal(refused.code, 1);
    assert.match(refused.said, /mongodb: is backed up by its own tools \(mongodump\)/);
  });
});
