import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Filter } from "../filter.ts";
import { QueryTooCostly, type Storage } from "../storage.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";

const things = { resource: "things", parent: "" };
const sort = [{ field: "id", direction: "ascending" }] as const;
/** Looks at every object, and finds none. */
const costly: Filter = {
  kind: "and",
  filters: Array.from({ length: 60 }, (_, n) => ({ kind: "like", field: `v${n}`, pattern: `*a*b*c*${n}` })),
};

describe("the budget of queries in PostgreSQL", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  let storage: Storage;
  before(async () => {
    stores = await startTestStores();
    const { url } = stores.fresh();
    storage = await postgresStorage({ url, clock: systemClock, log: silentLogger, queryBudgetMs: 30 });
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    const body = JSON.stringify(
      Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`v${n}`, `${"ab".repeat(20)}c${n}`])),
    );
    for (let n = 0; n < 3; n++) {
      await storage.commit(
        Array.from({ length: 1_000 }, (_, m) => ({
          kind: "put",
          key: { ...things, id: `${n}-${m}` },
          body,
          expect: { kind: "any" },
        })),
      );
    }
  });
  after(async () => {
    await storage?.close();
    await stores[Symbol.asyncDispose]();
  });

  const refused = async () => {
    const filter: Filter = { kind: "not", filter: { kind: "not", filter: costly } };
    await assert.rejects(
      storage.count(things, {
        kind: "or",
        filters: [filter, { kind: "and", filters: costly.kind === "and" ? costly.filters.toReversed() : [] }],
      }),
      QueryTooCostly,
    );
    await assert.rejects(
      storage.list(things, { filter: costly, sort: [{ field: "v1", direction: "ascending" }, ...sort], limit: 1 }),
      QueryTooCostly,
    );
  };

  test("ends lists and counts that take longer, and nothing else", async () => {
    await refused();
    assert.equal((await storage.list(things, { sort, limit: 10 })).length, 10);
    assert.equal((await Array.fromAsync(storage.scan("things", { filter: costly }))).length, 3_000);
  });

  test("inside of a transaction takes nothing else back", async () => {
    await storage.transaction(async () => {
      await storage.commit([{ kind: "put", key: { ...things, id: "kept" }, body: "{}", expect: { kind: "any" } }]);
      await refused();
      assert.equal((await storage.get({ ...things, id: "kept" }))?.kind, "object");
    });
    assert.equal((await storage.get({ ...things, id: "kept" }))?.kind, "object");
  });
});
