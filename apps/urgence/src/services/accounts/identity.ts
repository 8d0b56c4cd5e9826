/**
 * What identity rests on: keys, the issuer and verifier of access tokens, and who is revoked. Opened once in a process and handed to every service;
 * only accounts sees the secrets.
 */
import { type Clock, ServiceError, systemClock } from "rouage";
import {
  type AuthenticationPolicy,
  type BearerOptions,
  bearer,
  type IssuedToken,
  type JsonWebKeySet,
  localJwks,
  openSecretKeys,
  openSigningKeys,
  type Revocations,
  revocations,
  type SecretKeys,
  type TokenIssuer,
  tokenIssuer,
  tokenVerifier,
} from "rouage/auth";

export interface IdentityOptions {
  /** Folder of the key files. */
  readonly folder: string;
  readonly clock?: Clock;
  /** Life of an access token in seconds. Default 600. */
  readonly tokenLifetime?: number;
}

export interface Identity {
  /** Recognises access tokens and honours revocation; for the `authentication` of every service. */
  readonly authentication: readonly AuthenticationPolicy[];
  readonly issuer: TokenIssuer;
  readonly revocations: Revocations;
  /** How long a revocation has to be remembered. */
  readonly revocationMs: number;
  readonly pepper: SecretKeys;
  readonly totpKeys: SecretKeys;
  /** Keys of hashes that are looked up; they never change. */
  readonly phoneHashKey: Uint8Array;
  readonly emailHashKey: Uint8Array;
  readonly csrfKey: Uint8Array;
  readonly codeKey: Uint8Array;
  jwks(): JsonWebKeySet;
  /** A token for a service that calls others, for `serviceRegistry`. */
  mint(service: string): Promise<IssuedToken>;
  /** Reads keys that another process may have rotated. */
  reload(): Promise<void>;
}

/** Purposes whose keys `rotateKeys` may replace while Urgence runs. */
export const rotatableKeys = ["signing", "pepper", "totp"] as const;

const issuerName = "urgence";
/** How long tokens are believed without knowing what was revoked elsewhere. */
const blindMs = 60_000;

/** Opens the keys, making those that are missing. @throws Error when others may read a key file */
export async function openIdentity({
  folder,
  clock = systemClock,
  tokenLifetime = 600,
}: IdentityOptions): Promise<Identity> {
  const fixed = async (purpose: string) => (await openSecretKeys({ folder, purpose, clock, fixed: true })).active().key;
  const signing = await openSigningKeys({ folder, purpose: "signing", clock });
  const pepper = await openSecretKeys({ folder, purpose: "pepper", clock });
  const totpKeys = await openSecretKeys({ folder, purpose: "totp", clock });
  const revocationMs = (tokenLifetime + 10) * 1000;
  const revoked = revocations({ lifetimeMs: revocationMs, clock });
  const shared = { issuer: issuerName, audience: issuerName, clock };
  const issuer = tokenIssuer({ keys: signing, lifetime: tokenLifetime, ...shared });
  const isRevoked: BearerOptions["revoked"] = (claims) => {
    const { blindSince } = revoked;
    // Services' own tokens are never revoked. A person's may have been, by a process whose log cannot be read.
    const isPersons = !String(claims.sub).startsWith("service:");
    if (isPersons && blindSince !== undefined && clock.now() - blindSince >= blindMs)
      throw new ServiceError("unavailable", { headers: { "retry-after": "10" } });
    return revoked.revoked(claims);
  };
  const verifier = tokenVerifier({ source: localJwks(() => signing.jwks()), ...shared });
  return {
    authentication: [bearer({ verifier, realm: issuerName, revoked: isRevoked })],
    issuer,
    revocations: revoked,
    revocationMs,
    pepper,
    totpKeys,
    phoneHashKey: await fixed("phone-hash"),
    emailHashKey: await fixed("email-hash"),
    csrfKey: await fixed("csrf"),
    codeKey: await fixed("codes"),
    jwks: () => signing.jwks(),
    mint: (service) => issuer.issue(`service:${service}`, { roles: ["service"] }),
    async reload() {
      await Promise.all([signing.reload(), pepper.reload(), totpKeys.reload()]);
    },
  };
}
