import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createPatch } from "rfc6902";
import { ServiceError } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import { applyJsonPatch, maxOperations } from "./json-patch.ts";
import { applyMergePatch, applyPatch } from "./patch.ts";
import { failure } from "./testing.ts";

/** RFC 7396, appendix A: target, patch, result. */
const mergeCases: readonly (readonly [Json, Json, Json])[] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

/** RFC 6902, appendix A, and RFC 6901, section 4; `undefined`: refused. */
const jsonPatchCases: readonly (readonly [string, Json, readonly Json[], Json | undefined])[] = [
  ["A.1 adds a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
  [
    "A.2 adds an element",
    { foo: ["bar", "baz"] },
    [{ op: "add", path: "/foo/1", value: "q" }],
    { foo: ["bar", "q", "baz"] },
  ],
  ["A.3 removes a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  [
    "A.4 removes an element",
    { foo: ["bar", "qux", "baz"] },
    [{ op: "remove", path: "/foo/1" }],
    { foo: ["bar", "baz"] },
  ],
  [
    "A.5 replaces a value",
    { baz: "qux", foo: "bar" },
    [{ op: "replace", path: "/baz", value: "boo" }],
    { baz: "boo", foo: "bar" },
  ],
  [
    "A.6 moves a value",
    { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } },
    [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
    { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } },
  ],
  [
    "A.7 moves an element",
    { foo: ["all", "grass", "cows", "eat"] },
    [{ op: "move", from: "/foo/1", path: "/foo/3" }],
    { foo: ["all", "cows", "eat", "grass"] },
  ],
  [
    "A.8 tests values",
    { baz: "qux", foo: ["a", 2, "c"] },
    [
      { op: "test", path: "/baz", value: "qux" },
      { op: "test", path: "/foo/1", value: 2 },
    ],
    { baz: "qux", foo: ["a", 2, "c"] },
  ],
  ["A.9 refuses a failed test", { baz: "qux" }, [{ op: "test", path: "/baz", value: "bar" }], undefined],
  [
    "A.10 adds a nested object",
    { foo: "bar" },
    [{ op: "add", path: "/child", value: { grandchild: {} } }],
    { foo: "bar", child: { grandchild: {} } },
  ],
  [
    "A.12 refuses to add below what is not there",
    { foo: "bar" },
    [{ op: "add", path: "/baz/bat", value: "qux" }],
    undefined,
  ],
  ["A.14 unescapes ~1 after ~0", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
  ["A.15 tells a number from its text", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: "10" }], undefined],
  [
    "A.16 appends an array",
    { foo: ["bar"] },
    [{ op: "add", path: "/foo/-", value: ["abc", "def"] }],
    { foo: ["bar", ["abc", "def"]] },
  ],
  ["replaces the whole document", { foo: 1 }, [{ op: "replace", path: "", value: { bar: 2 } }], { bar: 2 }],
  ["moves to the same place", { foo: 1 }, [{ op: "move", from: "/foo", path: "/foo" }], { foo: 1 }],
  ["refuses to move a value into itself", { foo: { a: 1 } }, [{ op: "move", from: "/foo", path: "/foo/a" }], undefined],
  ["refuses an index with a leading zero", { foo: [1, 2] }, [{ op: "remove", path: "/foo/01" }], undefined],
  ["refuses an index behind the end", { foo: [1] }, [{ op: "add", path: "/foo/2", value: 1 }], undefined],
  ["refuses to replace what is not there", {}, [{ op: "replace", path: "/a", value: 1 }], undefined],
  ["refuses an unknown operation", {}, [{ op: "merge", path: "/a", value: 1 }], undefined],
  ["refuses an unknown attribute", {}, [{ op: "add", path: "/a", value: 1, force: true }], undefined],
  ["refuses a missing value", {}, [{ op: "add", path: "/a" }], undefined],
  ["refuses a missing path", {}, [{ op: "add", value: 1 }], undefined],
  ["refuses a path that is no pointer", {}, [{ op: "add", path: "a", value: 1 }], undefined],
  ["refuses a bad escape", {}, [{ op: "add", path: "/a~2", value: 1 }], undefined],
  ["refuses operations that are no objects", {}, [3], undefined],
  ["does not find inherited members", {}, [{ op: "test", path: "/toString", value: null }], undefined],
  ["does not find the length of an array", { a: [1] }, [{ op: "test", path: "/a/length", value: 1 }], undefined],
];

