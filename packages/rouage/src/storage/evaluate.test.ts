import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, compareStrings, compareValues, fieldValue, isLike, maximumPathDepth } from "./evaluate.ts";

test("strings are ordered as their UTF-8 bytes are", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
      assert.equal(Math.sign(compareStrings(a, b)), Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
    }),
  );
  assert.ok(compareStrings("\u{1f600}", "\uff5e") > 0, "where UTF-16 units would say the opposite");
});

test("lone surrogates are ordered by their number", () => {
  const points = (text: string) => [...text].map((point) => point.codePointAt(0) ?? 0);
  const unit = fc.constantFrom("\ud83d", "\ude00", "\ud83d\ude00", "\uffff", "z");
  fc.assert(
    fc.property(fc.string({ unit }), fc.string({ unit }), (a, b) => {
      const [left, right] = [points(a), points(b)];
      const at = left.findIndex((point, index) => point !== right[index]);
      const expected = at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1);
      assert.equal(Math.sign(compareStrings(a, b)), Math.sign(expected));
    }),
  );
});

test("values have a total order", () => {
  const json = fc.option(fc.jsonValue(), { nil: undefined }) as fc.Arbitrary<Parameters<typeof compareValues>[0]>;
  fc.assert(
    fc.property(json, json, json, (a, b, c) => {
      assert.equal(Math.sign(compareValues(a, b)), -Math.sign(compareValues(b, a)) + 0);
      assert.equal(compareValues(a, a), 0);
      if (compareValues(a, b) <= 0 && compareValues(b, c) <= 0) assert.ok(compareValues(a, c) <= 0);
    }),
  );
});

test("canonical text is the same for equal values, and parses back to them", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue() as fc.Arbitrary<null>), (object) => {
      const reversed = Object.fromEntries(Object.entries(object).reverse());
      assert.equal(canonicalJson(object), canonicalJson(reversed));
      assert.deepEqual(JSON.parse(canonicalJson(object)), JSON.parse(JSON.stringify(object)));
    }),
  );
});

test("a path descends a bounded number of levels", () => {
  const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
  const at = (levels: number) =>
    fieldValue({ id: "", revision: 1, value: nested(levels) }, Array.from({ length: levels }, () => "a").join("."));
  assert.equal(at(maximumPathDepth), 1);
  assert.equal(at(maximumPathDepth + 1), undefined);
});

test("a pattern is matched in time that grows with the text, not with the ways to match it", () => {
  const text = "a".repeat(100_000);
  const started = performance.now();
  assert.equal(isLike(`${"*a".repeat(30)}*b*`, text), false);
  assert.equal(isLike(`${"a*".repeat(30)}`, text), true);
  assert.ok(performance.now() - started < 1_000);
});
