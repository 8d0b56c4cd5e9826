import assert from "node:assert/strict";
import { test } from "node:test";
import { invalid, type Violation } from "./errors.ts";

const violation = (name: string | null, description: string): Violation => ({
  location: "querystring",
  name,
  description,
  code: "x",
});

test("the message of a 400 is the first violation, with its name unless the description has it", () => {
  assert.equal(invalid(violation(null, "Nested too deeply")).message, "querystring: Nested too deeply");
  assert.equal(invalid(violation("like_n", "Invalid value for like_n")).message, "Invalid value for like_n");
  assert.equal(invalid(violation("b", "Required"), violation("a", "No")).message, "a in querystring: No");
});

test("a name that is only part of another word is not taken for the name", () => {
  assert.equal(invalid(violation("q", "Required")).message, "q in querystring: Required");
  assert.equal(invalid(violation("num", "Must be a number")).message, "num in querystring: Must be a number");
  assert.equal(invalid(violation("", "Required")).message, " in querystring: Required");
});
