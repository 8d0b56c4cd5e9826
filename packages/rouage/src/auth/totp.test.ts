import assert from "node:assert/strict";
import { test } from "node:test";
import { enrolTotp, hashRecoveryCode, recoveryCodes, totpCode, useRecoveryCode, verifyTotp } from "./totp.ts";

const now = Date.UTC(2026, 0, 1);

test("RFC 6238 appendix B: the code of the test vector", () => {
  // "12345678901234567890" in base32; the last six digits of the published eight.
  assert.equal(totpCode("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59_000), "287082");
  assert.equal(totpCode("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 1_111_111_109_000), "081804");
});

test("the enrolment is what authenticator apps read", () => {
  const { secret, uri } = enrolTotp("Urgence", "camille@example.fr");
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.match(uri, /^otpauth:\/\/totp\/Urgence:camille%40example\.fr\?/);
  assert.ok(uri.includes(`secret=${secret}`));
});

test("a code is good one step early and one step late, not two", () => {
  const { secret } = enrolTotp("Urgence", "x");
  const step = now / 30_000;
  assert.equal(verifyTotp(secret, totpCode(secret, now), now), step);
  assert.equal(verifyTotp(secret, totpCode(secret, now - 30_000), now), step - 1);
  assert.equal(verifyTotp(secret, totpCode(secret, now + 30_000), now), step + 1);
  assert.equal(verifyTotp(secret, totpCode(secret, now - 60_000), now), undefined);
  assert.equal(verifyTotp(secret, totpCode(secret, now + 60_000), now), undefined);
});

test("RFC 6238 §5.2: a code that was used, or an older one, is refused", () => {
  const { secret } = enrolTotp("Urgence", "x");
  const code = totpCode(secret, now);
  const step = verifyTotp(secret, code, now);
  assert.ok(step !== undefined);
  assert.equal(verifyTotp(secret, code, now, step), undefined);
  assert.equal(verifyTotp(secret, totpCode(secret, now - 30_000), now, step), undefined);
  assert.equal(verifyTotp(secret, totpCode(secret, now + 30_000), now + 30_000, step), step + 1);
});

test("what is no six-digit code is refused", () => {
  const { secret } = enrolTotp("Urgence", "x");
  for (const code of ["", "12345", "1234567", "12345a", " 123456", "１２３４５６"])
    assert.equal(verifyTotp(secret, code, now), undefined);
});

test("each recovery code works once, typed carelessly or not", () => {
  const codes = recoveryCodes();
  assert.equal(new Set(codes).size, 10);
  const [first = ""] = codes;
  assert.match(first, /^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/);
  const hashes = codes.map(hashRecoveryCode);
  const left = useRecoveryCode(hashes, ` ${first.toUpperCase().replaceAll("-", " ").replaceAll("0", "O")} `);
  assert.equal(left?.length, 9);
  assert.equal(useRecoveryCode(left ?? [], first), undefined);
  assert.equal(useRecoveryCode(hashes, "0000-0000-0000-0000"), undefined);
});
