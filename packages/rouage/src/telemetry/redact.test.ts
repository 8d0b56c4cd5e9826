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

test("fields without secrets are returned as they are, and errors are left to the serialiser", () => {
  const fields = { method: "GET", nested: { list: [1, "a", null] }, err: new Error("x"), email: undefined };
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
