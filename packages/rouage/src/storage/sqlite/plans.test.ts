import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Filter, Sort } from "../filter.ts";
import type { ListQuery, LogQuery } from "../storage.ts";
import { type Database, openDatabase } from "./database.ts";
import { logSql } from "./log.ts";
import { migrate } from "./migrations.ts";
import { reachableSql } from "./permission-reader.ts";
import { listSql } from "./queries.ts";
import { defineResource, type SqliteResource } from "./resources.ts";
import { withSharedIds } from "./shared.ts";

describe("SQLite's plans", () => {
  let folder: string;
  let database: Database;
  let resource: SqliteResource;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "rouage-plans-"));
    database = openDatabase(join(folder, "store.db"));
    migrate(database.connection, { now: 1 });
    resource = defineResource(database, {
      resource: "things",
      indexes: [["n"], ["a.b"], ["kind", "n"], ['it\'s "odd"']],
      unique: [["email"]],
    });
  });

  after(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });

  /** Lines of the plan, with the index's own name replaced by its columns' count. */
  function plan(query: Partial<ListQuery>): string {
    const { text, values } = listSql(
      resource,
      "",
      { sort: [], limit: 10, ...query },
      new Set(["n", "a.b", "kind", "email"]),
    );
    return database.connection
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all(...values)
      .map(({ detail }) => String(detail))
      .join("\n");
  }

  const compare = (field: string, operator: "eq" | "gt" | "le", value: string | number | boolean | null): Filter => ({
    kind: "compare",
    field,
    operator,
    value,
  });
  const newest: Sort = { field: "last_modified", direction: "descending" };

  test("the log of resources is read in its order without sorting, that of one object through its index", () => {
    const planOf = (query: LogQuery): string => {
      const { text, values } = logSql(query);
      const rows = database.connection.prepare(`EXPLAIN QUERY PLAN ${text}`).all(0, 5_000, ...values);
      return rows.map(({ detail }) => String(detail)).join("\n");
    };
    for (const reverse of [false, true]) {
      const ofResources = planOf({ resources: ["things", "people"], reverse });
      assert.match(ofResources, /SEARCH log USING INTEGER PRIMARY KEY/);
      assert.doesNotMatch(ofResources, /TEMP B-TREE FOR ORDER BY/);
    }
    assert.match(planOf({ resources: ["things"], parent: "", id: "a" }), /USING INDEX log_object/);
  });

  for (const field of ["n", "a.b", 'it\'s "odd"', "email"]) {
    test(`equality of ${field} is searched for in its index, newest first without sorting`, () => {
      for (const value of [1, "x", true, null]) {
        const found = plan({ filter: compare(field, "eq", value), sort: [newest] });
        assert.match(found, /^SEARCH objects_1 USING INDEX objects_1_f_\w+ \(parent=\? AND r_\w+=\?/);
        if (value !== null) assert.doesNotMatch(found, /TEMP B-TREE/);
      }
    });

    test(`a range of ${field} is searched for in its index`, () => {
      for (const operator of ["gt", "le"] as const) {
        const found = plan({ filter: compare(field, operator, 5), sort: [newest] });
        assert.match(
          found,
          /SEARCH objects_1 USING INDEX objects_1_f_\w+ \(parent=\? AND \(r_\w+,v_\w+\)[<>]\(\?,\?\)/,
        );
      }
    });
  }

  for (const field of ["n", "a.b", "email"]) {
    test(`a sort by ${field} is read from its index, and so is the next page`, () => {
      const sort: Sort[] = [{ field, direction: "ascending" }, newest];
      assert.match(plan({ sort }), /^SEARCH objects_1 USING INDEX objects_1_f_\w+ \(parent=\?\)$/);
      assert.match(
        plan({ sort, after: [7, 123] }),
        /^SEARCH objects_1 USING INDEX objects_1_f_\w+ \(parent=\? AND \(r_\w+,v_\w+\)>\(\?,\?\)\)$/,
      );
    });
  }

  test("`in` is searched for in the index", () => {
    const found = plan({ filter: { kind: "in", field: "n", values: [1, 2, 3] } });
    assert.match(found, /SEARCH objects_1 USING INDEX objects_1_f_\w+ \(parent=\? AND r_\w+=\? AND v_\w+=\?\)/);
  });

  test("an index of two fields serves both", () => {
    const filter: Filter = { kind: "and", filters: [compare("kind", "eq", "x"), compare("n", "gt", 3)] };
    assert.match(
      plan({ filter }),
      /USING INDEX objects_1_f_\w+ \(parent=\? AND r_\w+=\? AND v_\w+=\? AND \(r_\w+,v_\w+\)>/,
    );
  });

  test("the default order and synchronisation read the revision's index, tombstones included", () => {
    assert.equal(plan({ sort: [newest] }), "SEARCH objects_1 USING INDEX objects_1_revision (parent=?)");
    assert.equal(
      plan({ sort: [newest], after: [123] }),
      "SEARCH objects_1 USING INDEX objects_1_revision (parent=? AND revision<?)",
    );
    const since = plan({ filter: compare("last_modified", "gt", 5), sort: [newest], tombstones: true });
    assert.match(since, /SEARCH objects_1 USING INDEX objects_1_revision \(parent=\? AND revision>\?\)/);
    assert.match(
      since,
      /SEARCH tombstones USING (COVERING )?INDEX tombstones_revision \(resource=\? AND parent=\? AND revision>\?\)/,
    );
    assert.doesNotMatch(since, /TEMP B-TREE/);
  });

  describe("of what is shared", () => {
    const list = { resource: "things", parent: "/p" };
    const sharedWith = (who: string): Filter => ({ kind: "shared", permissions: ["read"], principals: [who, "g"] });

    before(() => {
      const insert = database.prepare("INSERT INTO aces VALUES (?, 'things', '/p', ?, 'read')");
      database.connection.exec("BEGIN");
      for (let n = 0; n < 3_000; n++) insert.run(n < 5 ? "few" : "many", `id${n}`);
      database.connection.exec("COMMIT");
    });

    test("a few objects are looked up by their ids, whatever the order of the page", () => {
      const filter = withSharedIds(database, list, sharedWith("few"));
      for (const sort of [[newest], [{ field: "n", direction: "ascending" } as const]]) {
        assert.match(plan({ filter, sort }), /^SEARCH objects_1 USING INDEX objects_1_id \(parent=\? AND id=\?\)/);
        assert.match(
          plan({ filter: { kind: "and", filters: [compare("n", "gt", 3), filter] }, sort, after: [1] }),
          /^SEARCH objects_1 USING INDEX objects_1_id \(parent=\? AND id=\?\)/,
        );
      }
    });

    test("many are found in the order of the page, each by its own entries", () => {
      const filter = withSharedIds(database, list, sharedWith("many"));
      const found = plan({ filter, sort: [newest] });
      assert.match(found, /^SEARCH objects_1 USING INDEX objects_1_revision \(parent=\?\)/);
      assert.match(
        found,
        /SEARCH aces (EXISTS )?USING COVERING INDEX aces_object \(resource=\? AND parent=\? AND id=\?\)/,
      );
      assert.doesNotMatch(found, /TEMP B-TREE|SCAN (?!json_each)/);
    });

    test("what principals reach is read from the index by principal, and so is the next page", () => {
      for (const after of [undefined, ["things", "/p", "id1", "read"] as const]) {
        const { text, values } = reachableSql({ principals: ["few", "g"], parent: "/p/" }, after);
        const found = database.connection.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...values);
        assert.match(String(found[0]?.detail), /^SEARCH aces USING PRIMARY KEY \(principal=\?/);
      }
    });
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
    assert.doesNotMatch(listSql(resource, secret, { ...query, after: [secret] }, new Set()).text, /s3cret/);
  });
});
