import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { anyStorage } from "../../../scripts/test-stores.ts";
import { withKinto } from "./support/running.ts";

/** As little of a provider as Kinto asks: discovery, and whose the token `good` is. */
async function provider(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const issuer = `http://127.0.0.1:${port}`;
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.url === "/.well-known/openid-configuration")
      answer(200, {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        userinfo_endpoint: `${issuer}/userinfo`,
        jwks_uri: `${issuer}/jwks`,
      });
    else if (request.headers.authorization === "Bearer good")
      answer(200, { sub: "bob", email: "bob@id.example", email_verified: true });
    else answer(401, { error: "invalid_token" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const settingsFor = (issuer: string) => ({
  includes: "kinto.plugins.openid",
  "multiauth.policies": "google basicauth",
  "multiauth.policy.google.use": "kinto.plugins.openid.OpenIDConnectPolicy",
  "multiauth.policy.google.issuer": issuer,
  "multiauth.policy.google.client_id": "kinto",
  "multiauth.policy.google.client_secret": "secret",
  "multiauth.policy.google.userid_field": "email",
  openid_callback_origins: "https://admin.example",
});

test("tokens of the provider are identities, beside those of basicauth, and hello shows the profile", async (t) => {
  await withKinto(anyStorage, settingsFor(await provider(t)), async ({ ask }) => {
    const headers = { authorization: "Bearer good" };
    const { user, capabilities } = (await ask("GET", "/", { headers })).body;
    assert.equal(user.id, "google:bob@id.example");
    assert.equal(user.profile.sub, "bob");
    assert.equal(capabilities.openid.providers[0].auth_path, "/openid/google/login");
    const made = await ask("PUT", "/buckets/mine", { headers });
    assert.deepEqual(made.body.permissions, { write: ["google:bob@id.example"] });
    assert.match((await ask("GET", "/", { as: "bob:pw" })).body.user.id, /^basicauth:/);
    assert.equal((await ask("GET", "/buckets/mine", { headers: { authorization: "Bearer bad" } })).status, 401);
  });
});

test("the login goes to the provider, for pages that are named only", async (t) => {
  const issuer = await provider(t);
  await withKinto(anyStorage, settingsFor(issuer), async ({ kinto }) => {
    const login = (callback: string) =>
      kinto.fetch(
        new Request(
          `http://localhost/v1/openid/google/login?${new URLSearchParams({ callback, scope: "openid email" })}`,
          { redirect: "manual" },
        ),
      );
    const { status, headers } = await login("https://admin.example/#/auth/");
    assert.equal(status, 307);
    const target = new URL(headers.get("location") ?? "");
    assert.equal(target.origin + target.pathname, `${issuer}/authorize`);
    assert.equal(target.searchParams.get("redirect_uri"), "http://localhost/v1/openid/google/token");
    assert.equal((await login("https://evil.example/#")).status, 400);
  });
});

test("included without a policy it adds nothing", async () => {
  await withKinto(anyStorage, { includes: "kinto.plugins.openid" }, async ({ ask }) => {
    assert.equal((await ask("GET", "/")).body.capabilities.openid, undefined);
    assert.equal((await ask("GET", "/openid/google/login")).status, 404);
  });
});
