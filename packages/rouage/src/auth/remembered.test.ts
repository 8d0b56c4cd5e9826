import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { remembered } from "./remembered.ts";

test("what came lately is computed once", () => {
  let computed = 0;
  const upper = remembered((text) => {
    computed++;
    return text.toUpperCase();
  });
  assert.deepEqual([upper("a"), upper("b"), upper("a"), upper("b")], ["A", "B", "A", "B"]);
  assert.equal(computed, 2);
});

test("no more is kept than allowed, and what is asked for again and again stays", () => {
  const computed: string[] = [];
  const upper = remembered(
    (text) => {
      computed.push(text);
      return text.toUpperCase();
    },
    { most: 10 },
  );
  for (let n = 0; n < 100; n++) {
    assert.equal(upper("often"), "OFTEN");
    upper(`rare ${n}`);
  }
  assert.equal(computed.filter((text) => text === "often").length, 1);
  computed.length = 0;
  for (let n = 0; n < 100; n++) upper(`rare ${n}`);
  assert.ok(computed.length > 90, `${computed.length} were computed anew`);
});

test("long texts, and those without a result, are not kept", () => {
  let computed = 0;
  const count = (text: string) => {
    computed++;
    return text.length > 3 ? text : undefined;
  };
  const none = remembered(count, { longest: 5 });
  for (const text of ["ab", "ab", "abcdef", "abcdef"]) none(text);
  assert.equal(computed, 4);
});

test("it answers what the function itself would, for any texts in any order", () => {
  const length = (text: string) => `${text.length} ${text}`;
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 })), fc.integer({ min: 1, max: 8 }), (texts, most) => {
      const quick = remembered(length, { most, longest: 2 });
      for (const text of texts) assert.equal(quick(text), length(text));
    }),
  );
});
