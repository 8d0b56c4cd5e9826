import assert from "node:assert/strict";
import { test } from "node:test";
import { type Store, writerOf } from "./writer.ts";

test("readers share a moment without writers, wherever they stand in the line; a transaction has one for itself", async () => {
  const writer = writerOf({} as Store, () => {});
  const running = new Set<string>();
  const met: string[] = [];
  const work = (name: string) => async () => {
    running.add(name);
    await new Promise(setImmediate);
    met.push(`${name} with ${[...running].sort().join(" ")}`);
    await new Promise(setImmediate);
    running.delete(name);
  };
  await Promise.all([
    writer.alone(work("a"), true),
    writer.alone(work("transaction")),
    writer.alone(work("b"), true),
    writer.alone(work("c"), true),
  ]);
  assert.deepEqual(met, ["a with a b c", "b with a b c", "c with a b c", "transaction with transaction"]);
});
