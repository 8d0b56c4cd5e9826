import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestServer, type TestServer } from "./test-server.ts";
import { withoutPostgres } from "./test-stores.ts";
import { parsePostgresUrl } from "./url.ts";

describe("erasing in PostgreSQL", { skip: withoutPostgres() }, () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ fsync: "off" });
  });
  after(() => server?.[Symbol.asyncDispose]());

  test("no file of a table holds the bytes afterwards, also not of the log, of indexes, or of versions replaced before", async () => {
    await using storage = await openStore("erase");
    await storage.define([{ resource: "things", indexes: [["n"]], unique: [["mail"]] }]);
    const list = { resource: "things", parent: "/p" };
    const secret = "Xq7vSecretWord";
    for (let round = 0; round < 3; round++) {
      await storage.commit(
        Array.from({ length: 50 }, (_, n) => ({
          kind: "put",
          key: { ...list, id: n % 2 === 0 ? `gone${n}` : `kept${n}` },
          body: JSON.stringify(n % 2 === 0 ? { n: `${secret}${round}`, mail: `${secret}${n}` } : { n, mail: n }),
          expect: { kind: "any" },
          permissions: { read: [`account:${n % 2 === 0 ? secret : "other"}`] },
        })),
      );
    }
    const admin = await connect(await loadDriver(), { url: parsePostgresUrl(server.url), setup: "SELECT 1" });
    await admin.run("ANALYZE");
    await admin.end();
    await checkpoint();
    assert.ok(filesWith(secret) > 0, "the test can fail");
    await storage.erase(Array.from({ length: 25 }, (_, n) => ({ ...list, id: `gone${2 * n}` })));
    await checkpoint();
    assert.equal(filesWith(secret), 0);
  });

  test("what was deleted before, in any list, is gone with the next erasure", async () => {
    await using storage = await openStore("deleted");
    await storage.define([
      { resource: "things", indexes: [], unique: [] },
      { resource: "mails", indexes: [["to"]], unique: [] },
    ]);
    const mail = { resource: "mails", parent: "", id: "m" };
    const thing = { resource: "things", parent: "", id: "t" };
    const secret = "Yp3kSecretAddress";
    const put = { kind: "put", body: JSON.stringify({ to: secret }), expect: { kind: "any" } } as const;
    await storage.commit([
      { ...put, key: mail, logBody: false },
      { ...put, key: thing, body: "{}" },
    ]);
    await storage.commit([{ kind: "delete", key: mail, expect: { kind: "any" } }]);
    await checkpoint();
    assert.ok(filesWith(secret) > 0, "the test can fail");
    await storage.erase([thing]);
    await checkpoint();
    assert.equal(filesWith(secret), 0);
  });

  test("a session that reads an old state is waited for; when it goes on, the erasure is unavailable and can be repeated", async () => {
    await using storage = await openStore("held");
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    const key = { resource: "things", parent: "", id: "t" };
    const secret = "Zq8wSecretThing";
    const write = () =>
      storage.commit([{ kind: "put", key, body: JSON.stringify({ secret }), expect: { kind: "any" } }]);
    const other = await connect(await loadDriver(), { url: parsePostgresUrl(server.url), setup: "SELECT 1" });
    const hold = () => other.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    await write();
    await hold();
    const erased = storage.erase([key]);
    // Nothing is left of the object for anybody, and its bytes wait for the reader.
    while ((await storage.get(key)) !== undefined) await new Promise((done) => setTimeout(done, 5));
    await other.run("COMMIT");
    assert.deepEqual(await erased, { objects: 1, tombstones: 0, logEntries: 1 });
    await checkpoint();
    assert.equal(filesWith(secret), 0);

    await write();
    await hold();
    await assert.rejects(storage.erase([key]), { code: "unavailable" });
    assert.equal(await storage.get(key), undefined);
    await other.run("COMMIT");
    await storage.erase([key]);
    await checkpoint();
    assert.equal(filesWith(secret), 0);
    await other.end();
  });

  const openStore = (schema: string) =>
    postgresStorage({ url: `${server.url}&schema=${schema}`, clock: systemClock, log: silentLogger });

  /** Files that were replaced go, those that are there are written. */
  async function checkpoint(): Promise<void> {
    const admin = await connect(await loadDriver(), { url: parsePostgresUrl(server.url), setup: "SELECT 1" });
    // What is left of samples that were replaced is PostgreSQL's own table.
    await admin.run("VACUUM FULL pg_statistic");
    await admin.run("CHECKPOINT");
    await admin.end();
  }

  /** Files of tables and indexes that have it. */
  function filesWith(text: string): number {
    try {
      return execFileSync("grep", ["-rlaF", text, join(server.folder, "data", "base")], { encoding: "utf8" })
        .trim()
        .split("\n").length;
    } catch {
      return 0;
    }
  }
});
