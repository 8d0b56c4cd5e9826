import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { memoryCache } from "../cache/memory.ts";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { type JwtOptions, jwt } from "./jwt.ts";
import { client, startProvider, type TestProvider, tokensOf } from "./oidc.fixture.ts";
import { type OidcOptions, oidc } from "./oidc.ts";
import type { AuthenticationPolicy } from "./policy.ts";
import { authRequest } from "./testing.ts";

let provider: TestProvider;
before(async () => {
  provider = await startProvider();
});
after(() => provider[Symbol.asyncDispose]());

async function ask(policy: AuthenticationPolicy, token: string, scheme = "Bearer") {
  return policy.authenticate(authRequest({ headers: { authorization: `${scheme} ${token}` } }));
}

async function refusal(policy: AuthenticationPolicy, token: string): Promise<ServiceError> {
  try {
    await ask(policy, token);
  } catch (error) {
    assert.ok(ServiceError.is(error), String(error));
    return error;
  }
  assert.fail("was not refused");
}

function policyOf(options: Partial<OidcOptions> = {}) {
  const clock = manualClock(Date.now());
  const seen: string[] = [];
  const state = { away: false };
  const policy = oidc({
    ...{ name: "test", issuer: provider.issuer, ...client, clock, cache: memoryCache({ clock }) },
    fetch: async (request) => {
      seen.push(new URL(request.url).pathname);
      if (state.away) throw new TypeError("fetch failed");
      return fetch(request);
    },
    ...options,
  });
  return { clock, policy, seen, state };
}

describe("oidc: opaque tokens", () => {
  test("the provider says whose they are; its answer is the profile", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer);
    const principal = await ask(policyOf().policy, access_token);
    assert.equal(principal?.id, "test:bob");
    assert.equal(principal?.policy, "test");
    assert.deepEqual(principal?.claims.profile, { sub: "bob", email: "bob@id.example", email_verified: true });
  });

  test("the answer is kept: one question for many requests, also for those at the same time, until it is old", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer);
    const { clock, policy, seen } = policyOf({ verificationTtlSeconds: 60 });
    await Promise.all(Array.from({ length: 10 }, () => ask(policy, access_token)));
    await ask(policy, access_token);
    assert.deepEqual(seen, ["/.well-known/openid-configuration", "/me"]);
    clock.advance(61_000);
    await ask(policy, access_token);
    assert.equal(seen.length, 3);
  });

  test("the token itself is not in the cache", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer);
    const clock = manualClock(Date.now());
    const cache = memoryCache({ clock });
    const keys: string[] = [];
    const spy = {
      ...cache,
      set(key: string, value: string, ttl: number) {
        keys.push(key, value);
        return cache.set(key, value, ttl);
      },
    };
    await ask(policyOf({ cache: spy }).policy, access_token);
    assert.equal(keys.length, 2);
    assert.ok(!keys.join().includes(access_token));
  });

  test("a token that the provider does not know is refused, and not asked about again at once", async () => {
    const { clock, policy, seen } = policyOf();
    for (let n = 0; n < 5; n++) assert.equal((await refusal(policy, "unknown-token")).code, "invalid-credentials");
    assert.deepEqual(seen, ["/.well-known/openid-configuration", "/me"]);
    clock.advance(11_000);
    await refusal(policy, "unknown-token");
    assert.equal(seen.length, 3);
  });

  test("another claim may say who; a mail address only when it is verified", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer);
    const byMail = { useridField: "email" };
    assert.equal((await ask(policyOf(byMail).policy, access_token))?.id, "test:bob@id.example");
    const { claims } = provider;
    provider.claims = { ...claims, email_verified: false };
    try {
      assert.match(String((await refusal(policyOf(byMail).policy, access_token)).cause), /not verified/);
    } finally {
      provider.claims = claims;
    }
    assert.equal((await refusal(policyOf({ useridField: "phone" }).policy, access_token)).code, "invalid-credentials");
  });

  test("with an audience they are refused: nobody can tell whom they were made for", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer);
    const { policy, seen } = policyOf({ audience: "kittens-api" });
    assert.equal((await refusal(policy, access_token)).code, "invalid-credentials");
    assert.deepEqual(seen, []);
  });
});

