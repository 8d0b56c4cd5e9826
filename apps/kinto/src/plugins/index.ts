/** The table of all plugins, in the order in which they see requests and writes; `includes` of the settings says which are on. */
import { accounts } from "../accounts/accounts.ts";
import { defaultBucket } from "../default-bucket/default-bucket.ts";
import { permissionsEndpoint } from "../permissions/permissions-endpoint.ts";
import type { SettingsReader } from "../settings/reader.ts";
import { admin } from "./admin/admin.ts";
import { attachments } from "./attachments/attachments.ts";
import { changes } from "./changes/changes.ts";
import { counters } from "./counters.ts";
import { flush } from "./flush.ts";
import { forgottenDeletions } from "./forgotten-deletions.ts";
import { history } from "./history/history.ts";
import type { KintoPlugin } from "./kinto-plugin.ts";
import { openid } from "./openid.ts";
import { prometheus } from "./prometheus.ts";
import { quotas } from "./quotas/quotas.ts";
import { schemaValidation } from "./schema/schema-validation.ts";
import { userData } from "./user-data.ts";

export const kintoPlugins: readonly KintoPlugin[] = [
  defaultBucket,
  accounts,
  openid,
  permissionsEndpoint,
  schemaValidation,
  history,
  quotas,
  attachments,
  admin,
  changes,
  flush,
  prometheus,
  counters,
  userData,
  forgottenDeletions,
];

/** Those switched on, and a warning for each name that means nothing here. */
export function pluginsIn(includes: readonly string[], reader: SettingsReader): readonly KintoPlugin[] {
  const isNamed = (plugin: KintoPlugin, include: string) =>
    plugin.includes.some((name) => include === name || include.startsWith(`${name}.`));
  const isAsked = reader.sourceOf("includes") !== "default";
  for (const include of includes)
    if (isAsked && !kintoPlugins.some((plugin) => isNamed(plugin, include)))
      reader.warn(`includes: ${include} is not available here and was left out${hints.get(include) ?? ""}`);
  return kintoPlugins.filter(
    (plugin) => plugin.isOn?.(reader) === true || includes.some((include) => isNamed(plugin, include)),
  );
}

const hints: ReadonlyMap<string, string> = new Map([
  ["kinto.plugins.statsd", ": metrics go to statsd_url where it is set"],
  ["kinto_redis", ": there are no Redis backends"],
]);
