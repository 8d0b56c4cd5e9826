import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fewAtOnce } from "./few-at-once.ts";

const numbers = Array.from({ length: 100 }, (_, index) => index);

test("answers come in the order of the questions, of which few are under way at the same time", async () => {
  let underWay = 0;
  let highest = 0;
  const answers = await fewAtOnce(numbers, async (number) => {
    highest = Math.max(highest, ++underWay);
    // Later ones are answered first.
    for (let turns = number % 5; turns < 5; turns++) await nextTurn();
    underWay--;
    return number * 2;
  });
  assert.deepEqual(
    answers,
    numbers.map((number) => number * 2),
  );
  assert.equal(highest, 16);
});

test("after one that fails none is begun", async () => {
  let begun = 0;
  const failing = fewAtOnce(numbers, async (number) => {
    begun++;
    await nextTurn();
    if (number === 3) throw new Error("three");
  });
  await assert.rejects(failing, /three/);
  await nextTurn();
  assert.ok(begun < numbers.length, `${begun} were begun`);
});

test("nothing is asked where there is nothing", async () => {
  assert.deepEqual(await fewAtOnce([], () => Promise.reject(new Error("asked"))), []);
});
