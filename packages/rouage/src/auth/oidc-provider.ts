/**
 * An OpenID Connect provider as a client sees it: what it says of itself (OpenID Connect Discovery 1.0), and calls to its endpoints,
 * bounded in time and size. Knows no policies and no routes.
 */
import type { Clock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { remoteJwks, type TokenVerifier, tokenVerifier } from "./tokens.ts";

/** What an operator knows of a provider. */
export interface OidcProvider {
  /** Name of the policy, what identities begin with, and part of the login's path. Lower-case letters, digits and dashes. */
  readonly name: string;
  /** Where the provider is, `https://accounts.example`; its `/.well-known/openid-configuration` says the rest. */
  readonly issuer: string;
  readonly clientId: string;
  /** Absent: a public client; PKCE is used in any case. */
  readonly clientSecret?: string;
  /** Whom tokens have to be made for. Given, only JWTs are accepted: of others nobody can tell. */
  readonly audience?: string;
  /** The scheme in front of the token. Default `Bearer`. */
  readonly headerType?: string;
  /** The claim that says who. Default `sub`; another one may be given to somebody else some day. */
  readonly useridField?: string;
}

export interface OidcConnectionOptions {
  readonly clock: Clock;
  /** Default: the global one. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Longest wait for one answer of the provider. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Signatures accepted. */
  readonly algorithms: readonly string[];
}

/** What discovery says, as far as it is needed. */
export interface OidcMetadata {
  readonly issuer: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly userinfoEndpoint: string | undefined;
  readonly jwksUri: string;
}

export interface OidcAnswer {
  readonly status: number;
  /** Undefined where the body is no JSON object. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

export interface OidcConnection {
  /** Kept for an hour, and beyond while the provider is away. @throws ServiceError `unavailable` */
  metadata(): Promise<OidcMetadata>;
  /** Verifies tokens that the provider signed for this audience. @throws ServiceError `unavailable` */
  verifier(audience: string): Promise<TokenVerifier>;
  /** One call. @throws ServiceError `unavailable` when there is no answer in time, or one that says to come later */
  call(url: string, init?: RequestInit): Promise<OidcAnswer>;
}

export function connectProvider(provider: OidcProvider, options: OidcConnectionOptions): OidcConnection {
  const { clock, fetch = globalThis.fetch, timeoutMs = 5000, algorithms } = options;
  const issuer = provider.issuer.replace(/\/+$/, "");
  const verifiers = new Map<string, TokenVerifier>();
  let known: { readonly metadata: OidcMetadata; readonly until: number } | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<OidcMetadata> | undefined;

  const away = (cause: unknown, seconds = retrySeconds) =>
    new ServiceError("unavailable", {
      message: `The identity provider ${provider.name} is not available, please retry later.`,
      headers: { "retry-after": String(seconds) },
      cause,
    });

  async function call(url: string, init: RequestInit = {}): Promise<OidcAnswer> {
    let status: number;
    let text: string;
    let wait: string | null;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      // Redirects would carry credentials elsewhere.
      const response = await fetch(new Request(url, { redirect: "error", ...init, signal }));
      ({ status } = response);
      wait = response.headers.get("retry-after");
      text = await boundedText(response);
    } catch (cause) {
      throw away(cause);
    }
    if (status >= 500 || status === 429) {
      const seconds = wait !== null && /^\d{1,4}$/.test(wait) ? Number(wait) : retrySeconds;
      throw away(new Error(`${new URL(url).origin} answered ${status}`), seconds);
    }
    return { status, body: objectIn(text) };
  }

  async function discover(): Promise<OidcMetadata> {
    if (clock.now() - failedAt < retrySeconds * 1000 && clock.now() >= failedAt)
      throw away(new Error("discovery failed a moment ago"));
    try {
      const { status, body } = await call(`${issuer}/.well-known/openid-configuration`, {
        headers: { accept: "application/json" },
      });
      if (status !== 200 || body === undefined) throw away(new Error(`discovery answered ${status}`));
      const metadata = metadataOf(body, issuer);
      known = { metadata, until: clock.now() + metadataMs };
      return metadata;
    } catch (error) {
      failedAt = clock.now();
      if (known !== undefined) {
        // What was true an hour ago most likely still is.
        known = { metadata: known.metadata, until: failedAt + retrySeconds * 1000 };
        return known.metadata;
      }
      throw ServiceError.is(error) ? error : away(error);
    }
  }

  const connection: OidcConnection = {
    call,
    async metadata() {
      if (known !== undefined && known.until > clock.now()) return known.metadata;
      asking ??= discover().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    async verifier(audience) {
      const metadata = await connection.metadata();
      const key = JSON.stringify([metadata.issuer, metadata.jwksUri, audience]);
      let verifier = verifiers.get(key);
      if (verifier === undefined) {
        verifier = tokenVerifier({
          source: remoteJwks(metadata.jwksUri, { fetch, timeoutMs }),
          ...{ issuer: metadata.issuer, audience, algorithms, clock, profile: "jwt" },
        });
        verifiers.clear();
        verifiers.set(key, verifier);
      }
      return verifier;
    },
  };
  return connection;
}

const retrySeconds = 5;
const metadataMs = 3_600_000;
const longestAnswer = 262_144;

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body) {
    length += part.byteLength;
    if (length > longestAnswer) throw new Error("the answer is too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function objectIn(text: string): OidcAnswer["body"] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** @throws Error when something is missing, or the document is another issuer's (OpenID Connect Discovery 1.0 §4.3) */
function metadataOf(document: Readonly<Record<string, unknown>>, issuer: string): OidcMetadata {
  const { issuer: said } = document;
  if (typeof said !== "string" || said.replace(/\/+$/, "") !== issuer)
    throw new Error("discovery names another issuer");
  const endpoint = (name: string): string => {
    const value = document[name];
    if (typeof value !== "string" || !URL.canParse(value)) throw new Error(`discovery has no ${name}`);
    const { protocol } = new URL(value);
    if (protocol !== "https:" && protocol !== new URL(issuer).protocol) throw new Error(`${name} is not safe`);
    return value;
  };
  return {
    issuer: said,
    authorizationEndpoint: endpoint("authorization_endpoint"),
    tokenEndpoint: endpoint("token_endpoint"),
    userinfoEndpoint: document.userinfo_endpoint === undefined ? undefined : endpoint("userinfo_endpoint"),
    jwksUri: endpoint("jwks_uri"),
  };
}
