import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../clock.ts";
import { openStorage } from "../storage/open.ts";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

const declaration = peopleService(`indexes: ["name"],`);

const definition = { resource: "people", indexes: [["name"]], unique: [] };
const put = (id: string) => ({
  ...{ kind: "put" as const, key: { resource: "people", parent: "", id }, body: JSON.stringify({ name: id }) },
  expect: { kind: "any" as const },
});

async function place(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), "copy-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, "people.ts"), declaration);
  const one = await openStorage(`sqlite:${join(path, "one.db")}`, { clock: systemClock });
  t.after(() => one.close());
  await one.define([definition, { resource: "consumers", indexes: [], unique: [] }]);
  await one.commit(["ann", "bob", "cem"].map(put));
  await one.commit([
    { kind: "delete", key: { resource: "people", parent: "", id: "bob" }, expect: { kind: "any" } },
    { ...put("x"), key: { resource: "consumers", parent: "", id: "mail" } },
  ]);
  const rouage = (...args: string[]) => run(process.execPath, [main, ...args], { cwd: path });
  const failed = (...args: string[]): Promise<string> =>
    rouage(...args).then(
      () => assert.fail("it was done"),
      ({ code, stderr }) => `${code} ${stderr}`,
    );
  const indexes = (file: string): number => {
    using connection = new DatabaseSync(join(path, file), { readOnly: true });
    return Number(connection.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name LIKE '%_f_%'").get()?.n);
  };
  return { path, one, rouage, failed, indexes };
}

test("a store is copied by its URL alone while it is open, compared, and keeps its indexes", async (t) => {
  const { path, rouage, failed, indexes } = await place(t);
  const { stderr } = await rouage("copy", "sqlite:one.db", "sqlite:two.db");
  assert.match(
    stderr,
    /^copied 2 objects, 1 tombstones, 1 lists and 0 groups; 3 were written\ncompared 3 entries of 1 lists\nboth stores hold the same: sha256 [0-9a-f]{64}\n$/,
  );
  assert.deepEqual([indexes("one.db"), indexes("two.db")], [1, 0]);
  await using two = await openStorage(`sqlite:${join(path, "two.db")}`, { clock: systemClock });
  await two.define([definition]);
  assert.deepEqual(
    (await Array.fromAsync(two.scan("people", { tombstones: true }))).map(({ id, kind }) => [id, kind]),
    [
      ["ann", "object"],
      ["bob", "tombstone"],
      ["cem", "object"],
    ],
  );
  const log = await Array.fromAsync(two.log());
  assert.deepEqual(
    log.map(({ action, body }) => [action, body]),
    [
      ["create", undefined],
      ["create", undefined],
    ],
    "nobody knows which bodies may be in the log",
  );
  assert.match(await failed("copy", "sqlite:one.db", "sqlite:two.db"), /^1 rouage: the target is not empty/);
});

test("with the service's file its declared indexes and bodies in the log come along", async (t) => {
  const { path, rouage, indexes } = await place(t);
  await rouage("copy", "sqlite:one.db", "people.ts", "--set", "storage=sqlite:two.db");
  assert.equal(indexes("two.db"), 1);
  await using two = await openStorage(`sqlite:${join(path, "two.db")}`, { clock: systemClock });
  const [first] = await Array.fromAsync(two.log());
  assert.equal(first?.body, '{"name":"ann"}');
});

test("a source that is written to meanwhile is refused, and brought up to date by a second run", async (t) => {
  const { one, rouage, failed } = await place(t);
  for (let n = 0; n < 4_000; n += 500)
    await one.commit(Array.from({ length: 500 }, (_, index) => put(`p${n + index}`)));
  const busy = new AbortController();
  const writing = (async () => {
    for (let n = 0; !busy.signal.aborted; n++) await one.commit([put(`late-${n}`)]);
  })();
  const said = await failed("copy", "sqlite:one.db", "sqlite:two.db");
  busy.abort();
  await writing;
  assert.match(said, /1 .*the source was written to meanwhile \(\d+ entries of its log\).*--update/s);
  const { stderr } = await rouage("copy", "sqlite:one.db", "sqlite:two.db", "--update");
  assert.match(stderr, /both stores hold the same/);
});

test("what is wrong with a call is said", async (t) => {
  const { failed } = await place(t);
  assert.match(await failed("copy", "sqlite:one.db"), /^2 rouage: copy takes two stores/);
  assert.match(await failed("copy", "sqlite:one.db", "sqlite:one.db"), /^2 rouage: both are the same store/);
  assert.match(await failed("copy", "sqlite:none.db", "sqlite:two.db"), /^1 rouage: .*none\.db/);
});
