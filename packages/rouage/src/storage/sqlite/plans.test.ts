import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Filter, Sort } from "../filter.ts";
import type { ListQuery } from "../storage.ts";
import { type Database, openDatabase } from "./database.ts";
import { migrate } from "./migrations.ts";
import { listSql } from "./queries.ts";
import { defineResource, type SqliteResource } from "./resources.ts";

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

  test("no SQL text contains a value", () => {
    const secret = "s3cret'); DROP TABLE log; --";
    const filters: Filter[] = [
      compare("n", "eq", secret),
      { kind: "in", field: "v", values: [secret] },
      { kind: "like", field: "v", pattern: secret },
      { kind: "contains", field: "v", mode: "any", values: [secret, { a: secret }] },
      { kind: "owner", owner: secret },
    ];
    const query: ListQuery = {
      filter: { kind: "and", filters },
      sort: [{ field: "v", direction: "ascending" }],
      limit: 1,
    };
    assert.doesNotMatch(listSql(resource, secret, { ...query, after: [secret] }, new Set()).text, /s3cret/);
  });
});
