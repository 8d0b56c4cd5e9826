import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { emailHash, parseEmail } from "./email.ts";

test("addresses are trimmed, their domain in lower case and ASCII, their local part as typed", () => {
  assert.equal(parseEmail("  Ada.Lovelace+x@Example.ORG "), "Ada.Lovelace+x@example.org");
  assert.equal(parseEmail("ada@exämple.fr"), "ada@xn--exmple-cua.fr");
});

test("what is no address, or would break a mail header, is refused", () => {
  for (const typed of [
    "",
    "ada",
    "@example.org",
    "ada@",
    "ada@localhost",
    "a b@example.org",
    "ada@example.org\r\nBcc: x@example.org",
    "ada@example.org, eve@example.org",
    "<ada@example.org>",
    '"a"@example.org',
    "ada@-example.org",
    "ada@exa_mple.org",
    "a@b@",
    `${"a".repeat(65)}@example.org`,
    `ada@${"a.".repeat(130)}org`,
  ])
    assert.equal(parseEmail(typed), undefined, typed);
});

test("no text makes it throw, and what is accepted is accepted again, unchanged", () => {
  const text = fc.oneof(
    fc.string(),
    fc.emailAddress(),
    fc.tuple(fc.string(), fc.string()).map(([a, b]) => `${a}@${b}`),
  );
  fc.assert(
    fc.property(text, (typed) => {
      const email = parseEmail(typed);
      if (email !== undefined) assert.equal(parseEmail(email), email);
    }),
  );
});

test("one hash for every spelling, none without the key", () => {
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.equal(emailHash(a, " ADA@Example.org"), emailHash(a, "ada@example.ORG"));
  assert.notEqual(emailHash(a, "ada@example.org"), emailHash(b, "ada@example.org"));
});
