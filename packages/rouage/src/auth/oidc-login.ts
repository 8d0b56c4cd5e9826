/**
 * The login of an OpenID Connect provider, for pages that have no server: `GET /openid/{provider}/login` sends the browser to the provider
 * (authorization code with PKCE), `GET /openid/{provider}/token` takes it back and hands the page its tokens in the fragment of the
 * callback, which no server sees.
 */
import { createHash } from "node:crypto";
import { Type } from "typebox";
import type { Cache } from "../cache/cache.ts";
import { invalid, ServiceError } from "../errors.ts";
import type { HttpRequest } from "../http.ts";
import type { JsonObject } from "../json.ts";
import { everyone } from "../operations/access.ts";
import { type Reply, reply, route } from "../route.ts";
import type { Plugin, ServiceContext } from "../service-declaration.ts";
import { readCookie } from "./cookies.ts";
import { asymmetricAlgorithms } from "./jwt.ts";
import { checkProvider } from "./oidc.ts";
import { connectProvider, type OidcAnswer, type OidcConnection, type OidcProvider } from "./oidc-provider.ts";
import { equalText, hashSecret, randomSecret } from "./secrets.ts";

export interface OidcLoginOptions {
  /** The same as their policies have. */
  readonly providers: readonly OidcProvider[];
  /**
   * Origins whose pages may be given tokens, such as `https://admin.example`. Without such a list any page could have a visitor's tokens sent to
   * itself.
   */
  readonly callbackOrigins: readonly string[];
  /** How long a login may take. Default 3600. */
  readonly stateTtlSeconds?: number;
  readonly algorithms?: readonly string[];
  readonly timeoutMs?: number;
  /** Default: the global one. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/**
 * A plugin with both routes, the capability `openid`, and `user.profile` in hello.
 * @throws Error when a provider or an origin cannot be used
 * @example plugins: [oidcLogin({ providers: [google], callbackOrigins: ["https://admin.example"] })]
 */
export function oidcLogin(options: OidcLoginOptions): Plugin {
  for (const provider of options.providers) checkProvider(provider);
  const origins = options.callbackOrigins.map(originOf);
  return {
    name: "openid",
    capabilities: { openid: capability(options.providers) },
    routes: (context) => loginRoutes(options, new Set(origins), context),
    hello: () => ({
      user: ({ claims }) => (isProfile(claims.profile) ? { profile: claims.profile } : {}),
    }),
  };
}

/** What one login has to remember from its way out to its way back. */
interface Login {
  readonly provider: string;
  readonly callback: string;
  readonly nonce: string;
  /** RFC 7636. */
  readonly verifier: string;
  readonly redirectUri: string;
  /** Hash of the cookie: who comes back has to be who went (RFC 6749 §10.12). */
  readonly browser: string;
}

function loginRoutes(
  options: OidcLoginOptions,
  origins: ReadonlySet<string>,
  { cache, clock, settings }: ServiceContext,
) {
  const { stateTtlSeconds = 3600, algorithms = asymmetricAlgorithms, timeoutMs, fetch } = options;
  const providers = new Map(
    options.providers.map((provider) => [
      provider.name,
      { ...provider, connection: connectProvider(provider, { clock, fetch, timeoutMs, algorithms }) },
    ]),
  );
  const prefix = `/v${Number.parseInt(settings.http_api_version, 10)}`;
  const base = (request: HttpRequest, name: string) =>
    `${settings.public_origin ?? request.origin}${prefix}/openid/${name}`;

  function providerNamed(name: string) {
    const provider = providers.get(name);
    if (provider !== undefined) return provider;
    const description = "Unknown identity provider";
    throw invalid({ location: "path", name: "provider", description, code: "unknown-provider" });
  }

  const common = { access: [everyone], tag: "OpenID Connect", credentials: "optional" } as const;
  return [
    route("GET", "/openid/{provider}/login", {
      ...common,
      summary: "Begin a login: redirects to the identity provider",
      query: Type.Object({
        callback: Type.String({ minLength: 1, maxLength: 2048 }),
        scope: Type.Optional(Type.String({ maxLength: 1024 })),
        prompt: Type.Optional(Type.Literal("none")),
      }),
      async handler({ request, query, params }) {
        const provider = providerNamed(params.provider);
        const callback = callbackOf(query.callback, origins);
        const scope = scopeOf(query.scope, provider.useridField);
        const { authorizationEndpoint } = await provider.connection.metadata();
        const state = randomSecret();
        const browser = randomSecret();
        const redirectUri = `${base(request, provider.name)}/token`;
        const login: Login = {
          ...{ provider: provider.name, callback, redirectUri, browser: hashSecret(browser) },
          nonce: randomSecret(),
          verifier: randomSecret(),
        };
        await cache.set(stateKey(state), JSON.stringify(login), stateTtlSeconds);
        const target = new URL(authorizationEndpoint);
        const asked = {
          response_type: "code",
          client_id: provider.clientId,
          redirect_uri: redirectUri,
          scope,
          state,
          nonce: login.nonce,
          code_challenge: createHash("sha256").update(login.verifier).digest("base64url"),
          code_challenge_method: "S256",
          ...(query.prompt === undefined ? {} : { prompt: query.prompt }),
        };
        for (const [key, value] of Object.entries(asked)) target.searchParams.set(key, value);
        return redirect(target.href, cookie(state, browser, redirectUri, stateTtlSeconds));
      },
    }),

    route("GET", "/openid/{provider}/token", {
      ...common,
      summary: "End a login: redirects to its callback, with the tokens in the fragment",
      query: Type.Object({
        state: Type.String({ minLength: 1, maxLength: 256 }),
        code: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
        error: Type.Optional(Type.String({ maxLength: 256 })),
        error_description: Type.Optional(Type.String({ maxLength: 1024 })),
      }),
      async handler({ request, query, params }) {
        const provider = providerNamed(params.provider);
        const login = await takeLogin(cache, query.state);
        const browser = readCookie(request.header("cookie"), cookieName(query.state));
        if (
          login === undefined ||
          login.provider !== provider.name ||
          browser === undefined ||
          !equalText(hashSecret(browser), login.browser)
        )
          throw badState();
        const { error, error_description: description } = query;
        if (query.code === undefined && error === undefined) throw badState();
        const result =
          query.code === undefined
            ? { error, error_description: description }
            : await exchange(provider, query.code, login);
        return redirect(withFragment(login.callback, result), cookie(query.state, "", login.redirectUri, 0));
      },
    }),
  ];
}

/** Trades the code for tokens; what the provider refuses is told to the page as the provider says it. */
async function exchange(
  provider: OidcProvider & { readonly connection: OidcConnection },
  code: string,
  login: Login,
): Promise<object> {
  const { connection, clientId, clientSecret } = provider;
  const { tokenEndpoint } = await connection.metadata();
  const { status, body }: OidcAnswer = await connection.call(tokenEndpoint, {
    method: "POST",
    headers: { accept: "application/json" },
    body: new URLSearchParams({
      ...{ grant_type: "authorization_code", code, redirect_uri: login.redirectUri, client_id: clientId },
      ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
      code_verifier: login.verifier,
    }),
  });
  if (status !== 200 || body === undefined) {
    const { error = "server_error", error_description } = body ?? {};
    return { error: String(error), error_description };
  }
  // OpenID Connect Core §3.1.3.7: the token of the login that this browser began, and of no other.
  const { id_token: idToken } = body;
  if (typeof idToken !== "string") throw badState();
  const { claims } = await (await connection.verifier(clientId)).verify(idToken);
  if (claims.nonce !== login.nonce) throw badState();
  // A refresh token is worth more than a page should hold.
  const { access_token, token_type, expires_in, scope } = body;
  return { access_token, token_type, expires_in, scope, id_token: idToken };
}

async function takeLogin(cache: Cache, state: string): Promise<Login | undefined> {
  const text = await cache.delete(stateKey(state));
  return text === undefined ? undefined : (JSON.parse(text) as Login);
}

function badState(): ServiceError {
  return new ServiceError("invalid-credentials", { message: "The login is unknown, over, or was begun elsewhere." });
}

const stateKey = (state: string) => `openid:state:${hashSecret(state)}`;

/** One for each login: several may be under way. */
const cookieName = (state: string) => `openid-${hashSecret(state).slice(0, 16)}`;

function cookie(state: string, value: string, redirectUri: string, seconds: number): string {
  const { protocol, pathname } = new URL(redirectUri);
  const secure = protocol === "https:" ? "; Secure" : "";
  return `${cookieName(state)}=${value}; Path=${pathname}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
}

function redirect(location: string, setCookie: string): Reply {
  const headers = { location, "set-cookie": setCookie, "cache-control": "no-store", "referrer-policy": "no-referrer" };
  return reply(307, undefined, headers);
}

/** As clients of the protocol expect it: base64 of the JSON, behind whatever the callback ends with. */
function withFragment(callback: string, result: object): string {
  const payload = encodeURIComponent(Buffer.from(JSON.stringify(result)).toString("base64"));
  return `${callback}${callback.includes("#") ? "" : "#"}${payload}`;
}

/** @throws ServiceError `invalid-parameters` */
function callbackOf(text: string, origins: ReadonlySet<string>): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.username === "" && url.password === "" && origins.has(url.origin)) return url.href;
  const description = "must be a URL whose origin is allowed";
  throw invalid({ location: "querystring", name: "callback", description, code: "origin-not-allowed" });
}

/** @throws ServiceError `invalid-parameters` */
function scopeOf(text: string | undefined, useridField: string | undefined): string {
  const scopes = new Set(["openid", ...(text ?? "").split(/\s+/).filter((scope) => scope !== "")]);
  if (useridField === "email" && !scopes.has("email")) {
    const description = "must hold email, which users are known by";
    throw invalid({ location: "querystring", name: "scope", description, code: "missing-scope" });
  }
  return [...scopes].join(" ");
}

/** @throws Error */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.origin !== text.replace(/\/$/, ""))
    throw new Error(`callback origin ${text}: expected https://HOST`);
  return url.origin;
}

function capability(providers: readonly OidcProvider[]) {
  return {
    description: "OpenID Connect support.",
    url: "https://openid.net/specs/openid-connect-core-1_0.html",
    providers: providers.map(({ name, issuer, clientId, headerType = "Bearer" }) => ({
      name,
      issuer,
      auth_path: `/openid/${name}/login`,
      client_id: clientId,
      header_type: headerType,
    })),
  };
}

function isProfile(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
