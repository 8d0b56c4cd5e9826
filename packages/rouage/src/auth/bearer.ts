/** The bearer policy (RFC 6750): `Authorization: Bearer <access token>`, verified locally, with a hook for revocation. */
import type { Principal } from "../principal.ts";
import { boundedCache } from "./bounded-cache.ts";
import type { AuthenticationPolicy } from "./policy.ts";
import { authorizationToken } from "./token-header.ts";
import { invalidToken, type TokenVerifier, type VerifiedToken } from "./tokens.ts";

export interface BearerOptions {
  readonly verifier: TokenVerifier;
  /** Shown in `WWW-Authenticate`. */
  readonly realm?: string;
  /** Asked on every request, also for tokens verified before; has to be fast. */
  readonly revoked?: (claims: VerifiedToken["claims"]) => boolean;
}

export function bearer({ verifier, realm, revoked = () => false }: BearerOptions): AuthenticationPolicy {
  /** Of headers whose tokens were verified lately: looking at each character of a token takes longer than finding it again. */
  const tokens = boundedCache<string>(1_000);

  function admit({ claims, principal }: VerifiedToken): Principal {
    if (revoked(claims)) throw invalidToken(new Error("the token is revoked"));
    return principal;
  }
  return {
    name: "bearer",
    challenge: realm === undefined ? "Bearer" : `Bearer realm="${realm.replaceAll(/[^\w .:-]/g, "")}"`,
    securityScheme: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
    authenticate(request) {
      const header = request.header("authorization");
      if (header === undefined) return undefined;
      const known = tokens.get(header);
      const token = known ?? parseBearer(header);
      if (token === undefined) return undefined;
      const verified = verifier.verify(token);
      if (verified instanceof Promise) return verified.then(admit);
      if (known === undefined) tokens.set(header, token);
      return admit(verified);
    },
  };
}

/**
 * The token of an Authorization header; undefined when another scheme is used. @throws ServiceError `invalid-credentials` when
 * the scheme is Bearer and what follows is no token
 */
export function parseBearer(header: string): string | undefined {
  return authorizationToken(header, "Bearer");
}
