/** A real identity provider for tests (oidc-provider) on a free port, and a browser that signs in there as somebody. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  /** Requests that arrived, by path. */
  readonly requests: string[];
  /** Who signs in next. */
  user: string;
  /** What the provider says of users, beside `sub`. */
  claims: Record<string, unknown>;
}

export const client = { clientId: "kittens", clientSecret: "a-secret-that-is-long-enough" };
export const redirectUri = "http://localhost:8888/v1/openid/test/token";

export async function startProvider(): Promise<TestProvider> {
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => {};
  const server = createServer((request, response) => {
    state.requests.push((request.url ?? "").split("?", 1)[0] ?? "");
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const state: TestProvider = {
    issuer,
    requests: [],
    user: "bob",
    claims: { email: "bob@id.example", email_verified: true, name: "Bob" },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: "client_secret_post",
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "RS256", use: "sig", kid: "one" }] },
    cookies: { keys: ["cookies of the test"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    scopes: ["openid", "email", "profile"],
    conformIdTokenClaims: true,
    pkce: { required: () => true },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...state.claims }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({
        ...(oidc.session?.accountId === undefined ? {} : { accountId: oidc.session.accountId }),
        ...(oidc.client?.clientId === undefined ? {} : { clientId: oidc.client.clientId }),
      });
      grant.addOIDCScope("openid email profile");
      grant.addResourceScope("urn:kittens", "read");
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: "read", audience: "kittens-api", accessTokenFormat: "jwt" }),
        useGrantedResource: () => true,
      },
    },
    ttl: { AccessToken: 3600, IdToken: 3600, Interaction: 600, Session: 3600, Grant: 3600 },
  });
  const callback = provider.callback();
  handle = (request, response) => {
    if (request.url?.startsWith("/interaction/") !== true) return callback(request, response);
    return provider.interactionFinished(request, response, { login: { accountId: state.user } });
  };
  return state;
}

/** Follows redirects, with cookies, until one leads away from the provider; answers where to. */
export async function signIn(start: string): Promise<string> {
  const { origin } = new URL(start);
  const cookies = new Map<string, string>();
  let url = start;
  for (let step = 0; step < 10; step++) {
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    await response.body?.cancel();
    for (const line of response.headers.getSetCookie()) {
      const [name = "", value = ""] = (line.split(";", 1)[0] ?? "").split("=");
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    if (location === null) throw new Error(`the provider answered ${response.status} without a redirect`);
    url = new URL(location, url).href;
    if (new URL(url).origin !== origin) return url;
  }
  throw new Error("too many redirects");
}

/** Tokens of a login without the toolkit's routes. */
export async function tokensOf(
  issuer: string,
  options: { readonly scope?: string; readonly resource?: string } = {},
): Promise<Record<string, string>> {
  const verifier = "v".repeat(43);
  const challenge = Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))).toString(
    "base64url",
  );
  const resource = options.resource === undefined ? {} : { resource: options.resource };
  const query = new URLSearchParams({
    ...{ response_type: "code", client_id: client.clientId, redirect_uri: redirectUri, state: "s", ...resource },
    ...{ scope: options.scope ?? "openid email", code_challenge: challenge, code_challenge_method: "S256" },
  });
  const back = new URL(await signIn(`${issuer}/auth?${query}`));
  const code = back.searchParams.get("code");
  if (code === null) throw new Error(`no code: ${back.search}`);
  const response = await fetch(`${issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      ...{ grant_type: "authorization_code", code, redirect_uri: redirectUri, code_verifier: verifier, ...resource },
      ...{ client_id: client.clientId, client_secret: client.clientSecret },
    }),
  });
  return (await response.json()) as Record<string, string>;
}
