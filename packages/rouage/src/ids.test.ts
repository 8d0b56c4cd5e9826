import assert from "node:assert/strict";
import { test } from "node:test";
import { randomId, timeOrderedId } from "./ids.ts";

test("ids are UUIDs of their version, and none comes twice", () => {
  for (const [make, version] of [
    [randomId, "4"],
    [timeOrderedId, "7"],
  ] as const) {
    const form = new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`);
    const made = Array.from({ length: 2_000 }, make);
    for (const id of made) assert.match(id, form);
    assert.equal(new Set(made).size, made.length);
  }
});

test("a later millisecond's id is greater, and tells its time", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: 0 });
  let last = "";
  for (const now of [0, 1, 255, 256, 65_536, 2 ** 32 - 1, 2 ** 32, 1_780_000_000_000, 2 ** 48 - 1]) {
    context.mock.timers.setTime(now);
    const id = timeOrderedId();
    assert.equal(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16), now);
    assert.ok(id > last);
    last = id;
  }
});

test("every digit that is not fixed takes every value", () => {
  const seen = Array.from({ length: 36 }, () => new Set<string>());
  for (let n = 0; n < 3_000; n++) for (const [place, digit] of [...randomId()].entries()) seen[place]?.add(digit);
  const sizes = seen.map(({ size }) => size);
  const expected = [..."xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"].map((kind) =>
    kind === "x" ? 16 : kind === "y" ? 4 : 1,
  );
  assert.deepEqual(sizes, expected);
});
