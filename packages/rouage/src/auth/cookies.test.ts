import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hostCookie, readCookie, sameOrigin } from "./cookies.ts";

test("a session cookie is __Host-, HttpOnly, Secure, SameSite and for the whole site", () => {
  assert.equal(hostCookie("__Host-session", "abc"), "__Host-session=abc; Path=/; HttpOnly; Secure; SameSite=Lax");
  assert.equal(
    hostCookie("__Host-session", "", { maxAge: 0, sameSite: "Strict" }),
    "__Host-session=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0",
  );
});

test("a name without the prefix, or a value that would break out of the header, is refused", () => {
  assert.throws(() => hostCookie("session", "abc"));
  for (const value of ["a;b", "a b", "a,b", 'a"b', "a\r\nb", "é"]) assert.throws(() => hostCookie("__Host-s", value));
});

test("what was written is read back, among other cookies", () => {
  const value = fc.stringMatching(/^[A-Za-z0-9._~-]*$/);
  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
  fc.assert(
    fc.property(value, fc.array(fc.tuple(name, value)), (secret, others) => {
      const pair = hostCookie("__Host-s", secret).split(";")[0] ?? "";
      const header = [...others.map(([n, v]) => `${n}=${v}`), pair].join("; ");
      assert.equal(readCookie(header, "__Host-s"), secret);
    }),
  );
});

test("no header makes the reader throw, and a name given twice is not trusted", () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      const value = readCookie(header, "__Host-s");
      assert.ok(value === undefined || typeof value === "string");
    }),
  );
  assert.equal(readCookie("__Host-s=a; __Host-s=b", "__Host-s"), undefined);
  assert.equal(readCookie('__Host-s="a b"', "__Host-s"), "a b");
  assert.equal(readCookie(undefined, "__Host-s"), undefined);
});

test("a form counts only when it comes from our own origin", () => {
  const from = (headers: Record<string, string>) => sameOrigin((name) => headers[name], "https://urgence.example");
  assert.equal(from({ origin: "https://urgence.example" }), true);
  assert.equal(from({ origin: "https://urgence.example", "sec-fetch-site": "same-origin" }), true);
  assert.equal(from({ "sec-fetch-site": "same-origin" }), true);
  assert.equal(from({ origin: "https://evil.example" }), false);
  assert.equal(from({ origin: "null" }), false);
  assert.equal(from({ origin: "https://urgence.example", "sec-fetch-site": "cross-site" }), false);
  assert.equal(from({ "sec-fetch-site": "same-site" }), false);
  assert.equal(from({ "sec-fetch-site": "none" }), false);
  assert.equal(from({}), false);
});
