import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MongoClient } from "mongodb";
import { optionsOf } from "./connect.ts";
import { parseMongoUrl } from "./url.ts";

/** What the driver makes of a URL. It connects to nothing yet. */
function optionsFor(text: string) {
  const url = parseMongoUrl(text);
  return new MongoClient(url.connection, optionsOf(url)).options;
}

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
      ["mongodb://ann:s3cret@h/x?nosuch=1", /\?nosuch= is no parameter of a URL of MongoDB/],
      ["mongodb://ann:s3cret@h/x?promoteValues=false", /\?promoteValues= is no parameter/],
      ["mongodb://ann:s3cret@h/x?maxPoolSize=1", /\?maxPoolSize= is at least 2/],
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

  test("cannot make writes less durable or reads less current, in whatever case, and not behind a value that is accepted", () => {
    for (const [query, message] of [
      ["w=0", /\?w= is not for a URL to say: answered writes are on most servers of a replica set \(w=majority\)/],
      ["w=1", /\?w= is not/],
      ["W=0", /\?W= is not/],
      ["w=majority&w=0", /\?w= is not/],
      ["journal=false", /\?journal= is not for a URL to say: answered writes are on the disk \(journal=true\)/],
      ["Journal=false", /\?Journal= is not/],
      ["j=false", /\?j= is not/],
      ["J=0", /\?J= is not/],
      ["fsync=false", /\?fsync= is no parameter/],
      ["wtimeoutMS=1", /\?wtimeoutMS= is not for a URL to say: say \?statement_timeout=/],
      ["readPreference=secondary", /\?readPreference= is not for a URL to say: reads are current, from the primary/],
      ["readpreference=nearest", /\?readpreference= is not/],
      ["readPreferenceTags=dc:a", /reads are current/],
      ["maxStalenessSeconds=100", /reads are current/],
      ["readConcernLevel=available", /reads are current/],
      ["serverSelectionTimeoutMS=1", /say \?connect_timeout=/],
    ] as const) {
      for (const scheme of ["mongodb", "mongodb+srv"])
        assert.throws(() => parseMongoUrl(`${scheme}://db.example/x?replicaSet=rs0&${query}`), { message });
    }
  });

  test("of one server, of a replica set and of a name in DNS all promise the same", () => {
    const copied = "retryWrites=true&w=majority&journal=true&readPreference=primary&appName=Cluster0";
    for (const url of [
      "mongodb://one/shop",
      "mongodb://one:27017,two:27018/shop?replicaSet=rs0",
      `mongodb://one,two/shop?replicaSet=rs0&${copied}`,
      `mongodb+srv://db.example/?${copied}`,
    ]) {
      const { writeConcern, readPreference, readConcern, retryWrites, socketTimeoutMS } = optionsFor(url);
      assert.deepEqual({ ...writeConcern }, { w: "majority", j: true, journal: true }, url);
      assert.deepEqual([readPreference.mode, readPreference.tags], ["primary", undefined]);
      assert.deepEqual([readConcern, retryWrites, socketTimeoutMS], [undefined, false, 8_000]);
    }
    const set = optionsFor("mongodb://ann:x@one:27017,two:27018/shop?replicaSet=rs0&authSource=admin");
    assert.deepEqual([set.hosts.map(String), set.replicaSet], [["one:27017", "two:27018"], "rs0"]);
    assert.deepEqual([set.credentials?.username, set.credentials?.source, set.tls], ["ann", "admin", undefined]);
    const named = optionsFor("mongodb+srv://db.example/shop");
    assert.deepEqual([named.srvHost, named.tls, named.appName], ["db.example", true, "rouage"]);
    assert.equal(optionsFor(`mongodb+srv://db.example/?${copied}`).appName, "Cluster0");
  });
});
