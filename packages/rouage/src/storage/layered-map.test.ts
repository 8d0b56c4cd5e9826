import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LayeredMap, type MapLike } from "./layered-map.ts";

type Step = readonly ["set", number, number] | readonly ["delete", number] | readonly ["clear"];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant("set" as const), fc.nat(9), fc.nat(99)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("delete" as const), fc.nat(9)) },
  { weight: 1, arbitrary: fc.constant(["clear"] as const) },
);

function perform(map: MapLike<number, number>, [kind, key, value]: Step): void {
  if (kind === "set") map.set(key, value);
  else if (kind === "delete") map.delete(key);
  else map.clear();
}

const sorted = (map: MapLike<number, number>) => [...map].sort(([a], [b]) => a - b);

test("layers over layers read as a copy would, leave what is below alone, and settle into it", () => {
  fc.assert(
    fc.property(fc.array(step), fc.array(step), fc.array(step), (first, second, third) => {
      const bottom = new Map<number, number>();
      for (const one of first) perform(bottom, one);
      const [under, copy] = [sorted(bottom), new Map(bottom)];
      const middle = new LayeredMap(bottom);
      for (const one of second) {
        perform(middle, one);
        perform(copy, one);
      }
      const between = sorted(copy);
      const top = new LayeredMap(middle);
      for (const one of third) {
        perform(top, one);
        perform(copy, one);
        assert.deepEqual(sorted(top), sorted(copy));
      }
      assert.equal(top.size, copy.size);
      for (let key = 0; key < 10; key++) {
        assert.equal(top.get(key), copy.get(key));
        assert.equal(top.has(key), copy.has(key));
      }
      assert.deepEqual([...top.keys()].sort(), [...copy.keys()].sort());
      assert.deepEqual([...top.values()].sort(), [...copy.values()].sort());
      assert.deepEqual([sorted(middle), sorted(bottom)], [between, under]);
      top.settle();
      assert.deepEqual([sorted(middle), sorted(bottom)], [sorted(copy), under]);
      middle.settle();
      assert.deepEqual(sorted(bottom), sorted(copy));
    }),
  );
});
