import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { service } from "../service.ts";
import type { Service } from "../service-declaration.ts";
import { silentLogger } from "../telemetry/log.ts";
import { client, redirectUri, signIn, startProvider, type TestProvider } from "./oidc.fixture.ts";
import { oidc } from "./oidc.ts";
import { type OidcLoginOptions, oidcLogin } from "./oidc-login.ts";

let provider: TestProvider;
before(async () => {
  provider = await startProvider();
});
after(() => provider[Symbol.asyncDispose]());

const page = "https://admin.example";
const callback = `${page}/#/auth/`;

async function start(t: TestContext, options: Partial<OidcLoginOptions> = {}, useridField?: string): Promise<Service> {
  const known = {
    ...{ name: "test", issuer: provider.issuer, ...client },
    ...(useridField === undefined ? {} : { useridField }),
  };
  const running = await service({
    name: "kittens",
    version: "1.0.0",
    authentication: ({ cache, clock }) => [oidc({ ...known, cache, clock })],
    plugins: [oidcLogin({ providers: [known], callbackOrigins: [page], ...options })],
  }).start({ settings: { storage: "memory:" }, log: silentLogger });
  t.after(() => running.stop());
  return running;
}

const get = (running: Service, path: string, headers: Record<string, string> = {}) =>
  running.fetch(new Request(new URL(path, "http://localhost:8888"), { headers, redirect: "manual" }));

const loginPath = (parameters: Record<string, string> = { callback, scope: "openid email" }) =>
  `/v1/openid/test/login?${new URLSearchParams(parameters)}`;

/** A whole login of one browser; answers where it ends. */
async function login(running: Service, parameters?: Record<string, string>) {
  const begun = await get(running, loginPath(parameters));
  assert.equal(begun.status, 307);
  const cookie = (begun.headers.getSetCookie()[0] ?? "").split(";", 1)[0] ?? "";
  const back = await signIn(begun.headers.get("location") ?? "");
  return { begun, cookie, back, ended: await get(running, back, { cookie }) };
}

const resultOf = (response: Response, before = callback): Record<string, string> => {
  const location = response.headers.get("location") ?? "";
  assert.ok(location.startsWith(before), location);
  return JSON.parse(Buffer.from(decodeURIComponent(location.slice(before.length)), "base64").toString());
};

describe("a login", () => {
  test("sends the browser to the provider and comes back with tokens that the service accepts", async (t) => {
    const running = await start(t);
    const { begun, ended } = await login(running);
    const asked = new URL(begun.headers.get("location") ?? "").searchParams;
    assert.equal(asked.get("redirect_uri"), redirectUri);
    assert.equal(asked.get("scope"), "openid email");
    assert.equal(asked.get("code_challenge_method"), "S256");
    assert.equal(ended.status, 307);
    assert.equal(ended.headers.get("cache-control"), "no-store");
    const tokens = resultOf(ended);
    assert.deepEqual(Object.keys(tokens), ["access_token", "token_type", "expires_in", "scope", "id_token"]);
    const hello = (await (
      await get(running, "/v1/", { authorization: `${tokens.token_type} ${tokens.access_token}` })
    ).json()) as { user: object; capabilities: { openid: { providers: object[] } } };
    assert.deepEqual(hello.user, {
      id: "test:bob",
      principals: ["system.Everyone", "system.Authenticated", "test:bob"],
      profile: { sub: "bob", email: "bob@id.example", email_verified: true },
    });
    assert.deepEqual(hello.capabilities.openid.providers, [
      {
        name: "test",
        issuer: provider.issuer,
        auth_path: "/openid/test/login",
        client_id: "kittens",
        header_type: "Bearer",
      },
    ]);
  });

  test("a callback without a fragment is given one: no server on the way sees the tokens", async (t) => {
    const { ended } = await login(await start(t), { callback: `${page}/app?x=1` });
    assert.ok("access_token" in resultOf(ended, `${page}/app?x=1#`));
  });

  test("ends once, and only in the browser that began it", async (t) => {
    const running = await start(t);
    const first = await login(running);
    assert.equal((await get(running, first.back, { cookie: first.cookie })).status, 401);

    const begun = await get(running, loginPath());
    const back = await signIn(begun.headers.get("location") ?? "");
    const elsewhere = await get(running, back, { cookie: first.cookie });
    assert.equal(elsewhere.status, 401);
    assert.equal(((await elsewhere.json()) as { errno: number }).errno, 105);
  });

  test("what the provider refuses is told to the page", async (t) => {
    const running = await start(t);
    const { ended } = await login(running, { callback, prompt: "none" });
    assert.equal(resultOf(ended).error, "login_required");

    const begun = await get(running, loginPath());
    const cookie = (begun.headers.getSetCookie()[0] ?? "").split(";", 1)[0] ?? "";
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state");
    const wrongCode = await get(running, `/v1/openid/test/token?code=wrong&state=${state}`, { cookie });
    assert.equal(resultOf(wrongCode).error, "invalid_grant");
  });

  test("an id token of another login is refused", async (t) => {
    let other = "";
    const running = await start(t, {
      fetch: async (request) => {
        const response = await fetch(request);
        if (!request.url.endsWith("/token")) return response;
        const body = (await response.json()) as { id_token: string };
        if (other === "") other = body.id_token;
        return Response.json({ ...body, id_token: other });
      },
    });
    assert.equal((await login(running)).ended.status, 307);
    assert.equal((await login(running)).ended.status, 401);
  });
});

describe("what is refused", () => {
  const message = async (response: Response) => {
    const body = (await response.json()) as { errno: number; message: string };
    return `${response.status} ${body.errno} ${body.message}`;
  };

  test("callbacks of other origins, and what is no URL", async (t) => {
    const running = await start(t);
    for (const wrong of [
      "https://evil.example/#",
      "https://admin.example.evil.example/#",
      "https://admin.example@evil.example/#",
      "https://user:pw@admin.example/#",
      "http://admin.example/#",
      "javascript:alert(1)//https://admin.example",
      "//admin.example/#",
      "/relative",
    ])
      assert.match(await message(await get(running, loginPath({ callback: wrong }))), /^400 107 .*callback/, wrong);
  });

  test("unknown providers, other prompts, no callback, a scope without what users are known by", async (t) => {
    const running = await start(t, {}, "email");
    const other = await get(running, `/v1/openid/other/login?${new URLSearchParams({ callback })}`);
    assert.match(await message(other), /^400 107 .*provider/);
    assert.match(await message(await get(running, loginPath({ callback, prompt: "login" }))), /^400 107 .*prompt/);
    assert.match(await message(await get(running, loginPath({ scope: "openid" }))), /^400 107 .*callback/);
    assert.match(await message(await get(running, loginPath({ callback, scope: "openid" }))), /^400 107 .*scope/);
  });

  test("an unknown state, and neither code nor error", async (t) => {
    const running = await start(t);
    assert.match(await message(await get(running, "/v1/openid/test/token?code=x&state=y")), /^401 105/);
    assert.match(await message(await get(running, "/v1/openid/test/token?code=x")), /^400 107 .*state/);
  });

  test("a provider that is away: 503 with Retry-After", async (t) => {
    const running = await start(t, {
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    });
    const response = await get(running, loginPath());
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "5");
  });

  test("origins that are none, at the start", () => {
    for (const origin of ["*", "admin.example", "https://admin.example/path", "ftp://x"])
      assert.throws(() => oidcLogin({ providers: [], callbackOrigins: [origin] }), /callback origin/);
  });
});