describe("oidc: JWTs", () => {
  test("verified with the provider's keys, fetched once; no question for each", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer, { resource: "urn:kittens", scope: "openid read" });
    const { policy, seen } = policyOf({ audience: "kittens-api" });
    const principal = await ask(policy, access_token);
    assert.equal(principal?.id, "test:bob");
    assert.equal((principal?.claims.profile as { scope?: string } | undefined)?.scope, "read");
    await ask(policy, access_token);
    assert.deepEqual(seen, ["/.well-known/openid-configuration", "/jwks"]);
  });

  test("a tampered one, an expired one and one for others are refused", async () => {
    const { access_token = "", id_token = "" } = await tokensOf(provider.issuer, {
      resource: "urn:kittens",
      scope: "openid read",
    });
    const { clock, policy } = policyOf({ audience: "kittens-api" });
    const [head, , signature] = access_token.split(".");
    const body = JSON.parse(Buffer.from(access_token.split(".")[1] ?? "", "base64url").toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...body, sub: "eve" })).toString("base64url");
    assert.equal((await refusal(policy, `${head}.${forged}.${signature}`)).code, "invalid-credentials");
    assert.equal((await refusal(policy, id_token)).code, "invalid-credentials", "made for the client, not for us");
    assert.equal((await ask(policyOf().policy, id_token))?.id, "test:bob", "we are the client");
    await ask(policy, access_token);
    clock.advance(2 * 3600_000);
    assert.equal((await refusal(policy, access_token)).code, "invalid-credentials");
  });

  test("another issuer's tokens are not shown to this one", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    const foreign = await new SignJWT({ iss: "https://other.example", aud: client.clientId, sub: "bob" })
      .setProtectedHeader({ alg: "ES256" })
      .setExpirationTime("1h")
      .sign(privateKey);
    const { policy, seen } = policyOf();
    assert.equal((await refusal(policy, foreign)).code, "invalid-credentials");
    assert.deepEqual(seen, []);
  });

  test("claims that the token lacks are asked for, and have to be about the same user", async () => {
    const { id_token = "" } = await tokensOf(provider.issuer, { scope: "openid" });
    const answer = { sub: "bob", email: "bob@id.example" };
    const answering = async (request: Request) =>
      request.url.endsWith("/me") ? Response.json(answer) : fetch(request);
    const { policy } = policyOf({ useridField: "email", fetch: answering });
    assert.equal((await ask(policy, id_token))?.id, "test:bob@id.example");
    answer.sub = "eve";
    assert.match(
      String((await refusal(policyOf({ useridField: "email", fetch: answering }).policy, id_token)).cause),
      /somebody else/,
    );
  });
});

describe("oidc: a provider that is away", () => {
  test("is a 503 that says when to come back, not asked again at once; what is kept goes on", async () => {
    const { access_token = "" } = await tokensOf(provider.issuer);
    const { clock, policy, seen, state } = policyOf();
    state.away = true;
    for (let n = 0; n < 3; n++) {
      const error = await refusal(policy, access_token);
      assert.equal(error.code, "unavailable");
      assert.equal(error.headers["retry-after"], "5");
    }
    assert.equal(seen.length, 1);
    state.away = false;
    clock.advance(6000);
    assert.equal((await ask(policy, access_token))?.id, "test:bob");
    state.away = true;
    assert.equal((await ask(policy, access_token))?.id, "test:bob");
    assert.equal((await refusal(policy, "another-token")).code, "unavailable");
  });

  test("one that never answers is given up on", async () => {
    const never = (request: Request) =>
      new Promise<Response>((_, reject) =>
        request.signal.addEventListener("abort", () => reject(request.signal.reason)),
      );
    assert.equal((await refusal(policyOf({ fetch: never, timeoutMs: 20 }).policy, "x")).code, "unavailable");
  });

  test("errors, floods of bytes and nonsense are no answers", async () => {
    const { issuer } = provider;
    const good = {
      issuer,
      authorization_endpoint: `${issuer}/a`,
      token_endpoint: `${issuer}/t`,
      jwks_uri: `${issuer}/j`,
    };
    const busy = new Response("", { status: 429, headers: { "retry-after": "17" } });
    const cases: [Response, string][] = [
      [new Response("", { status: 500 }), "5"],
      [busy, "17"],
      [new Response("x".repeat(300_000)), "5"],
      [new Response("<html>"), "5"],
      [Response.json({ ...good, issuer: "https://evil.example" }), "5"],
      [Response.json({ ...good, jwks_uri: "ftp://x" }), "5"],
      [Response.json({ issuer }), "5"],
    ];
    for (const [response, wait] of cases) {
      const error = await refusal(policyOf({ fetch: async () => response }).policy, "x");
      assert.equal(error.code, "unavailable");
      assert.equal(error.headers["retry-after"], wait);
    }
  });

  test("questions at a time are bounded", async () => {
    const gate = Promise.withResolvers<Response>();
    const { policy } = policyOf({
      fetch: async (request) =>
        request.url.endsWith("/me") ? gate.promise.then((each) => each.clone()) : fetch(request),
    });
    await Promise.resolve();
    const all = Promise.allSettled(Array.from({ length: 80 }, (_, n) => ask(policy, `token-${n}`)));
    setImmediate(() => gate.resolve(Response.json({ sub: "bob" })));
    const refused = (await all).filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 16);
  });
});

