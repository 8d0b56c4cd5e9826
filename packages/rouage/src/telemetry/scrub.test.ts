import assert from "node:assert/strict";
import { test } from "node:test";
import { errorFields, scrub } from "./scrub.ts";

test("what looks like a secret or an address is hidden in texts", () => {
  for (const [text, expected] of [
    ["jwt eyJhbGciOi.eyJzdWIi.c2ln refused", "jwt [redacted] refused"],
    ["header Authorization: Bearer abc.def-123", "header Authorization: Bearer [redacted]"],
    ["cannot reach postgres://user:pass@db:5432/x", "cannot reach postgres://[redacted]@db:5432/x"],
    ["GET https://a.example/b?card=12#x failed", "GET https://a.example/b?[redacted] failed"],
    ["no mailbox for anna.b+c@mail.example.org here", "no mailbox for [redacted] here"],
    ["cannot text +33 6 12 34 56 78", "cannot text [redacted]"],
  ] as const)
    assert.equal(scrub(text), expected);
});

test("frames of a stack stay readable", () => {
  const frames = "at run (file:///a/node_modules/@scope/pino@10.4.0/x.ts:12:5)\n    at async node:internal/x:1:2";
  assert.equal(scrub(frames), frames);
});

test("a failing JSON.parse quotes nothing of the document", () => {
  for (const document of [
    '{"name": MARKER}',
    "MARKER",
    `{"a": "${"x".repeat(50)}", MARKER: 1}`,
    '"MARKER',
    "[1,\nMARKER]",
  ]) {
    try {
      JSON.parse(document);
      assert.fail("is valid JSON");
    } catch (error) {
      assert.ok(error instanceof SyntaxError);
      assert.ok(!JSON.stringify(errorFields(error)).includes("MARK"), document);
    }
  }
});

test("stacks of causes are told, to a depth; a circle of causes ends", () => {
  const circle = new Error("outer");
  circle.cause = new AggregateError([new TypeError("inner"), circle], "several");
  const { stack, type, message } = errorFields(circle);
  assert.deepEqual([type, message], ["Error", "outer"]);
  assert.match(stack, /outer.*caused by: AggregateError: several.*caused by: TypeError: inner/s);
  assert.ok(stack.length < 200_000);
});

test("one-time codes are not taken for codes of errors, and texts are bounded", () => {
  const fields = errorFields(Object.assign(new Error("x".repeat(1e6)), { code: "123456" }));
  assert.equal(fields.code, undefined);
  assert.ok(fields.message.length <= 2000 && fields.stack.length <= 8000);
});
