/**
 * The policy `basicauth`: whatever user and password somebody sends is an identity of its own, a keyed hash of both. There is nothing to
 * register and nothing to be refused.
 */
import { createHmac } from "node:crypto";
import type { Principal } from "../principal.ts";
import { parseBasic } from "./basic-credentials.ts";
import type { AuthenticationPolicy } from "./policy.ts";
import { remembered } from "./remembered.ts";

export interface BasicAuthOptions {
  /** Also what identities begin with. Default `basicauth`. */
  readonly name?: string;
  /** Key of the hash: another key, and everybody is somebody else. */
  readonly secret: string | Uint8Array;
  /** Shown in `WWW-Authenticate`. */
  readonly realm?: string;
}

/**
 * Identities `{name}:{HMAC-SHA-256 of "user:password", hexadecimal}`. Without a user name the caller is anonymous.
 * @throws Error when the secret is empty
 */
export function basicAuth({ name = "basicauth", secret, realm = "Realm" }: BasicAuthOptions): AuthenticationPolicy {
  if (secret.length === 0) throw new Error(`authentication policy ${name}: the secret is empty`);
  // What a header means never changes, and hashing it takes as long as half of a GET.
  const identityOf = remembered((header): Principal | undefined => {
    const credentials = parseBasic(header);
    if (credentials === undefined || credentials.user === "") return undefined;
    const hash = createHmac("sha256", secret).update(`${credentials.user}:${credentials.password}`).digest("hex");
    return Object.freeze({ id: `${name}:${hash}`, roles: noRoles, claims: noClaims, policy: name });
  });
  return {
    name,
    challenge: basicChallenge(realm),
    securityScheme: {
      type: "http",
      scheme: "basic",
      description: "HTTP Basic: every pair of user name and password is an identity of its own.",
    },
    authenticate(request) {
      const header = request.header("authorization");
      return header === undefined ? undefined : identityOf(header);
    },
  };
}

const noRoles: ReadonlySet<string> = new Set();
const noClaims = Object.freeze({});

/** `WWW-Authenticate` of the scheme Basic. */
export function basicChallenge(realm: string): string {
  return `Basic realm="${realm.replaceAll(/[^\w .:-]/g, "")}"`;
}
