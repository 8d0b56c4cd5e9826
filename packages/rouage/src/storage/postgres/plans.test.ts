import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Filter, Sort } from "../filter.ts";
import type { ListQuery } from "../storage.ts";
import { type Connection, connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { reachableSql } from "./permission-reader.ts";
import { postgresStorage } from "./postgres.ts";
import { listSql } from "./queries.ts";
import { defineResource, type PostgresResource } from "./resources.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";
import { parsePostgresUrl } from "./url.ts";

const definition = {
  resource: "things",
  indexes: [["n"], ["a.b"], ["kind", "n"], ['it\'s "odd"']],
  unique: [["email"]],
};

describe("PostgreSQL's plans", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  let connection: Connection;
  let resource: PostgresResource;

  before(async () => {
    stores = await startTestStores();
    const { url, schema } = stores.fresh();
    const storage = await postgresStorage({ url, clock: systemClock, log: silentLogger });
    await storage.define([definition]);
    await storage.commit(
      Array.from({ length: 4_000 }, (_, n) => ({
        kind: "put",
        key: { resource: "things", parent: "/p", id: `i${n}` },
        body: JSON.stringify({ n: n % 997, a: { b: n }, kind: `k${n % 5}`, 'it\'s "odd"': n, email: `${n}@x`, v: n }),
        expect: { kind: "absent" },
        permissions: { read: [n < 5 ? "few" : `other${n % 900}`] },
      })),
    );
    await storage.close();
    connection = await connect(await loadDriver(), {
      url: parsePostgresUrl(url),
      setup: `SET search_path TO "${schema}"`,
    });
    resource = await defineResource(connection.run, definition, '"und-x-icu"');
    await connection.run("ANALYZE");
  });

  after(async () => {
    await connection?.end();
    await stores[Symbol.asyncDispose]();
  });

  async function explain(text: string, values: readonly unknown[] = []): Promise<string> {
    const { rows } = await connection.run({ text: `EXPLAIN (COSTS OFF) ${text}`, values: values as never });
    return rows.map(([line]) => line).join("\n");
  }

  function plan(query: Partial<ListQuery>): Promise<string> {
    const { text, values } = listSql(resource, "/p", { sort: [], limit: 10, ...query }, false);
    return explain(text, values);
  }

  const compare = (field: string, operator: "eq" | "gt" | "le", value: string | number | boolean | null): Filter => ({
    kind: "compare",
    field,
    operator,
    value,
  });
  const newest: Sort = { field: "last_modified", direction: "descending" };
  const indexScan = /(Index Scan (Backward )?using|Bitmap Index Scan on) objects_1_f_\w+/;

  for (const field of ["n", "a.b", 'it\'s "odd"', "email"]) {
    test(`equality of ${field} is searched for in its index, newest first without sorting`, async () => {
      for (const value of [1, "x", true]) {
        const found = await plan({ filter: compare(field, "eq", value), sort: [newest] });
        assert.match(found, /Index Scan using objects_1_f_\w+/);
        assert.match(found, /Index Cond: \(\(parent = .*\) AND .*rouage_key/);
        assert.doesNotMatch(found, /Sort/);
      }
    });

    test(`a small range of ${field} is searched for in its index`, async () => {
      const found = await plan({ filter: compare(field, "le", field === "email" ? "0@x" : 1), sort: [newest] });
      assert.match(found, indexScan);
      assert.match(found, /Index Cond: .*rouage_key/);
    });

    test(`a sort by ${field} is read from its index, and so is the next page`, async () => {
      const sort: Sort[] = [{ field, direction: "ascending" }, newest];
      for (const query of [{ sort }, { sort, after: [field === "email" ? "9" : 700, 123] }]) {
        const found = await plan(query);
        assert.match(found, /Index Scan using objects_1_f_\w+/);
        assert.doesNotMatch(found, /Sort/);
      }
    });
  }

  test("`in` is searched for in the index", async () => {
    assert.match(await plan({ filter: { kind: "in", field: "n", values: [1, 2, 3] } }), indexScan);
  });

  test("an index of two fields serves both", async () => {
    const found = await plan({
      filter: { kind: "and", filters: [compare("kind", "eq", "k1"), compare("n", "gt", 990)] },
    });
    assert.match(found, indexScan);
  });

  test("the default order and synchronisation read the revision's index, tombstones included", async () => {
    for (const query of [
      { sort: [newest] },
      { sort: [newest], after: [123] },
      { filter: compare("last_modified", "gt", 5), sort: [newest], tombstones: true },
    ]) {
      const found = await plan(query);
      assert.match(found, /Index Scan (Backward )?using objects_1_revision/);
      assert.doesNotMatch(found, /Sort/);
    }
  });

  test("what is shared with few is found by them", async () => {
    const filter: Filter = { kind: "shared", permissions: ["read"], principals: ["few", "nobody"] };
    assert.match(await plan({ filter, sort: [newest] }), /aces_principal/);
    for (const after of [undefined, ["things", "/p", "id1", "read"] as const]) {
      const { text, values = [] } = reachableSql({ principals: ["few", "g"], parent: "/p" }, after);
      assert.match(await explain(text, values), /(using|on) aces_principal/);
    }
  });

  test("no SQL text contains a value", () => {
    const secret = "s3cret'); DROP TABLE log; --";
    const filters: Filter[] = [
      compare("n", "eq", secret),
      { kind: "in", field: "v", values: [secret] },
      { kind: "like", field: "v", pattern: secret },
      { kind: "contains", field: "v", mode: "any", values: [secret, { a: secret }] },
      { kind: "owner", owner: secret },
      { kind: "shared", permissions: [secret], principals: [secret] },
    ];
    const query: ListQuery = {
      filter: { kind: "and", filters },
      sort: [{ field: "v", direction: "ascending" }],
      limit: 1,
    };
    assert.doesNotMatch(listSql(resource, secret, { ...query, after: [secret] }, true).text, /s3cret/);
  });
});
