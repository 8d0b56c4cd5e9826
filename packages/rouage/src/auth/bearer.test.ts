import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ServiceError } from "../errors.ts";
import type { HttpRequest } from "../http.ts";
import { anonymous } from "../principal.ts";
import { bearer, parseBearer } from "./bearer.ts";
import type { TokenVerifier } from "./tokens.ts";

function request(authorization?: string): HttpRequest {
  return {
    method: "GET",
    url: "/",
    origin: "http://localhost",
    header: (name) => (name === "authorization" ? authorization : undefined),
    headers: () => ({}),
    body: async () => new Uint8Array(),
    peer: undefined,
    signal: new AbortController().signal,
  };
}

const principal = { ...anonymous, id: "0198" };
const accepting: TokenVerifier = { verify: (token) => ({ claims: { sid: token }, expires: 1, principal }) };

const isRefused = (error: unknown) => ServiceError.is(error) && error.code === "invalid-credentials";

test("a verified token is the caller, without waiting when the verifier need not wait", () => {
  assert.equal(bearer({ verifier: accepting }).authenticate(request("Bearer abc")), principal);
});

test("no Authorization header, or one of another scheme, is nobody's business here", () => {
  const policy = bearer({ verifier: accepting });
  for (const header of [undefined, "", "Basic YTpi", "Bearerabc", "Negotiate x"])
    assert.equal(policy.authenticate(request(header)), undefined);
});

test("the scheme's case does not matter (RFC 9110 §11.1)", () => {
  for (const scheme of ["Bearer", "bearer", "BEARER"]) assert.equal(parseBearer(`${scheme} abc.def`), "abc.def");
});

test("a Bearer header without exactly one token is refused", () => {
  for (const header of [
    "Bearer",
    "Bearer ",
    "Bearer a b",
    "Bearer a, Bearer b",
    'Bearer "a"',
    "Bearer é",
    `Bearer ${"a".repeat(8193)}`,
  ])
    assert.throws(() => parseBearer(header), isRefused);
});

test("a revoked session is refused although its token was verified before", async () => {
  const gone = new Set(["gone"]);
  const revoked = (claims: { readonly [name: string]: unknown }) => gone.has(String(claims.sid));
  const policy = bearer({ verifier: accepting, revoked });
  assert.throws(() => policy.authenticate(request("Bearer gone")), isRefused);
  assert.equal(policy.authenticate(request("Bearer here")), principal);
  const slow: TokenVerifier = { verify: async (token) => accepting.verify(token) };
  await assert.rejects(async () => bearer({ verifier: slow, revoked }).authenticate(request("Bearer gone")), isRefused);
});

test("any header gives a token, nothing, or a refusal", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `Bearer ${rest}`),
  );
  fc.assert(
    fc.property(text, (header) => {
      try {
        const token = parseBearer(header);
        if (token !== undefined) assert.match(token, /^[A-Za-z0-9\-._~+/]+=*$/);
      } catch (error) {
        assert.ok(isRefused(error));
      }
    }),
  );
});
