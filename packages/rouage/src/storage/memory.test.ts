import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { storageConformance } from "./conformance.ts";
import { memoryStorage } from "./memory.ts";
import type { Change } from "./storage.ts";

storageConformance("memory", async ({ clock }) => {
  const storage = memoryStorage({ clock });
  return { storage, cleanup: () => storage.close() };
});

const things = { resource: "things", parent: "" };
const put = (id: string): Change => ({ kind: "put", key: { ...things, id }, body: "{}", expect: { kind: "any" } });

test("a transaction that takes too long is taken back, and what is left of its work is refused", async () => {
  await using storage = memoryStorage({ clock: manualClock(), transactionLimitMs: 20 });
  await storage.define([{ resource: "things", indexes: [], unique: [] }]);
  const isExpired = (error: unknown) => ServiceError.is(error) && error.code === "deadline-exceeded";
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  let late: Promise<unknown> = Promise.resolve();
  const transaction = storage.transaction(async () => {
    await storage.commit([put("a")]);
    late = gate.then(() => storage.commit([put("b")]));
    await late;
  });
  const waiting = storage.commit([put("c")]);
  await assert.rejects(transaction, isExpired);
  await waiting;
  go();
  await assert.rejects(late, isExpired);
  assert.deepEqual(
    (await storage.list(things, { sort: [], limit: 9 })).map(({ id }) => id),
    ["c"],
  );
});
