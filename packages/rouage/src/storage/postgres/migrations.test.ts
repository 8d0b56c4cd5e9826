import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { migrate, migrations } from "./migrations.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";
import { parsePostgresUrl } from "./url.ts";

describe("migrations in PostgreSQL", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  const open = (url: string) => postgresStorage({ url, clock: systemClock, log: silentLogger });

  async function migrated(schema: string, url: string, steps: typeof migrations) {
    const connection = await connect(await loadDriver(), { url: parsePostgresUrl(url), setup: "SELECT 1" });
    try {
      return await migrate(connection, { schema, now: 5, steps });
    } finally {
      await connection.end();
    }
  }

  test("steps run once, one after the other, also when several processes begin at once", async () => {
    const { url, schema } = stores.fresh();
    await migrated(schema, url, migrations);
    const more = [...migrations, () => "CREATE TABLE second (n int)", () => "ALTER TABLE second ADD m int"];
    const found = await Promise.all(Array.from({ length: 4 }, () => migrated(schema, url, more)));
    assert.equal(new Set(found.map(({ number }) => number)).size, 1);
    assert.deepEqual(
      found.map(({ created }) => created),
      [5, 5, 5, 5],
    );
    assert.deepEqual(await stores.run(`SELECT value FROM "${schema}".rouage_meta WHERE key = 'schema'`), [
      [more.length],
    ]);
  });

  test("a step that fails leaves what was there", async () => {
    const { url, schema } = stores.fresh();
    await migrated(schema, url, migrations);
    await assert.rejects(
      migrated(schema, url, [...migrations, () => "CREATE TABLE half (n int)", () => "SELECT 1 / 0"]),
    );
    assert.deepEqual(await stores.run(`SELECT to_regclass('"${schema}".half')`), [[null]]);
    await (await open(url)).close();
  });

  test("what a newer version wrote is refused", async () => {
    const { url, schema } = stores.fresh();
    await migrated(schema, url, [...migrations, () => "SELECT 1"]);
    await assert.rejects(open(url), /newer version/);
  });

  test("a schema of something else is refused and stays as it is", async () => {
    const { url, schema } = stores.fresh();
    await stores.run(`CREATE SCHEMA "${schema}"; CREATE TABLE "${schema}".lists (n int)`);
    await assert.rejects(open(url), /holds something else/);
    assert.equal(
      (
        await stores.run(
          `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '${schema}'`,
        )
      )[0]?.[0],
      1,
    );
  });

  test("schemas of any name are names", async () => {
    for (const name of ['it"s; DROP', "Größe", "select"]) {
      const { url } = stores.fresh();
      const odd = url.replace(/schema=\w+/, `schema=${encodeURIComponent(name)}`);
      await using storage = await open(odd);
      await storage.define([{ resource: "x", indexes: [["a"]], unique: [] }]);
      await storage.commit([
        { kind: "put", key: { resource: "x", parent: "", id: "a" }, body: '{"a":[1]}', expect: { kind: "any" } },
      ]);
      assert.equal(
        await storage.count({ resource: "x", parent: "" }, { kind: "compare", field: "a", operator: "eq", value: [1] }),
        1,
      );
    }
  });

  test("a new unique constraint that objects break already is refused, and indexes follow the declaration", async () => {
    const { url, schema } = stores.fresh();
    await using storage = await open(url);
    await storage.define([{ resource: "x", indexes: [["a"]], unique: [] }]);
    for (const id of ["a", "b"]) {
      await storage.commit([
        { kind: "put", key: { resource: "x", parent: "", id }, body: '{"u":1}', expect: { kind: "any" } },
      ]);
    }
    await assert.rejects(
      storage.define([{ resource: "x", indexes: [], unique: [["u"]] }]),
      /already share values of u/,
    );
    const indexes = async () =>
      (
        await stores.run(
          `SELECT count(*) FROM pg_indexes WHERE schemaname = '${schema}' AND indexname LIKE '%\\_f\\_%'`,
        )
      )[0]?.[0];
    assert.equal(await indexes(), 1);
    await storage.define([{ resource: "x", indexes: [["b"], ["c", "d"]], unique: [] }]);
    assert.equal(await indexes(), 2);
  });
});
