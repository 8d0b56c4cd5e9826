/** Who calls: passwords, keys, tokens, sessions, one-time codes, throttling and revocation. Re-exports only. */
export { type AccountsAuthOptions, type AccountsPolicy, accountsAuth } from "./accounts.ts";
export { type BasicAuthOptions, basicAuth } from "./basic.ts";
export { type BasicCredentials, parseBasic } from "./basic-credentials.ts";
export { type BearerOptions, bearer, parseBearer } from "./bearer.ts";
export { type BoundedCache, boundedCache } from "./bounded-cache.ts";
export { type CookieOptions, hostCookie, readCookie, sameOrigin } from "./cookies.ts";
export { asymmetricAlgorithms, type JwtOptions, jwt } from "./jwt.ts";
export {
  initKeys,
  type JsonWebKeySet,
  type KeyInfo,
  type KeyKind,
  type KeyOptions,
  listKeys,
  openSecretKeys,
  openSigningKeys,
  type PublicJwk,
  type RotateOptions,
  rotateKeys,
  type SecretKeys,
  type SigningAlgorithm,
  type SigningKeys,
} from "./keys.ts";
export { type OidcOptions, oidc } from "./oidc.ts";
export { type OidcLoginOptions, oidcLogin } from "./oidc-login.ts";
export type { OidcProvider } from "./oidc-provider.ts";
export {
  type Derive,
  type DeriveParameters,
  type PasswordFault,
  type PasswordOptions,
  type Passwords,
  type PepperKeys,
  passwords,
} from "./passwords.ts";
export type { AuthenticationPolicy } from "./policy.ts";
export {
  type EndReason,
  type RefreshFamily,
  type RefreshGrant,
  type RefreshOptions,
  type RefreshTokens,
  refreshTokens,
} from "./refresh.ts";
export {
  type FollowRevocationsOptions,
  followRevocations,
  type Revocation,
  type RevocationOptions,
  type Revocations,
  revocations,
} from "./revocation.ts";
export { equalText, hashSecret, keyedHash, randomSecret } from "./secrets.ts";
export { type BrowserSession, type BrowserSessions, browserSessions, type SessionOptions } from "./sessions.ts";
export {
  type Attempt,
  type LocalThrottle,
  networkOf,
  type Throttle,
  type ThrottleOptions,
  throttle,
} from "./throttle.ts";
export type { ThrottleLimit } from "./throttle-count.ts";
export { type SharedThrottleOptions, sharedThrottle } from "./throttle-shared.ts";
export {
  type IssuedToken,
  invalidToken,
  type JwksSource,
  type KeySet,
  localJwks,
  type RemoteJwksOptions,
  remoteJwks,
  type TokenIssuer,
  type TokenIssuerOptions,
  type TokenVerifier,
  type TokenVerifierOptions,
  tokenIssuer,
  tokenVerifier,
  type VerifiedToken,
} from "./tokens.ts";
export {
  enrolTotp,
  hashRecoveryCode,
  recoveryCodes,
  type TotpEnrolment,
  totpCode,
  useRecoveryCode,
  verifyTotp,
} from "./totp.ts";
