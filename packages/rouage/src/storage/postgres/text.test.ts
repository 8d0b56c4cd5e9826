import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../json.ts";
import { compareStrings, compareValues } from "../evaluate.ts";
import { bindable, sortKey, storable } from "../sort-key.ts";
import { likePattern, storableJson } from "./text.ts";

const text = fc.string({
  unit: fc.constantFrom("a", "\0", "\u0001", "\u0002", "\ud800", "\udfff", "\ue000", "\ue001", "\uf8ff", "😀"),
  maxLength: 6,
});
const value = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;

describe("text for PostgreSQL", () => {
  test("what PostgreSQL can keep stays as it is, and nothing else comes out", () => {
    assert.equal(storable("plain é 😀"), "plain é 😀");
    fc.assert(
      fc.property(text, (odd) => {
        assert.ok(storable(odd).isWellFormed() && !storable(odd).includes("\0"));
        assert.ok(bindable(odd).isWellFormed() && !bindable(odd).includes("\0"));
      }),
    );
  });

  test("null characters and lone surrogates keep their place in the order of code points", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(Math.sign(compareStrings(storable(a), storable(b))), Math.sign(compareStrings(a, b)));
      }),
      { numRuns: 2_000 },
    );
  });

  test("keys are in the cross-type order", () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        assert.equal(Math.sign(compareStrings(sortKey(a), sortKey(b))), Math.sign(compareValues(a, b)));
      }),
      { numRuns: 3_000 },
    );
    assert.ok(sortKey(undefined) > sortKey({ z: 1 }));
  });

  test("keys of numbers are in the order of doubles", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (a, b) => {
        assert.equal(sortKey(a) < sortKey(b), a < b);
        assert.equal(sortKey(a) === sortKey(b), a === b);
      }),
      { numRuns: 3_000 },
    );
  });

  test("a body needs other text only where it has what jsonb refuses", () => {
    assert.equal(storableJson('{"a":"\\u00e9 \\n"}'), null);
    assert.equal(storableJson('{"a":"\\u0000"}'), '{"a":"\\u0001\\u0001"}');
    assert.equal(storableJson('{"\\ud800":["\\uDFFF"]}'), JSON.stringify({ "\ue000\ue001": ["\ue000\ue800"] }));
    assert.equal(storableJson('{"__proto__":{"a\\u0000":1}}'), '{"__proto__":{"a\\u0001\\u0001":1}}');
  });

  test("a pattern's own wildcards are text", () => {
    assert.equal(likePattern("100%"), "%100\\%%");
    assert.equal(likePattern("A_b*\\"), "a\\_b%\\\\");
  });
});
