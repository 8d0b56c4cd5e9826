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
    await using storage = await postgresStorage({
      url: `${server.url}&schema=erase`,
      clock: systemClock,
      log: silentLogger,
    });
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
    await admin.run("CHECKPOINT");
    assert.ok(filesWith(secret) > 0, "the test can fail");
    await storage.erase(Array.from({ length: 25 }, (_, n) => ({ ...list, id: `gone${2 * n}` })));
    // Samples of values that the planner held are replaced; what is left of the rows that had them is PostgreSQL's own table.
    await admin.run("VACUUM FULL pg_statistic");
    await admin.run("CHECKPOINT");
    assert.equal(filesWith(secret), 0);
    await admin.end();
  });

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
