/** The plugin `openid`: policies for OpenID Connect providers, and the login that gives pages their tokens. */
import { type OidcProvider, oidc, oidcLogin } from "rouage/auth";
import type { SettingsReader } from "../settings/reader.ts";
import type { KintoPlugin } from "./kinto-plugin.ts";

/** The class of Kinto's policy. */
const openidPolicy = /(^|\.)OpenIDConnectPolicy$/;

export const openid: KintoPlugin = {
  includes: ["kinto.plugins.openid"],

  create({ reader, settings }) {
    const providers = new Map(
      settings.policies
        .filter(({ use }) => openidPolicy.test(use))
        .map(({ name }) => [name, { provider: readProvider(reader, name), ...readTtls(reader, name) }]),
    );
    const login = oidcLogin({
      providers: [...providers.values()].map(({ provider }) => provider),
      callbackOrigins: callbackOrigins(reader, settings.toolkit),
      stateTtlSeconds: Math.min(...[...providers.values()].map(({ stateSeconds }) => stateSeconds), 3600),
    });
    return {
      // Without a provider there is nothing to log in at, and nothing to tell clients about.
      plugin: providers.size === 0 ? { name: "openid" } : login,
      policies: [
        {
          uses: openidPolicy,
          make: (name) => {
            const known = providers.get(name);
            if (known === undefined) throw new Error(`policy ${name} is not among the settings it was read from`);
            return ({ cache, clock }) =>
              oidc({ ...known.provider, cache, clock, verificationTtlSeconds: known.verificationSeconds });
          },
        },
      ],
    };
  },
};

function readProvider(reader: SettingsReader, name: string): OidcProvider {
  const option = (key: string) => reader.text(`multiauth.policy.${name}.${key}`);
  const required = (key: string): string => {
    const value = option(key);
    if (value === undefined) reader.problem(`multiauth.policy.${name}.${key}`, "is required by the policy");
    return value ?? "";
  };
  const [clientSecret, audience, headerType, useridField] = [
    "client_secret",
    "audience",
    "header_type",
    "userid_field",
  ].map(option);
  const provider = {
    ...{ name, issuer: required("issuer"), clientId: required("client_id") },
    ...(clientSecret !== undefined && { clientSecret }),
    ...(audience !== undefined && { audience }),
    ...(headerType !== undefined && { headerType }),
    ...(useridField !== undefined && { useridField }),
  };
  // What is missing is told with everything else that is wrong, when all settings are read.
  return provider.issuer === "" ? { ...provider, issuer: "https://missing.invalid" } : provider;
}

function readTtls(reader: SettingsReader, name: string) {
  const seconds = (key: string) => reader.number(`multiauth.policy.${name}.${key}`, { minimum: 0.001 });
  return {
    verificationSeconds: seconds("verification_ttl_seconds") ?? 300,
    stateSeconds: seconds("state_ttl_seconds") ?? 3600,
  };
}

/**
 * Whose pages may be sent tokens: those that `openid_callback_origins` names, or else our own and those that may call us at all. Kinto sends them anywhere.
 */
function callbackOrigins(reader: SettingsReader, toolkit: Readonly<Record<string, unknown>>): readonly string[] {
  const named = reader.list("openid_callback_origins");
  if (named !== undefined) return named;
  const { public_origin: own, cors_origins: others, port } = toolkit;
  const local = [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
  const allowed = Array.isArray(others) ? others.filter((origin): origin is string => origin !== "*") : [];
  return [...(typeof own === "string" ? [own] : local), ...allowed];
}
