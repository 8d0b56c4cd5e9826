import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { importJWK, SignJWT } from "jose";
import { type ManualClock, manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { openSigningKeys, rotateKeys, type SigningKeys } from "./keys.ts";
import { localJwks, remoteJwks, type TokenVerifier, tokenIssuer, tokenVerifier } from "./tokens.ts";

const base = await mkdtemp(join(tmpdir(), "rouage-tokens-"));
after(() => rm(base, { recursive: true, force: true }));

async function setup(kind: "EdDSA" | "ES256" = "EdDSA") {
  const clock = manualClock();
  const options = { folder: join(base, crypto.randomUUID()), purpose: "signing", clock };
  const keys = await openSigningKeys({ ...options, kind });
  const shared = { issuer: "urgence", audience: "urgence", clock };
  const issuer = tokenIssuer({ keys, ...shared });
  const verifier = tokenVerifier({ source: localJwks(() => keys.jwks()), ...shared });
  return { clock, options, keys, issuer, verifier };
}

async function refuses(verifier: TokenVerifier, token: string, why?: RegExp): Promise<void> {
  await assert.rejects(
    async () => verifier.verify(token),
    (error: unknown) => {
      assert.ok(ServiceError.is(error));
      assert.equal(error.code, "invalid-credentials");
      assert.match(error.headers["www-authenticate"] ?? "", /invalid_token/);
      if (why !== undefined) assert.match(String(error.cause), why);
      return true;
    },
  );
}

/** A token that is right in everything that is not overruled. */
async function forge(
  keys: SigningKeys,
  clock: ManualClock,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const { kid, jwk } = keys.active();
  const now = Math.floor(clock.now() / 1000);
  const right = { iss: "urgence", aud: "urgence", sub: "a", jti: "j", iat: now, nbf: now, exp: now + 600 };
  return new SignJWT({ ...right, ...claims })
    .setProtectedHeader({ alg: keys.algorithm, kid, typ: "at+jwt", ...header })
    .sign(await importJWK({ ...jwk }, keys.algorithm));
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

for (const kind of ["EdDSA", "ES256"] as const)
  test(`a token signed with ${kind} says who calls, with which roles and session`, async () => {
    const { issuer, verifier } = await setup(kind);
    const { token, expiresIn } = await issuer.issue("0198", { roles: ["person", 7], sid: "s1", iss: "evil", exp: 1 });
    assert.equal(expiresIn, 600);
    const { principal, claims } = await verifier.verify(token);
    assert.equal(principal.id, "0198");
    assert.deepEqual([...principal.roles], ["person"]);
    assert.equal(claims.sid, "s1");
    assert.equal(claims.iss, "urgence");
  });

test("a token verified before is answered at once, without a promise, until it expires", async () => {
  const { clock, issuer, verifier } = await setup();
  const { token } = await issuer.issue("0198");
  const first = await verifier.verify(token);
  assert.equal(verifier.verify(token), first);
  clock.advance(604_999);
  assert.equal(verifier.verify(token), first);
  clock.advance(1);
  await refuses(verifier, token, /expired/);
  await refuses(verifier, token, /exp/);
});

test("RFC 8725 §3.1: a token without signature (alg none) is refused", async () => {
  const { keys, clock, verifier } = await setup();
  const [, payload] = (await forge(keys, clock)).split(".");
  for (const alg of ["none", "None", "NONE"])
    await refuses(verifier, `${encode({ alg, typ: "at+jwt", kid: keys.active().kid })}.${payload}.`);
});

test("RFC 8725 §2.1: an HMAC made with the public key as secret is refused", async () => {
  const { keys, clock, verifier } = await setup("ES256");
  const [, payload] = (await forge(keys, clock)).split(".");
  const [jwk] = keys.jwks().keys;
  for (const secret of [JSON.stringify(jwk), jwk?.x ?? ""]) {
    const head = `${encode({ alg: "HS256", typ: "at+jwt", kid: jwk?.kid })}.${payload}`;
    await refuses(verifier, `${head}.${createHmac("sha256", secret).update(head).digest("base64url")}`);
  }
});

test("a key only verifies the algorithm it is for, and a key sent in the token's header is not looked at", async () => {
  const { keys, clock, verifier } = await setup("EdDSA");
  const other = await setup("ES256");
  await refuses(verifier, await forge(other.keys, clock, {}, { kid: keys.active().kid }));
  await refuses(verifier, await forge(other.keys, clock, {}, { jwk: other.keys.jwks().keys[0] }));
});

test("wrong issuer, audience, type, times and missing claims are each refused", async () => {
  const { keys, clock, verifier } = await setup();
  const now = Math.floor(clock.now() / 1000);
  await refuses(verifier, await forge(keys, clock, { iss: "other" }), /iss/);
  await refuses(verifier, await forge(keys, clock, { aud: "other" }), /aud/);
  await refuses(verifier, await forge(keys, clock, {}, { typ: "JWT" }), /typ/);
  await refuses(verifier, await forge(keys, clock, { exp: now - 6 }), /exp/);
  await refuses(verifier, await forge(keys, clock, { nbf: now + 6 }), /nbf/);
  await refuses(verifier, await forge(keys, clock, { iat: now + 6 }), /future/);
  await refuses(verifier, await forge(keys, clock, { sub: "" }), /type/);
  for (const name of ["sub", "exp", "nbf", "iat", "jti", "iss", "aud"])
    await refuses(verifier, await forge(keys, clock, { [name]: undefined }), new RegExp(name));
});

test("clocks may differ by five seconds", async () => {
  const { keys, clock, verifier } = await setup();
  const now = Math.floor(clock.now() / 1000);
  await verifier.verify(await forge(keys, clock, { exp: now - 4, jti: "1" }));
  await verifier.verify(await forge(keys, clock, { nbf: now + 5, iat: now + 5, jti: "2" }));
});

test("a token with one character changed anywhere is refused", async () => {
  const { issuer, verifier } = await setup();
  const { token } = await issuer.issue("0198", { roles: ["person"] });
  for (let index = 0; index < token.length - 1; index += 7) {
    if (token[index] === ".") continue;
    const changed = `${token.slice(0, index)}${token[index] === "A" ? "B" : "A"}${token.slice(index + 1)}`;
    await refuses(verifier, changed);
  }
});

test("texts that are no tokens are refused, whatever they are", async () => {
  const { verifier } = await setup();
  for (const text of ["", ".", "..", "a.b.c", "a.b.c.d.e", `${encode({})}.${encode({})}.`, "é.é.é", "x".repeat(5000)])
    await refuses(verifier, text);
});

test("after a rotation old tokens still verify until their key retires, new ones at once", async () => {
  const { clock, options, keys, issuer } = await setup();
  const old = await issuer.issue("0198");
  await rotateKeys({ ...options, keepMs: 300_000 });
  await keys.reload();
  const fresh = await issuer.issue("0198");
  const verifier = () =>
    tokenVerifier({ source: localJwks(() => keys.jwks()), issuer: "urgence", audience: "urgence", clock });
  const first = verifier();
  assert.equal((await first.verify(old.token)).principal.id, "0198");
  assert.equal((await first.verify(fresh.token)).principal.id, "0198");
  clock.advance(300_000);
  await refuses(verifier(), old.token, /kid/);
  assert.equal((await verifier().verify(fresh.token)).principal.id, "0198");
});

test("an unknown kid loads the key set again, but not more often than allowed, and many at once load once", async () => {
  const { clock, options, keys, issuer } = await setup();
  let loads = 0;
  const fetch = async () => {
    loads += 1;
    return Response.json(keys.jwks());
  };
  const source = remoteJwks("http://accounts/.well-known/jwks.json", { fetch });
  const verifier = tokenVerifier({ source, issuer: "urgence", audience: "urgence", clock });
  const { token } = await issuer.issue("0198");
  await Promise.all([verifier.verify(token), verifier.verify(token), verifier.verify(token)]);
  assert.equal(loads, 1);
  await rotateKeys(options);
  await keys.reload();
  const fresh = await issuer.issue("0198");
  await refuses(verifier, fresh.token, /kid/);
  assert.equal(loads, 1, "within ten seconds of the last load");
  clock.advance(10_000);
  await verifier.verify(fresh.token);
  assert.equal(loads, 2);
  for (let n = 0; n < 20; n += 1) await refuses(verifier, await forge(keys, clock, {}, { kid: `made-up-${n}` }), /kid/);
  assert.equal(loads, 2);
});

test("known keys go on verifying while their source is away; without any the answer is 503", async () => {
  const { clock, keys, issuer } = await setup();
  let up = false;
  const fetch = async () => (up ? Response.json(keys.jwks()) : new Response("", { status: 502 }));
  const source = remoteJwks("http://accounts/.well-known/jwks.json", { fetch });
  const verifier = tokenVerifier({ source, issuer: "urgence", audience: "urgence", clock });
  const { token } = await issuer.issue("0198");
  await assert.rejects(
    async () => verifier.verify(token),
    (error: unknown) => ServiceError.is(error) && error.code === "unavailable",
  );
  up = true;
  await verifier.verify(token);
  up = false;
  clock.advance(301_000);
  assert.equal((await verifier.verify((await issuer.issue("0199")).token)).principal.id, "0199");
});

test("the cache of verified tokens is bounded", async () => {
  const { clock, keys, issuer } = await setup();
  const verifier = tokenVerifier({
    source: localJwks(() => keys.jwks()),
    issuer: "urgence",
    audience: "urgence",
    clock,
    cacheSize: 4,
  });
  const tokens = await Promise.all(Array.from({ length: 10 }, (_, n) => issuer.issue(`s${n}`)));
  for (const { token } of tokens) await verifier.verify(token);
  const kept = tokens.filter(({ token }) => !(verifier.verify(token) instanceof Promise));
  assert.ok(kept.length >= 2 && kept.length <= 4, String(kept.length));
});
