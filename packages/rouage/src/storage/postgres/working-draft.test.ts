/** What transactions keep in the process and send late: any history of them ends as it does in memory, and costs few round trips. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { timeOrderedId } from "../../ids.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { assertHistoriesAsInMemory, historyDefinitions, historyTime } from "../conformance/histories.ts";
import type { Change, Storage } from "../storage.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";

describe("working drafts", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  async function inStore(run: (storage: Storage) => Promise<void>): Promise<void> {
    const { url, drop } = stores.fresh();
    const storage = await postgresStorage({ url, clock: manualClock(historyTime), log: silentLogger });
    try {
      await storage.define(historyDefinitions);
      await run(storage);
    } finally {
      await storage.close();
      await drop();
    }
  }

  const put = (id: string, body = "{}", isNew = false): Change => ({
    kind: "put",
    key: { resource: "boxes", parent: "", id },
    body,
    expect: { kind: "absent", isNew },
  });

  test("any transactions, with conflicts, parts that are taken back and reads between, end as in memory", () =>
    inStore((storage) => assertHistoriesAsInMemory(storage, 150)));

  test("more than is kept unsent goes out on the way, and is taken back with its part", () =>
    inStore(async (storage) => {
      const many = (prefix: string) => Array.from({ length: 1_500 }, (_, n) => put(`${prefix}${n}`, `{"n":${n}}`));
      await storage.transaction(async () => {
        for (const change of many("a")) await storage.commit([change]);
        await assert.rejects(
          storage.transaction(async () => {
            for (const change of many("b")) await storage.commit([change]);
            throw new Error("never mind");
          }),
          /never mind/,
        );
        assert.equal(await storage.count({ resource: "boxes", parent: "" }), 1_500);
      });
      assert.equal(await storage.count({ resource: "boxes", parent: "" }), 1_500);
      assert.equal((await Array.fromAsync(storage.log())).length, 1_500);
    }));

  test("an id that is called new and is not fails the transaction, and changes nothing", () =>
    inStore(async (storage) => {
      const id = timeOrderedId();
      await storage.commit([put(id, '{"n":1}')]);
      await assert.rejects(
        storage.transaction(() => storage.commit([put(id, '{"n":2}', true)])),
        (error) => ServiceError.is(error) && error.code === "unavailable",
      );
      const found = await storage.get({ resource: "boxes", parent: "", id });
      assert.equal(found?.kind === "object" && found.body, '{"n":1}');
    }));

  test("an object that the server cannot keep is the transaction's failure alone, of its data", () =>
    inStore(async (storage) => {
      const deep = `{"deep":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
      const outcomes = await Promise.allSettled([
        storage.transaction(() => storage.commit([put("a")])),
        storage.transaction(() => storage.commit([put("b", deep)])),
        storage.transaction(() => storage.commit([put("c")])),
      ]);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      assert.ok(outcomes[1]?.status === "rejected" && ServiceError.is(outcomes[1].reason));
      assert.equal(outcomes[1].reason.code, "invalid-parameters");
      assert.equal(await storage.count({ resource: "boxes", parent: "" }), 2);
    }));
});