describe("merge patch (RFC 7396)", () => {
  for (const [target, patch, result] of mergeCases)
    test(`${JSON.stringify(patch)} on ${JSON.stringify(target)} gives ${JSON.stringify(result)}`, () => {
      assert.deepEqual(applyMergePatch(target, patch), result);
    });

  test("follows the RFC's pseudo code on any two documents", () => {
    const reference = (target: unknown, patch: unknown): unknown => {
      if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
      const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
      const result = new Map<string, unknown>(isObject ? Object.entries(target) : []);
      for (const [name, value] of Object.entries(patch)) {
        if (value === null) result.delete(name);
        else result.set(name, reference(result.get(name), value));
      }
      return Object.fromEntries(result);
    };
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
        const before = JSON.stringify([target, patch]);
        const result = applyMergePatch(target, patch as Json);
        assert.equal(JSON.stringify(result), JSON.stringify(reference(target, patch)));
        assert.equal(JSON.stringify([target, patch]), before, "its input was changed");
      }),
      { numRuns: 300 },
    );
  });

  test("a patch on __proto__ and constructor reaches no prototype", () => {
    const patch = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    for (const kind of ["merge", "merge-patch"] as const) applyPatch({ a: 1 }, { kind, data: patch });
    assert.equal("polluted" in {}, false);
  });
});

describe("JSON patch (RFC 6902)", () => {
  for (const [what, document, operations, result] of jsonPatchCases)
    test(what, async () => {
      if (result !== undefined) return assert.deepEqual(applyJsonPatch(document, operations), result);
      await failure(() => applyJsonPatch(document, operations), "invalid-parameters");
    });

  const document = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('"__proto__"'));

  test("the difference between any two documents, applied to the first, gives the second", () => {
    fc.assert(
      fc.property(document, document, (from, to) => {
        // A difference may need many operations; the bound is tested by itself.
        const difference = createPatch({ data: from }, { data: to }) as unknown as Json[];
        fc.pre(difference.length <= maxOperations);
        const result = applyJsonPatch({ data: from } as JsonObject, difference);
        // Compared as JSON values: -0 is written as 0.
        assert.deepEqual(JSON.parse(JSON.stringify(result)), JSON.parse(JSON.stringify({ data: to })));
      }),
      { numRuns: 300 },
    );
  });

  test("whatever is sent as a patch, the answer is a document or a ServiceError", () => {
    const pointer = fc.oneof(
      fc.constantFrom(
        "",
        "/data",
        "/data/a",
        "/data/a/0",
        "/data/a/-",
        "/data/b/c",
        "/data/__proto__/x",
        "/data/constructor",
      ),
      fc.string(),
    );
    const operation = fc.oneof(
      fc.record(
        {
          op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "nope"),
          path: pointer,
          from: pointer,
          value: fc.jsonValue(),
        },
        { requiredKeys: ["op"] },
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 8 }), (operations) => {
        const object = { a: [1, 2], b: { c: 3 } };
        try {
          applyPatch(object, { kind: "json-patch", operations: operations as Json[] });
        } catch (error) {
          assert.ok(ServiceError.is(error), String(error));
        }
        assert.deepEqual(object, { a: [1, 2], b: { c: 3 } });
        assert.equal("x" in {}, false);
      }),
      { numRuns: 1000 },
    );
  });

  test("a failed operation is told with its position", async () => {
    const operations = [{ op: "test", path: "/data/a", value: 2 }];
    const error = await failure(() => applyPatch({ a: 1 }, { kind: "json-patch", operations }));
    assert.match(error.message, /^body: JSON Patch operation failed: operation 0/);
  });

  test("/data itself can be replaced, its neighbours cannot be made", async () => {
    const replaced = applyPatch(
      { a: 1 },
      { kind: "json-patch", operations: [{ op: "add", path: "/data", value: { b: 2 } }] },
    );
    assert.deepEqual(replaced.data, { b: 2 });
    for (const path of ["/other", ""]) {
      const operations = [{ op: "add", path, value: 1 }];
      await failure(() => applyPatch({ a: 1 }, { kind: "json-patch", operations }), "invalid-parameters");
    }
  });

  test("a patch that doubles the document with each copy is stopped", async () => {
    const operations = Array.from({ length: 60 }, () => ({ op: "copy", from: "/data/a", path: "/data/a/-" }));
    await failure(() => applyPatch({ a: [1] }, { kind: "json-patch", operations }), "invalid-parameters");
  });

  test("a patch that buries a value ever deeper is stopped without exhausting the stack", async () => {
    const deeper = Array.from({ length: 900 }, () => ({ op: "copy", from: "/data/a", path: "/data/a/x" }));
    await failure(() => applyPatch({ a: {} }, { kind: "json-patch", operations: deeper }), "invalid-parameters");
    const far = [{ op: "add", path: `/data${"/a".repeat(300)}`, value: 1 }];
    await failure(() => applyPatch({ a: {} }, { kind: "json-patch", operations: far }), "invalid-parameters");
  });

  test("a patch of too many operations is refused", async () => {
    const operations = Array.from({ length: maxOperations + 1 }, () => ({ op: "test", path: "/data/a", value: 1 }));
    await failure(() => applyPatch({ a: 1 }, { kind: "json-patch", operations }), "invalid-parameters");
  });
});
