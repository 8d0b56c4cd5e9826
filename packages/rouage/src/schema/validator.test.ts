import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type TSchema, Type } from "typebox";
import { keywords } from "./keywords.ts";
import { textViolations } from "./text.ts";
import { compileSchema, maxViolations } from "./validator.ts";

function codes(schema: TSchema, value: unknown): readonly string[] {
  return compileSchema(schema)
    .violations(value)
    .map(({ name, code }) => `${name} ${code}`)
    .toSorted();
}

const cases: readonly (readonly [string, TSchema, unknown, readonly string[]])[] = [
  ["a wrong type", Type.Object({ a: Type.Number() }), { a: "1" }, ["a type"]],
  ["missing fields, each by name", Type.Object({ a: Type.Number(), b: Type.Null() }), {}, ["a required", "b required"]],
  [
    "an unknown field of an inner object",
    Type.Object({ a: Type.Object({}, { additionalProperties: false }) }),
    { a: { x: 1 } },
    ["a.x unknown-field"],
  ],
  [
    "an item of a list by its index",
    Type.Object({ a: Type.Array(Type.Integer({ minimum: 3 })) }),
    { a: [3, 1, "x"] },
    ["a.1 minimum", "a.2 type"],
  ],
  [
    "several violations of one field",
    Type.String({ minLength: 3, pattern: "^a" }),
    "b",
    ["null min-length", "null pattern"],
  ],
  [
    "lengths and counts",
    Type.Object({ s: Type.String({ maxLength: 1 }), l: Type.Array(Type.Null(), { minItems: 1 }) }),
    { s: "ab", l: [] },
    ["l min-items", "s max-length"],
  ],
  [
    "numbers out of bounds",
    Type.Object({ a: Type.Number({ exclusiveMaximum: 1 }), b: Type.Number({ multipleOf: 2 }) }),
    { a: 1, b: 3 },
    ["a exclusive-maximum", "b multiple-of"],
  ],
  [
    "an item twice",
    Type.Object({ a: Type.Array(Type.Unknown(), { uniqueItems: true }) }),
    {
      a: [
        { x: 1, y: 2 },
        { y: 2, x: 1 },
      ],
    },
    ["a unique-items"],
  ],
  ["a choice of constants as one violation", Type.Union([Type.Literal("x"), Type.Literal("y")]), "z", ["null enum"]],
  [
    "the branch of a union that was meant",
    Type.Union([
      Type.Object({ kind: Type.Literal("a"), n: Type.Number() }),
      Type.Object({ kind: Type.Literal("b"), s: Type.String() }),
    ]),
    { kind: "a" },
    ["n required"],
  ],
  ["a union of which no branch was meant", Type.Union([Type.String(), Type.Null()]), 3, ["null any-of"]],
  [
    "formats",
    Type.Object({
      e: Type.String({ format: "email" }),
      d: Type.String({ format: "date" }),
      t: Type.String({ format: "date-time" }),
      u: Type.String({ format: "uri" }),
      i: Type.String({ format: "uuid" }),
    }),
    { e: "x", d: "2026-02-30", t: "yesterday", u: "no uri", i: "1" },
    ["d format", "e format", "i format", "t format", "u format"],
  ],
];

describe("violations", () => {
  for (const [what, schema, value, expected] of cases)
    test(`name ${what}`, () => assert.deepEqual(codes(schema, value), expected));

  test("accept what the formats allow", () => {
    const formats = {
      e: "ann@example.org",
      d: "2024-02-29",
      t: "2026-01-01T00:00:00Z",
      u: "https://example.org/a?b",
      i: crypto.randomUUID(),
    };
    const names = { e: "email", d: "date", t: "date-time", u: "uri", i: "uuid" };
    for (const [key, value] of Object.entries(formats))
      assert.deepEqual(codes(Type.String({ format: names[key as keyof typeof names] }), value), []);
  });

  test("are bounded, however much is wrong", () => {
    const { violations } = compileSchema(Type.Array(Type.Number()));
    assert.equal(violations(Array.from({ length: 5000 }, () => "x")).length, maxViolations);
  });

  test("exist when an inner object has more unknown fields than are listed", () => {
    const schema = Type.Object({ a: Type.Object({}, { additionalProperties: false }) });
    const a = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, 1]));
    assert.equal(compileSchema(schema).violations({ a }).length, maxViolations);
  });

  test("of a hundred thousand equal items are found in linear time", () => {
    const { violations } = compileSchema(Type.Array(Type.Number(), { uniqueItems: true }));
    const started = performance.now();
    assert.equal(violations(Array.from({ length: 100_000 }, () => 1)).length, 1);
    // Quadratic work would take minutes.
    assert.ok(performance.now() - started < 5000);
  });

  test("exist exactly when the value does not fit", () => {
    const schema = Type.Object({
      a: Type.Optional(Type.Union([Type.Number(), Type.Array(Type.String(), { uniqueItems: true })])),
    });
    const compiled = compileSchema(schema);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const wrapped = { a: value };
        assert.equal(compiled.violations(wrapped).length === 0, compiled.check(wrapped));
      }),
    );
  });

  test("have a kebab-case code for every keyword, and a description", () => {
    for (const { code, describe } of Object.values(keywords)) {
      assert.match(code, /^[a-z]+(-[a-z]+)*$/);
      assert.ok(describe({}).length > 0);
    }
  });
});

describe("text that cannot be stored", () => {
  const of = (object: unknown) =>
    textViolations(JSON.stringify(object), object).map(({ name, code }) => `${name} ${code}`);

  test("is found wherever it is", () => {
    assert.deepEqual(of({ a: { b: ["x", "null\0byte"] } }), ["a.b.1 invalid-character"]);
    assert.deepEqual(of({ a: "half \ud800" }), ["a invalid-character"]);
    assert.deepEqual(of(JSON.parse('{"a": {"__proto__": 1}}')), ["a field-name"]);
    assert.deepEqual(of({ "bad\0key": 1 }), ["null field-name"]);
    assert.deepEqual(of(JSON.parse('{"a": [1e400, null, -1e400]}')), ["a.0 number-range", "a.2 number-range"]);
  });

  test("is not seen in text that only looks like it", () => {
    assert.deepEqual(
      of({ a: "a backslash \\u0000", b: "tab\u0001", c: 'the name "__proto__"', d: "😀", e: "null", f: null }),
      [],
    );
  });
});
