import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { postgresStorage } from "./postgres.ts";
import { parsePostgresUrl } from "./url.ts";

describe("URLs of PostgreSQL", () => {
  test("say where the server is, and how the store uses it", () => {
    assert.deepEqual(
      parsePostgresUrl(
        "postgresql://ann:s3cret@db:5433/shop?schema=kittens&pool=20&connect_timeout=2&statement_timeout=7&sslmode=verify-full",
      ),
      {
        connection: "postgres://ann:s3cret@db:5433/shop?sslmode=verify-full",
        schema: "kittens",
        pool: 20,
        connectTimeoutMs: 2_000,
        statementTimeoutMs: 7_000,
      },
    );
  });

  test("without parameters have the service's name as schema", () => {
    const { connection, schema, pool } = parsePostgresUrl("postgres://db/shop", "kittens");
    assert.deepEqual([connection, schema, pool], ["postgres://db/shop", "kittens", 10]);
    assert.equal(parsePostgresUrl("postgres://db/shop").schema, "rouage");
  });

  test("what others' drivers know is taken, so that a URL copied from elsewhere works", () => {
    const query = "sslmode=require&channel_binding=require&application_name=shop&target_session_attrs=read-write";
    assert.equal(parsePostgresUrl(`postgres://ann@db/shop?${query}`).connection, `postgres://ann@db/shop?${query}`);
  });

  test("a socket is named as a parameter", () => {
    assert.equal(
      parsePostgresUrl("postgres://ann@/shop?host=%2Frun%2Fpg").connection,
      "postgres://ann@/shop?host=%2Frun%2Fpg",
    );
  });

  test("what cannot be is refused, without the password", () => {
    for (const query of [
      "pool=5",
      "pool=x",
      "pool=-1",
      "connect_timeout=0",
      "schema=",
      "schema=public",
      "schema=pg_x",
      `schema=${"x".repeat(64)}`,
      "statement_timeout=1.5",
      "poll=20",
      "Pool=20",
      "types=x",
      "query_timeout=1",
    ]) {
      assert.throws(
        () => parsePostgresUrl(`postgres://ann:s3cret@db/shop?${query}`),
        (error: Error) =>
          /^storage: \?(pool|connect_timeout|schema|statement_timeout|poll|Pool|types|query_timeout)=/.test(
            error.message,
          ) && !error.message.includes("s3cret"),
        query,
      );
    }
    assert.throws(() => parsePostgresUrl("mysql://x"), /not a URL of PostgreSQL/);
  });
});

test("a URL that the driver cannot read is refused without quoting it", async () => {
  const url = "postgres://user:s3cret@127.0.0.1:99999999/x";
  await assert.rejects(postgresStorage({ url, clock: systemClock, log: silentLogger }), (error: Error) => {
    assert.match(error.message, /^storage: not a URL of PostgreSQL; special characters/);
    assert.doesNotMatch(inspect(error, { depth: null }), /s3cret/);
    return true;
  });
});
