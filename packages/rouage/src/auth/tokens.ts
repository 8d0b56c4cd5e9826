/**
 * Access tokens: signed JWTs, issued in the profile of RFC 9068 and verified with pinned algorithms (RFC 8725). A verified token is kept until it
 * expires, so that the next request with it costs one map lookup and no promise.
 */
import { importJWK, type JWK, type JWTPayload, errors as joseErrors, jwtVerify, SignJWT } from "jose";
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { boundedCache } from "./bounded-cache.ts";
import type { SigningKeys } from "./keys.ts";

export interface TokenIssuerOptions {
  readonly keys: SigningKeys;
  readonly issuer: string;
  readonly audience: string;
  /** Seconds until a token expires. Default 600. */
  readonly lifetime?: number;
  readonly clock?: Clock;
}

export interface IssuedToken {
  readonly token: string;
  /** Seconds from now. */
  readonly expiresIn: number;
  readonly id: string;
}

export interface TokenIssuer {
  /** A token for this subject; `claims` may not overrule the registered ones. `lifetime` may only shorten it. */
  issue(
    subject: string,
    claims?: Readonly<Record<string, unknown>>,
    options?: { readonly lifetime?: number; readonly audience?: string },
  ): Promise<IssuedToken>;
}

export function tokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const { keys, issuer, audience, lifetime: usual = 600, clock = systemClock } = options;
  return {
    async issue(subject, claims = {}, issueOptions = {}) {
      const lifetime = Math.min(issueOptions.lifetime ?? usual, usual);
      const { kid, jwk } = keys.active();
      const now = Math.floor(clock.now() / 1000);
      const id = crypto.randomUUID();
      const registered = { iss: issuer, aud: issueOptions.audience ?? audience, sub: subject, jti: id };
      const token = await new SignJWT({ ...claims, ...registered, iat: now, nbf: now, exp: now + lifetime })
        .setProtectedHeader({ alg: keys.algorithm, kid, typ: "at+jwt" })
        .sign(await importJWK({ ...jwk }, keys.algorithm));
      return { token, expiresIn: lifetime, id };
    },
  };
}

/** Public keys of any issuer, as published. */
export interface KeySet {
  readonly keys: readonly JWK[];
}

/** Where public keys come from. */
export interface JwksSource {
  load(): KeySet | Promise<KeySet>;
  /** Loaded again when older than this, in milliseconds. */
  readonly maxAgeMs: number;
  /** An unknown `kid` loads again, but not more often than this. */
  readonly refetchMs: number;
}

/** Keys of this process: `localJwks(() => keys.jwks())`. */
export function localJwks(load: () => KeySet): JwksSource {
  return { load, maxAgeMs: 0, refetchMs: 0 };
}

export interface RemoteJwksOptions {
  /** In-process calls pass the other service's `fetch`. Default: the global one. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Default 5 minutes. */
  readonly maxAgeMs?: number;
  /** Default 10 seconds. */
  readonly refetchMs?: number;
  /** Default 3 seconds. */
  readonly timeoutMs?: number;
}

/** Keys of another service, by the URL of its key set. */
export function remoteJwks(url: string, options: RemoteJwksOptions = {}): JwksSource {
  const { fetch = globalThis.fetch, maxAgeMs = 300_000, refetchMs = 10_000, timeoutMs = 3000 } = options;
  return {
    maxAgeMs,
    refetchMs,
    async load() {
      const response = await fetch(
        new Request(url, { signal: AbortSignal.timeout(timeoutMs), headers: { accept: "application/json" } }),
      );
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      const body: unknown = await response.json();
      if (typeof body !== "object" || body === null || !("keys" in body) || !Array.isArray(body.keys))
        throw new Error(`${url} is no key set`);
      return body as KeySet;
    },
  };
}

export interface TokenVerifierOptions {
  readonly source: JwksSource;
  readonly issuer: string;
  readonly audience: string;
  /** The only algorithms accepted, whatever a token or a key says; asymmetric ones. Default EdDSA and ES256. */
  readonly algorithms?: readonly string[];
  /**
   * `at+jwt`: access tokens of RFC 9068 as `tokenIssuer` makes them, nothing else. `jwt`: also tokens of other issuers, which need but `iss`, `aud`,
   * `sub` and `exp`, and whose keys may lack `alg`. Default `at+jwt`.
   */
  readonly profile?: "at+jwt" | "jwt";
  readonly clock?: Clock;
  /** Seconds that clocks may differ. Default 5. */
  readonly tolerance?: number;
  /** Verified tokens kept. Default 10000. */
  readonly cacheSize?: number;
  /** The caller of a token's claims. Default: id from `sub`, roles from `roles`. */
  readonly principal?: (claims: JWTPayload) => Principal;
}

export interface VerifiedToken {
  readonly claims: JWTPayload;
  /** Milliseconds since the epoch, tolerance included. */
  readonly expires: number;
  readonly principal: Principal;
}

export interface TokenVerifier {
  /**
   * What the token says; at once when it was verified before. @throws ServiceError `invalid-credentials`; `unavailable` when no keys can be had
   */
  verify(token: string): VerifiedToken | Promise<VerifiedToken>;
}

