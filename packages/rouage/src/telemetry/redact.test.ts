import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { redact } from "./redact.ts";

test("secrets and personal data are hidden by the names of their keys, at any depth", () => {
  const fields = {
    path: "/v1/sessions",
    headers: { Authorization: "Bearer abc", cookie: "a=b", "set-cookie": ["a=b"], accept: "x" },
    body: { password: "p", new_password: "q", refreshToken: "t", items: [{ email: "a@b", phone_number: "+331" }] },
  };
  assert.deepEqual(redact(fields), {
    path: "/v1/sessions",
    headers: { Authorization: "[redacted]", cookie: "[redacted]", "set-cookie": "[redacted]", accept: "x" },
    body: {
      password: "[redacted]",
      new_password: "[redacted]",
      refreshToken: "[redacted]",
      items: [{ email: "[redacted]", phone_number: "[redacted]" }],
    },
  });
  assert.equal(fields.body.password, "p", "the original stays as it is");
});

test("`code` is hidden where it may be a one-time code, not where it is a status or a system error", () => {
  assert.deepEqual(redact({ code: 404 }), { code: 404 });
  assert.deepEqual(redact({ code: "ECONNRESET" }), { code: "ECONNRESET" });
  assert.deepEqual(redact({ code: "123456" }), { code: "[redacted]" });
  assert.deepEqual(redact({ code: 123456 }), { code: "[redacted]" });
});

test("fields without secrets are returned as they are", () => {
  const fields = { method: "GET", nested: { list: [1, "a", null] }, at: new Date(0), email: undefined };
  assert.equal(redact(fields), fields);
});

test("cycles and depth end", () => {
  const cycle: Record<string, unknown> = { password: "p" };
  cycle.self = cycle;
  assert.doesNotMatch(JSON.stringify(redact(cycle)), /"p"/);
});

test("no secret value survives, whatever surrounds it", () => {
  fc.assert(
    fc.property(
      fc.object({ maxDepth: 4 }),
      fc.constantFrom("password", "Cookie", "access_token", "otp"),
      (object, key) => {
        const text = JSON.stringify(redact({ ...object, deep: [{ deeper: { [key]: "SECRET-VALUE" } }] }));
        assert.ok(!text.includes("SECRET-VALUE"));
      },
    ),
  );
});

test("errors, bytes, URLs and instances show nothing that they hold", () => {
  class Holder {
    readonly token = "SECRET";
    readonly shown = 1;
  }
  const error = Object.assign(new Error("x"), { existing: { body: "SECRET" }, input: "SECRET", code: "EACCES" });
  const { reason, bytes, url, holder } = redact({
    reason: error,
    bytes: Buffer.from("SECRET"),
    url: new URL("https://user:SECRET@example.org/a?b=SECRET#SECRET"),
    holder: new Holder(),
  }) as Record<string, unknown>;
  assert.equal((reason as { code: string }).code, "EACCES");
  assert.deepEqual([bytes, url], ["[6 bytes]", "https://example.org/a"]);
  assert.deepEqual(holder, { token: "[redacted]", shown: 1 });
  assert.ok(!JSON.stringify([reason, bytes, url, holder]).includes("SECRET"));
});
