/**
 * The policy of an OpenID Connect provider: tokens that it gave to its users. JWTs are verified with its public keys, other tokens by
 * asking its userinfo endpoint, and what came of it is kept for a while.
 */
import { decodeJwt } from "jose";
import type { Cache } from "../cache/cache.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { boundedCache } from "./bounded-cache.ts";
import { asymmetricAlgorithms, useridOf } from "./jwt.ts";
import { connectProvider, type OidcProvider } from "./oidc-provider.ts";
import type { AuthenticationPolicy } from "./policy.ts";
import { hashSecret } from "./secrets.ts";
import { authorizationToken, tokenChallenge } from "./token-header.ts";
import { invalidToken } from "./tokens.ts";

export interface OidcOptions extends OidcProvider {
  /** Keeps what the provider said of a token, under a hash of it. */
  readonly cache: Cache;
  /** How long that holds; a token revoked at the provider is accepted until then. Default 300. */
  readonly verificationTtlSeconds?: number;
  /** Signatures accepted. Default: `asymmetricAlgorithms`. */
  readonly algorithms?: readonly string[];
  /** Longest wait for one answer of the provider; then 503. Default 5000. */
  readonly timeoutMs?: number;
  /** Default: the global one. */
  readonly fetch?: (request: Request) => Promise<Response>;
  readonly realm?: string;
  readonly clock?: Clock;
}

type Profile = Readonly<Record<string, unknown>>;

/**
 * Identities `{name}:{userid}`; what the provider says of the user is `claims.profile`.
 * @throws Error when the provider's name or issuer cannot be used
 * @example oidc({ name: "google", issuer: "https://accounts.google.com", clientId, cache: context.cache })
 */
export function oidc(options: OidcOptions): AuthenticationPolicy {
  checkProvider(options);
  const { name, issuer, clientId, audience, headerType = "Bearer", useridField = "sub", realm = "Realm" } = options;
  const { cache, verificationTtlSeconds = 300, algorithms = asymmetricAlgorithms, clock = systemClock } = options;
  const { fetch, timeoutMs } = options;
  const provider = connectProvider(options, { clock, fetch, timeoutMs, algorithms });
  const underWay = new Map<string, Promise<Profile>>();
  const refused = boundedCache<number>(1000);

  function principalOf(profile: Profile): Principal {
    try {
      return { id: `${name}:${useridOf(profile, useridField)}`, roles: noRoles, claims: { profile }, policy: name };
    } catch (error) {
      throw invalidToken(error);
    }
  }

  async function judge(token: string, key: string): Promise<Principal> {
    const said = claimsOf(token);
    // Another provider's tokens are not shown to this one.
    if (typeof said?.iss === "string" && !isSameIssuer(said.iss, issuer))
      throw invalidToken(new Error("another issuer"));
    if (said !== undefined && isFor(said, audience ?? clientId)) {
      const verifier = await provider.verifier(audience ?? clientId);
      const { claims } = await verifier.verify(token);
      // An access token rarely says more than `sub`; the provider knows the rest.
      return principalOf(claims[useridField] === undefined ? await profileOf(token, key, claims.sub) : claims);
    }
    if (audience !== undefined) throw invalidToken(new Error("made for another audience, or no JWT"));
    return principalOf(await profileOf(token, key, undefined));
  }

  async function profileOf(token: string, key: string, subject: string | undefined): Promise<Profile> {
    return (await readKept(cache, key)) ?? (await ask(token, key, subject));
  }

  /** The provider's word on a token; requests with the same one share the call. */
  function ask(token: string, key: string, subject: string | undefined): Promise<Profile> {
    let profile = underWay.get(key);
    if (profile === undefined) {
      if (underWay.size >= mostCalls) throw new ServiceError("unavailable", { headers: { "retry-after": "1" } });
      profile = userinfo(token, key, subject).finally(() => underWay.delete(key));
      underWay.set(key, profile);
    }
    return profile;
  }

  async function userinfo(token: string, key: string, subject: string | undefined): Promise<Profile> {
    const { userinfoEndpoint } = await provider.metadata();
    if (userinfoEndpoint === undefined) throw invalidToken(new Error("the provider has no userinfo endpoint"));
    const { status, body } = await provider.call(userinfoEndpoint, {
      headers: { authorization: `Bearer ${token}`, accept: "application/json" },
    });
    if (status !== 200 || body === undefined) {
      refused.set(key, clock.now() + refusalMs);
      throw invalidToken(new Error(`userinfo answered ${status}`));
    }
    // OpenID Connect Core §5.3.2: the answer has to be about the same subject.
    if (subject !== undefined && body.sub !== subject) throw invalidToken(new Error("userinfo is about somebody else"));
    await keep(key, body, token);
    return body;
  }

  async function keep(key: string, profile: Profile, token: string): Promise<void> {
    const { exp } = claimsOf(token) ?? {};
    const left = typeof exp === "number" ? exp - clock.now() / 1000 : Number.POSITIVE_INFINITY;
    const seconds = Math.floor(Math.min(verificationTtlSeconds, left));
    if (seconds < 1) return;
    await Promise.try(() => cache.set(key, JSON.stringify(profile), seconds)).catch(unlessAway);
  }

  return {
    name,
    challenge: tokenChallenge(headerType, realm),
    securityScheme: {
      type: "openIdConnect",
      openIdConnectUrl: `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`,
      description: `Tokens of ${issuer}, as \`Authorization: ${headerType} TOKEN\`.`,
    },
    authenticate(request) {
      const token = authorizationToken(request.header("authorization"), headerType);
      if (token === undefined) return undefined;
      const key = `openid:verify:${name}:${hashSecret(token)}`;
      if ((refused.get(key) ?? 0) > clock.now()) throw invalidToken(new Error("refused a moment ago"));
      return judge(token, key);
    },
  };
}

/** @throws Error naming what cannot be used */
export function checkProvider({ name, issuer, clientId }: OidcProvider): void {
  const wrong = (what: string) => new Error(`identity provider ${name}: ${what}`);
  if (!/^[a-z0-9]+([_-][a-z0-9]+)*$/.test(name)) throw wrong("a name has lower-case letters, digits and dashes");
  if (!URL.canParse(issuer) || !/^https?:$/.test(new URL(issuer).protocol)) throw wrong("the issuer is no URL");
  if (clientId === "") throw wrong("the client id is empty");
}

const noRoles: ReadonlySet<string> = new Set();

/** Calls to one provider at a time: a flood of tokens that nobody knows must not become a flood there. */
const mostCalls = 64;
const refusalMs = 10_000;

/** What a token says, not verified: only for choosing how to verify it. */
function claimsOf(token: string): Profile | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

function isSameIssuer(said: string, issuer: string): boolean {
  return said.replace(/\/+$/, "") === issuer.replace(/\/+$/, "");
}

function isFor({ iss, aud }: Profile, audience: string): boolean {
  return iss !== undefined && (aud === audience || (Array.isArray(aud) && aud.includes(audience)));
}

async function readKept(cache: Cache, key: string): Promise<Profile | undefined> {
  try {
    const text = await cache.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as Profile);
  } catch (error) {
    return unlessAway(error);
  }
}

/** A cache that is away costs a question more. */
function unlessAway(error: unknown): undefined {
  if (!ServiceError.is(error)) throw error;
}
