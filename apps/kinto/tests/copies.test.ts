/** Stores written out, read in, and copied from a running server, as operators do it. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clientOf } from "./support/kinto-http.ts";
import { runProcess, startProcess, storeFor } from "./support/process.ts";

const ini = `
[server:main]
port = 0
[app:main]
STORE
kinto.userid_hmac_secret = aea10d8733
kinto.includes = kinto.plugins.history
`;

async function inFolders(count: number, work: (...folders: readonly string[]) => Promise<void>): Promise<void> {
  const folders = await Promise.all(Array.from({ length: count }, () => mkdtemp(join(tmpdir(), "kinto-copies-"))));
  try {
    await using stores = new AsyncDisposableStack();
    for (const folder of folders) {
      const { line } = stores.use(await storeFor(folder));
      await writeFile(join(folder, "kinto.ini"), ini.replace("STORE", line));
    }
    await work(...folders);
  } finally {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
}

async function filled(remote: string): Promise<void> {
  const client = clientOf(remote, "alice");
  await client.createBucket("b", { permissions: { read: ["system.Everyone"] } });
  await client.bucket("b").createCollection("c");
  const collection = client.bucket("b").collection("c");
  await collection.batch((batch) => {
    for (let n = 0; n < 30; n++) batch.createRecord({ n });
  });
  await collection.createRecord({ id: "gone" });
  await collection.deleteRecord("gone");
}

async function contents(remote: string) {
  const client = clientOf(remote, "alice");
  const collection = client.bucket("b").collection("c");
  const { data, last_modified } = await collection.listRecords({ since: "0", pages: Number.POSITIVE_INFINITY });
  return { data, last_modified, permissions: await client.bucket("b").getPermissions() };
}

test("dump and load: the same store again, history included", () =>
  inFolders(2, async (one = "", two = "") => {
    const first = await startProcess(["kinto.ini"], { folder: one });
    await filled(first.remote);
    const expected = await contents(first.remote);
    const history = (await clientOf(first.remote, "alice").bucket("b").listHistory()).data;
    await first.end();
    const dump = join(one, "dump.jsonl");
    const dumped = await runProcess(["dump", "kinto.ini", "--out", dump], { folder: one });
    assert.equal(dumped.code, 0, dumped.errors);
    assert.equal((await stat(dump)).mode & 0o777, 0o600);
    const printed = await runProcess(["dump", "kinto.ini"], { folder: one });
    assert.equal(printed.output.split("\n").length, (await readFile(dump, "utf8")).split("\n").length);

    const loaded = await runProcess(["load", "kinto.ini", "--in", dump], { folder: two });
    assert.equal(loaded.code, 0, loaded.errors);
    assert.match(loaded.errors, /loaded \d+ objects and 1 tombstones of kinto/);
    const again = await runProcess(["load", "kinto.ini", "--in", dump], { folder: two });
    assert.equal(again.code, 1);
    assert.match(again.errors, /not empty/);
    const second = await startProcess(["kinto.ini"], { folder: two });
    try {
      assert.deepEqual(await contents(second.remote), expected);
      assert.deepEqual((await clientOf(second.remote, "alice").bucket("b").listHistory()).data, history);
    } finally {
      await second.end();
    }
  }));

test("import: a running server copied, once more to catch up, with credentials from the environment", () =>
  inFolders(2, async (one = "", two = "") => {
    const from = await startProcess(["kinto.ini"], { folder: one });
    try {
      await filled(from.remote);
      const environment = { KINTO_IMPORT_AUTH: "alice:password of alice" };
      const run = (...args: readonly string[]) => runProcess(["import", ...args], { folder: two, environment });
      const imported = await run(from.remote, "kinto.ini");
      assert.equal(imported.code, 0, imported.errors);
      assert.match(
        imported.errors,
        /^imported 33 new and 0 changed objects and deletions; 0 were here already, 0 are newer here\n$/,
      );
      assert.match(
        (await run(from.remote, "kinto.ini")).errors,
        /imported 0 new and 0 changed .* 33 were here already/,
      );
      const expected = await contents(from.remote);
      const to = await startProcess(["kinto.ini"], { folder: two });
      try {
        assert.deepEqual(await contents(to.remote), expected);
      } finally {
        await to.end();
      }
    } finally {
      await from.end();
    }
  }));

test("what is called wrongly is told", () =>
  inFolders(1, async (folder = "") => {
    for (const [args, code, message] of [
      [["import"], 2, /needs the URL/],
      [["import", "not a url", "kinto.ini"], 1, /URL of the server is expected/],
      [["dump", "kinto.ini", "--in", "x"], 2, /dump takes --out/],
      [["load", "kinto.ini", "--out", "x"], 2, /load takes --in/],
      [["load", "kinto.ini", "--in", "missing.jsonl"], 1, /missing.jsonl/],
    ] as const) {
      const { code: actual, errors } = await runProcess(args, { folder });
      assert.equal(actual, code, errors);
      assert.match(errors, message);
      assert.doesNotMatch(errors, /\n\s+at /, "no stack");
    }
  }));
