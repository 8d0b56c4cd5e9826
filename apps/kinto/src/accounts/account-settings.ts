/** Settings of accounts, and the combinations that Kinto refuses to start with as well. */
import { randomSecret } from "rouage/auth";
import type { KintoSettings } from "../settings/kinto-settings.ts";
import type { SettingsReader } from "../settings/reader.ts";

export interface AccountSettings {
  /** Who may create accounts; `system.Everyone` opens sign-up. */
  readonly creators: readonly string[];
  /** Administrators: they see and change every account, and create any. */
  readonly admins: readonly string[];
  readonly readers: readonly string[];
  readonly cacheSeconds: number;
  readonly passwordMinLength: number;
  /** Mixed into new hashes, so that a stolen store alone cannot be attacked. */
  readonly pepper: string | undefined;
  /** What a shared cache is keyed with; one of the process where the file has none. */
  readonly cacheSecret: string;
}

/** The class of Kinto's policy, or its usual name. */
export const accountPolicy = /(^|\.)(AccountsPolicy|AccountsAuthenticationPolicy|account)$/;
export const basicPolicy = /(^|\.)(BasicAuthAuthenticationPolicy|basicauth)$/;

export function readAccountSettings(
  reader: SettingsReader,
  { policies }: Pick<KintoSettings, "policies">,
): AccountSettings {
  const creators = reader.list("account_create_principals") ?? [];
  const admins = reader.list("account_write_principals") ?? [];
  const strays = creators.filter((principal) => principal !== "system.Everyone" && !admins.includes(principal));
  if (strays.length > 0)
    reader.problem(
      "account_create_principals",
      `${strays.join(", ")} could create only an account of their own; name them in account_write_principals too`,
    );
  const own = policies.findIndex(({ use }) => accountPolicy.test(use));
  const basic = policies.findIndex(({ use }) => basicPolicy.test(use));
  if (own >= 0 && basic >= 0 && basic < own)
    reader.problem(
      "multiauth.policies",
      "basicauth must not come before account: it takes every user and password for its own",
    );
  if (own < 0)
    reader.warn(
      "kinto.plugins.accounts is included, but multiauth.policies names no policy of it: nobody can sign in with an account",
    );
  return {
    creators,
    admins,
    readers: reader.list("account_read_principals") ?? [],
    cacheSeconds: reader.number("account_cache_ttl_seconds", { minimum: 0 }) ?? 30,
    passwordMinLength: reader.integer("account_password_min_length", { minimum: 1, maximum: 1024 }) ?? 1,
    pepper: reader.text("account_password_pepper"),
    cacheSecret: reader.text("userid_hmac_secret") ?? randomSecret(),
  };
}
