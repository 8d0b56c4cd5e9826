import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseMongoUrl } from "./url.ts";

describe("URLs of MongoDB", () => {
  test("say where the server is and how the store uses it; the rest is for the driver", () => {
    assert.deepEqual(
      parseMongoUrl(
        "mongodb://ann:p%40ss@one:27017,two/shop?prefix=kittens&connect_timeout=2&statement_timeout=7&tls=true&authSource=admin",
        "other",
      ),
      {
        connection: "mongodb://ann:p%40ss@one:27017,two/shop?tls=true&authSource=admin",
        database: "shop",
        prefix: "kittens",
        connectTimeoutMs: 2_000,
        statementTimeoutMs: 7_000,
      },
    );
  });

  test("without parameters the collections begin with the service's name, and the database is named like it where none is", () => {
    const { database, prefix, connection } = parseMongoUrl("mongodb+srv://db.example", "kittens");
    assert.deepEqual([database, prefix, connection], ["kittens", "kittens", "mongodb+srv://db.example/"]);
    assert.equal(parseMongoUrl("mongodb://h/").database, "rouage");
    assert.equal(parseMongoUrl("mongodb://h/a%2Db", "x").database, "a-b");
  });

  test("what cannot be is refused, without the password", () => {
    for (const [url, message] of [
      ["mongodb:x", /expected mongodb:/],
      ["mongodb://", /expected mongodb:/],
      ["mongodb://ann:s3cret@h/a.b", /name of at most 63 bytes/],
      ["mongodb://ann:s3cret@h/%zz", /name of at most 63 bytes/],
      [`mongodb://ann:s3cret@h/${"x".repeat(64)}`, /name of at most 63 bytes/],
      ["mongodb://ann:s3cret@h/x?prefix=a.b", /\?prefix=/],
      ["mongodb://ann:s3cret@h/x?prefix=system", /\?prefix=/],
      ["mongodb://ann:s3cret@h/x?connect_timeout=0", /\?connect_timeout= is a whole number from 1 to 600/],
      ["mongodb://ann:s3cret@h/x?statement_timeout=x", /\?statement_timeout=/],
      ["mongodb://ann:s3cret@h/x?w=1", /\?w= is not for a URL to say/],
      ["mongodb://ann:s3cret@h/x?readPreference=secondary", /\?readPreference=/],
    ] as const) {
      assert.throws(
        () => parseMongoUrl(url),
        (error: Error) => {
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /s3cret/);
          return true;
        },
      );
    }
  });
});
