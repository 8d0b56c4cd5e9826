import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Filter, Sort } from "../filter.ts";
import { type Change, QueryTooCostly, type Storage } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

const rows = { resource: "rows", parent: "" };
const newest: readonly Sort[] = [{ field: "last_modified", direction: "descending" }];
const byText: readonly Sort[] = [{ field: "text", direction: "ascending" }, ...newest];
const equal = (field: string, value: string | number): Filter => ({ kind: "compare", field, operator: "eq", value });

async function filled(queryBudgetMs: number, run: (storage: Storage) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-budget-"));
  const storage = sqliteStorage({
    path: join(folder, "store.db"),
    clock: systemClock,
    log: silentLogger,
    queryBudgetMs,
  });
  try {
    await storage.define([{ resource: "rows", indexes: [["n"]], unique: [] }]);
    const put = (n: number): Change => ({
      kind: "put",
      key: { ...rows, id: `r${n}` },
      body: JSON.stringify({ n, text: `text ${n}` }),
      expect: { kind: "any" },
    });
    await storage.commit(Array.from({ length: 5000 }, (_, n) => put(n)));
    await run(storage);
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
}

test("a query that no index helps ends when its time is up", () =>
  // Less than two looks at the clock are apart.
  filled(1e-6, async (storage) => {
    await assert.rejects(
      storage.list(rows, { sort: newest, limit: 10, filter: equal("text", "none") }),
      QueryTooCostly,
    );
    await assert.rejects(storage.list(rows, { sort: byText, limit: 10 }), QueryTooCostly);
    await assert.rejects(storage.count(rows, equal("text", "none")), QueryTooCostly);
  }));

test("a query by an index, by revision or by id has all the time it needs", () =>
  filled(1e-6, async (storage) => {
    assert.equal((await storage.list(rows, { sort: newest, limit: 10, filter: equal("n", 7) })).length, 1);
    assert.equal((await storage.list(rows, { sort: newest, limit: 10 })).length, 10);
    assert.equal((await storage.list(rows, { sort: [{ field: "id", direction: "ascending" }], limit: 10 })).length, 10);
    assert.equal(await storage.count(rows), 5000);
  }));

test("a budget of 0 bounds nothing", () =>
  filled(0, async (storage) => {
    assert.equal((await storage.list(rows, { sort: byText, limit: 10, filter: equal("text", "text 9") })).length, 1);
  }));