describe("oidc: headers and options", () => {
  test("only tokens behind its own scheme are its business", async () => {
    const { policy, seen } = policyOf({ headerType: "Bearer+OIDC" });
    assert.equal(await ask(policy, "x"), undefined);
    assert.equal(await policy.authenticate(authRequest()), undefined);
    assert.deepEqual(seen, []);
    assert.equal(policy.challenge, 'Bearer+OIDC realm="Realm"');
    const { access_token = "" } = await tokensOf(provider.issuer);
    assert.equal((await ask(policy, access_token, "bearer+oidc"))?.id, "test:bob");
  });

  test("the description for OpenAPI names where to discover", () => {
    const { type, openIdConnectUrl } = policyOf().policy.securityScheme;
    assert.deepEqual(
      { type, openIdConnectUrl },
      {
        type: "openIdConnect",
        openIdConnectUrl: `${provider.issuer}/.well-known/openid-configuration`,
      },
    );
  });

  test("a provider that cannot be used is refused at the start", () => {
    assert.throws(() => policyOf({ issuer: "accounts" }), /the issuer is no URL/);
    assert.throws(() => policyOf({ name: "a:b" }), /a name has/);
    assert.throws(() => policyOf({ clientId: "" }), /client id is empty/);
  });
});

describe("jwt", () => {
  async function issuer(algorithm = "RS256", jwk: object = { kid: "k", alg: algorithm }) {
    const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
    const keys = { keys: [{ ...(await exportJWK(publicKey)), ...jwk }] };
    const policy = (options: Partial<JwtOptions> = {}) =>
      jwt({ issuer: "https://id.example", audience: "kittens", keys, ...options });
    const sign = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = { kid: "k" }) =>
      new SignJWT({ iss: "https://id.example", aud: "kittens", sub: "bob", exp: Date.now() / 1000 + 60, ...claims })
        .setProtectedHeader({ alg: algorithm, ...header })
        .sign(privateKey);
    return { policy, sign, publicKey, keys };
  }

  for (const algorithm of ["RS256", "ES384", "EdDSA", "PS256"])
    test(`tokens signed with ${algorithm} say who, with which roles`, async () => {
      const { policy, sign } = await issuer(algorithm);
      const principal = await ask(policy(), await sign({ roles: ["vet", 1] }));
      assert.equal(principal?.id, "jwt:bob");
      assert.deepEqual([...(principal?.roles ?? [])], ["vet"]);
    });

  test("keys without alg, and the only key for tokens without kid, as some issuers have them", async () => {
    const { policy, sign } = await issuer("RS256", {});
    assert.equal((await ask(policy(), await sign({}, {})))?.id, "jwt:bob");
  });

  test("wrong issuer, audience, time, algorithm, no subject: refused", async () => {
    const { policy, sign } = await issuer();
    const wrong = [
      { iss: "x" },
      { aud: "x" },
      { exp: 1 },
      { exp: undefined },
      { nbf: Date.now() },
      { sub: undefined },
      { sub: "" },
    ];
    for (const claims of wrong)
      assert.equal((await refusal(policy(), await sign(claims))).code, "invalid-credentials", JSON.stringify(claims));
    assert.equal((await refusal(policy({ algorithms: ["ES256"] }), await sign())).code, "invalid-credentials");
    assert.equal((await refusal(policy(), await sign({}, { kid: "other" }))).code, "invalid-credentials");
  });

  test("no signature, and one with the public key as a secret, are refused; symmetric algorithms cannot be asked for", async () => {
    const { policy, keys } = await issuer();
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = encode({ iss: "https://id.example", aud: "kittens", sub: "eve", exp: Date.now() / 1000 + 60 });
    assert.equal(
      (await refusal(policy(), `${encode({ alg: "none", kid: "k" })}.${claims}.`)).code,
      "invalid-credentials",
    );
    const confused = await new SignJWT({ iss: "https://id.example", aud: "kittens", sub: "eve" })
      .setProtectedHeader({ alg: "HS256", kid: "k" })
      .setExpirationTime("1m")
      .sign(new TextEncoder().encode(JSON.stringify(keys.keys[0])));
    assert.equal((await refusal(policy(), confused)).code, "invalid-credentials");
    assert.throws(() => policy({ algorithms: ["HS256"] }), /only asymmetric/);
  });

  test("another claim, another scheme", async () => {
    const { policy, sign } = await issuer();
    const own = policy({ name: "corp", useridField: "email", headerType: "JWT" });
    const token = await sign({ email: "bob@id.example" });
    assert.equal((await ask(own, token, "jwt"))?.id, "corp:bob@id.example");
    assert.equal(await ask(own, token), undefined);
    assert.equal(own.securityScheme.scheme, "jwt");
  });
});
