import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { phoneHash, toE164 } from "./phone.ts";

test("a number is the same number however it is typed", () => {
  for (const typed of [
    "06 39 98 10 01",
    "0639981001",
    "+33 6 39 98 10 01",
    "+33639981001",
    "0033639981001",
    "06.39.98.10.01",
  ])
    assert.equal(toE164(typed, "FR"), "+33639981001", typed);
  assert.equal(toE164("079 123 45 67", "CH"), "+41791234567");
});

test("what is no phone number is refused", () => {
  for (const typed of [
    "",
    "abc",
    "12",
    "0639",
    "+999 1234567",
    "06 39 98 10 01 ext. 5",
    "call 0639981001 now",
    "0".repeat(41),
  ])
    assert.equal(toE164(typed, "FR"), undefined, typed);
});

test("without a known country only international numbers are understood", () => {
  assert.equal(toE164("0639981001", "XX"), undefined);
  assert.equal(toE164("+33639981001", "XX"), "+33639981001");
});

test("no text makes it throw, and every answer is E.164", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (typed) =>
      assert.match(toE164(typed, "FR") ?? "+1", /^\+[1-9]\d{0,14}$/),
    ),
  );
});

test("the hash depends on the key", () => {
  const a = phoneHash(new Uint8Array(32).fill(1), "+33639981001");
  assert.equal(a, phoneHash(new Uint8Array(32).fill(1), "+33639981001"));
  assert.notEqual(a, phoneHash(new Uint8Array(32).fill(2), "+33639981001"));
  assert.match(a, /^[A-Za-z0-9_-]{43}$/);
});