export function tokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { source, issuer, audience, clock = systemClock, tolerance = 5, principal = bearerPrincipal } = options;
  const strict = options.profile !== "jwt";
  const algorithms = [...(options.algorithms ?? ["EdDSA", "ES256"])];
  const cache = boundedCache<VerifiedToken>(options.cacheSize ?? 10_000);
  if (algorithms.some((name) => /^(none|HS\d+)$/i.test(name)))
    throw new Error("only asymmetric algorithms verify tokens");
  const findKey = keyFinder(source, algorithms, clock, strict);

  async function check(token: string): Promise<VerifiedToken> {
    try {
      const { payload } = await jwtVerify(token, ({ kid, alg }) => findKey(kid, alg), {
        algorithms,
        issuer,
        audience,
        ...(strict ? { typ: "at+jwt" } : {}),
        currentDate: new Date(clock.now()),
        clockTolerance: tolerance,
        requiredClaims: strict ? ["sub", "iat", "exp", "nbf", "jti"] : ["sub", "exp"],
      });
      const { sub, exp, iat } = payload;
      if (typeof sub !== "string" || sub === "" || exp === undefined || (strict && iat === undefined))
        throw new Error("claims of the wrong type");
      if (iat !== undefined && iat > clock.now() / 1000 + tolerance) throw new Error("issued in the future");
      const verified = { claims: payload, expires: (exp + tolerance) * 1000, principal: principal(payload) };
      cache.set(token, verified);
      return verified;
    } catch (error) {
      if (ServiceError.is(error)) throw error;
      throw invalidToken(error);
    }
  }

  return {
    verify(token) {
      const known = cache.get(token);
      if (known === undefined) return check(token);
      if (known.expires > clock.now()) return known;
      cache.delete(token);
      throw invalidToken(new joseErrors.JWTExpired("token expired", known.claims));
    },
  };
}

/** The refusal of a token; why is for the log only. */
export function invalidToken(cause?: unknown): ServiceError {
  return new ServiceError("invalid-credentials", {
    headers: { "www-authenticate": 'Bearer error="invalid_token"' },
    cause,
  });
}

function bearerPrincipal(claims: JWTPayload): Principal {
  const { roles } = claims;
  const names = Array.isArray(roles) ? roles.filter((name): name is string => typeof name === "string") : [];
  return { id: claims.sub, roles: new Set(names), claims, policy: "bearer" };
}

type VerificationKey = Awaited<ReturnType<typeof importJWK>>;

/** Finds imported keys by `kid`; loads the set when it is old, or when the `kid` is new, single flight. */
function keyFinder(source: JwksSource, algorithms: readonly string[], clock: Clock, strict: boolean) {
  let set: { readonly keys: readonly PublishedKey[]; readonly text: string } | undefined;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function load(): Promise<void> {
    triedAt = clock.now();
    const jwks = await source.load();
    const text = JSON.stringify(jwks);
    loadedAt = clock.now();
    if (set?.text !== text) set = { keys: usableKeys(jwks, algorithms, strict), text };
  }
  const refresh = () => {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  };
  const find = (kid: string | undefined, alg: string): PublishedKey | undefined => {
    if (kid !== undefined) return set?.keys.find((key) => key.kid === kid);
    // OpenID Connect Core §10.1: without `kid` the key has to be the only one.
    const fitting = set?.keys.filter((key) => key.alg === undefined || key.alg === alg) ?? [];
    return fitting.length === 1 ? fitting[0] : undefined;
  };

  return async (kid: string | undefined, alg: string): Promise<VerificationKey> => {
    if (kid === undefined && strict) throw new Error("no kid");
    const since = clock.now() - triedAt;
    const stale = clock.now() - loadedAt >= source.maxAgeMs || find(kid, alg) === undefined;
    if (stale && (since >= source.refetchMs || loading !== undefined || set === undefined)) {
      try {
        await refresh();
      } catch (cause) {
        // Keys already known go on verifying while their source is away.
        if (find(kid, alg) === undefined)
          throw new ServiceError("unavailable", { cause, headers: { "retry-after": "5" } });
      }
    }
    const found = find(kid, alg);
    if (found === undefined) throw new Error(`unknown kid`);
    if (found.alg !== undefined && found.alg !== alg) throw new Error(`the key is for ${found.alg}`);
    return found.imported(alg);
  };
}

interface PublishedKey {
  readonly kid: string | undefined;
  readonly alg: string | undefined;
  imported(alg: string): Promise<VerificationKey>;
}

/** What may verify; a key that cannot be imported spoils only the tokens that name it. */
function usableKeys({ keys }: KeySet, algorithms: readonly string[], strict: boolean): readonly PublishedKey[] {
  return keys.flatMap((jwk): PublishedKey[] => {
    const { kid, alg, kty, use } = jwk;
    // A symmetric key in a public set would be the classic confusion; so would a key for encryption.
    if (kty === "oct" || (use !== undefined && use !== "sig")) return [];
    if (strict && (kid === undefined || alg === undefined)) return [];
    if (alg !== undefined && !algorithms.includes(alg)) return [];
    const ready = new Map<string, Promise<VerificationKey>>();
    return [
      {
        kid,
        alg,
        imported(wanted) {
          let key = ready.get(wanted);
          if (key === undefined) {
            key = Promise.resolve(importJWK(jwk, wanted));
            ready.set(wanted, key);
          }
          return key;
        },
      },
    ];
  });
}
