/** One warning for everything in an existing Kinto's settings that has no effect here: each key with what it would have done. */
import type { SettingsReader } from "./reader.ts";

/** Undefined where everything given has an effect. */
export function leftoverWarning(reader: SettingsReader): string | undefined {
  const lines = reader
    .leftovers()
    .filter(({ key }) => !quiet.some((pattern) => pattern.test(key)))
    .map(({ key, source }) => `  ${key} (${source}): ${effectOf(key)}`);
  if (lines.length === 0) return undefined;
  return [`${lines.length === 1 ? "a setting has" : `${lines.length} settings have`} no effect:`, ...lines].join("\n");
}

function effectOf(key: string): string {
  return effects.find(([pattern]) => pattern.test(key))?.[1] ?? "not known";
}

/** What belongs to the program that Kinto runs in, and has nothing to correspond to. */
const quiet: readonly RegExp[] = [
  /^use$/,
  /^(filter-with|here|__file__)$/,
  /^pyramid\./,
  /^debugtoolbar\./,
  /^http_port$/,
  /^(initialization_sequence|json_renderer|logging_renderer|bucket_id_generator|transaction_per_request)$/,
  /^storage_(strict_json|create_schema)$/,
  // In every file, also where no policy hashes identities with it.
  /^userid_hmac_secret$/,
  /^multiauth\.(groupfinder|authorization_policy)$/,
];

const effects: readonly (readonly [RegExp, string])[] = [
  [
    /^statsd_(prefix|backend)$/,
    "named the metrics sent to StatsD; here they are named after deployment_environment and the host",
  ],
  [/^sentry_/, "sent errors to Sentry; here they are in the log, as JSON"],
  [/^newrelic_/, "sent traces to New Relic; here metrics go to otlp_url or statsd_url"],
  [/^profiler_/, "wrote a profile of each request"],
  [/^event_listeners/, "called a listener at each change"],
  [/^metrics_matchdict_fields$/, "named path parameters to add to metrics"],
  [/^signer\./, "signed collections and copied them to preview and destination; not available here"],
  [/^history\./, "belongs to kinto.plugins.history, which includes does not name"],
  [/^quotas\./, "belongs to kinto.plugins.quotas, which includes does not name"],
  [/^attachment\./, "belongs to kinto_attachment, which includes does not name"],
  [/^changes\./, "belongs to kinto_changes, which includes does not name"],
  [
    /^account_validation/,
    "asked for a confirmed e-mail address at sign-up; Kinto has no longer a setting for it either",
  ],
  [/^account_/, "belongs to kinto.plugins.accounts, which includes does not name"],
  [/^prometheus_/, "named Prometheus metrics and their labels; here they are fixed, and documented"],
  [/^default_bucket_/, "belongs to kinto.plugins.default_bucket, which includes does not name"],
  [/^admin_/, "belongs to kinto.plugins.admin, which includes does not name"],
  [
    /^multiauth\.policy\./,
    "configures a policy that multiauth.policies does not name, or an option that the policy does not have here",
  ],
  [
    /^(fxa-oauth|fxa_|portier\.|kinto-portier|ldap\.)/,
    "configured an authentication add-on that is not available here",
  ],
  [/^kinto[-_]emailer/, "sent mails at changes; not available here"],
  [/^(redis|elasticsearch|pusher|webpush)/, "configured an add-on that is not available here"],
];
