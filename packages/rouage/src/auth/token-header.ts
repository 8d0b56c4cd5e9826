/** Tokens in the Authorization header, behind whatever scheme a policy was given (`Bearer`, `Bearer+OIDC`). */
import { invalidToken } from "./tokens.ts";

/** The token; undefined when another scheme is used. @throws ServiceError `invalid-credentials` when what follows is no token */
export function authorizationToken(header: string | undefined, scheme: string): string | undefined {
  if (header === undefined) return undefined;
  const space = header.search(/[ \t]/);
  const given = space === -1 ? header : header.slice(0, space);
  if (given.toLowerCase() !== scheme.toLowerCase()) return undefined;
  const token = header.slice(given.length).trim();
  // b64token of RFC 6750 §2.1. Two headers arrive joined with ", " and are refused with the rest.
  if (token.length > 8192 || !/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) throw invalidToken(new Error("malformed token"));
  return token;
}

/** `WWW-Authenticate` of the scheme. */
export function tokenChallenge(scheme: string, realm: string): string {
  return `${scheme} realm="${realm.replaceAll(/[^\w .:-]/g, "")}"`;
}
