/** The policy `jwt`: signed tokens of another issuer, verified with its public keys. For one's own tokens there is `bearer`. */
import type { JWTPayload } from "jose";
import type { Clock } from "../clock.ts";
import type { Principal } from "../principal.ts";
import type { AuthenticationPolicy } from "./policy.ts";
import { authorizationToken, tokenChallenge } from "./token-header.ts";
import { type JwksSource, type KeySet, remoteJwks, tokenVerifier } from "./tokens.ts";

export interface JwtOptions {
  /** Also what identities begin with. Default `jwt`. */
  readonly name?: string;
  /** What `iss` has to be. */
  readonly issuer: string;
  /** What `aud` has to hold: this service, never left to chance. */
  readonly audience: string;
  /** The issuer's public keys: their address, or the keys themselves. */
  readonly keys: string | KeySet | JwksSource;
  /** The only ones accepted. Default: `asymmetricAlgorithms`. */
  readonly algorithms?: readonly string[];
  /** The scheme in front of the token. Default `Bearer`. */
  readonly headerType?: string;
  /** The claim that says who. Default `sub`. */
  readonly useridField?: string;
  /** The claim that lists roles. Default `roles`. */
  readonly rolesField?: string;
  readonly realm?: string;
  readonly clock?: Clock;
}

/** Signatures whose verifying key tells nobody how to sign (RFC 7518 §3.1, RFC 8037). */
export const asymmetricAlgorithms: readonly string[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

/**
 * Identities `{name}:{sub}`.
 * @example jwt({ issuer: "https://id.example", audience: "kittens", keys: "https://id.example/jwks.json" })
 */
export function jwt(options: JwtOptions): AuthenticationPolicy {
  const { name = "jwt", issuer, audience, keys, clock, headerType = "Bearer", realm = "Realm" } = options;
  const { algorithms = asymmetricAlgorithms, useridField = "sub", rolesField = "roles" } = options;
  const verifier = tokenVerifier({
    ...{ issuer, audience, algorithms, profile: "jwt" },
    source: sourceOf(keys),
    ...(clock === undefined ? {} : { clock }),
    principal: (claims) => claimedPrincipal(name, claims, useridField, rolesField),
  });
  return {
    name,
    challenge: tokenChallenge(headerType, realm),
    securityScheme: {
      type: "http",
      scheme: headerType.toLowerCase(),
      bearerFormat: "JWT",
      description: `JSON Web Tokens of ${issuer}.`,
    },
    authenticate(request) {
      const token = authorizationToken(request.header("authorization"), headerType);
      if (token === undefined) return undefined;
      const verified = verifier.verify(token);
      return verified instanceof Promise ? verified.then(({ principal }) => principal) : verified.principal;
    },
  };
}

/** The caller that claims name. @throws Error when they name nobody */
function claimedPrincipal(
  policy: string,
  claims: Readonly<Record<string, unknown>>,
  useridField: string,
  rolesField = "roles",
): Principal {
  const roles = claims[rolesField];
  const names = Array.isArray(roles) ? roles.filter((role): role is string => typeof role === "string") : [];
  return { id: `${policy}:${useridOf(claims, useridField)}`, roles: new Set(names), claims, policy };
}

/** @throws Error when the claims don't say who, or only by an address that the issuer has not verified */
export function useridOf(claims: JWTPayload, field: string): string {
  const value = claims[field];
  const id = typeof value === "number" ? String(value) : value;
  if (typeof id !== "string" || id === "" || id.length > 255) throw new Error(`no usable claim ${field}`);
  if (field === "email" && claims.email_verified === false) throw new Error("the mail address is not verified");
  return id;
}

function sourceOf(keys: JwtOptions["keys"]): JwksSource {
  if (typeof keys === "string") return remoteJwks(keys);
  const never = Number.POSITIVE_INFINITY;
  return "load" in keys ? keys : { load: () => keys, maxAgeMs: never, refetchMs: never };
}
