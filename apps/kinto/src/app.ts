/** `startKinto()`: from settings by Kinto's names to a running service. */
import {
  type AuthenticationPolicy,
  type Service,
  type ServiceContext,
  SettingsError,
  type StartOptions,
  service,
} from "rouage";
import { basicAuth } from "rouage/auth";
import { basicPolicy } from "./accounts/account-settings.ts";
import { pluginsIn } from "./plugins/index.ts";
import type { KintoAddition, KintoParts, PolicyKind } from "./plugins/kinto-plugin.ts";
import { recordCaching } from "./plugins/record-caching.ts";
import { kintoResources } from "./resources/resources.ts";
import { readKintoSettings } from "./settings/kinto-settings.ts";
import { leftoverWarning } from "./settings/leftovers.ts";
import { type SettingsReader, type SettingsSource, settingsReader } from "./settings/reader.ts";
import { version } from "./version.ts";

export type KintoOptions = Pick<StartOptions, "clock" | "log" | "metrics" | "storage" | "cache" | "tasks">;

/**
 * Starts the application. What the settings say that has no effect here is told in one warning.
 * @throws SettingsError naming everything that it can't start with
 * @example await using kinto = await startKinto({ overrides: { storage_url: "memory:", "multiauth.policies": "basicauth", userid_hmac_secret: "…" } });
 */
export async function startKinto(source: SettingsSource, options: KintoOptions = {}): Promise<Service> {
  const reader = settingsReader(source);
  const settings = readKintoSettings(reader);
  const caching = recordCaching(reader);
  const parts: KintoParts = { reader, settings, resources: kintoResources(settings, caching.seconds) };
  const additions = pluginsIn(settings.includes, reader).map((plugin) => plugin.create(parts));
  const authentication = policiesOf(parts, additions);
  reader.assertUsable();

  const { bucket, collection, group, record } = parts.resources;
  const definition = service({
    name: "kinto",
    version,
    description: "Buckets of collections of JSON objects, with permissions and synchronisation.",
    resources: [bucket, collection, group, record],
    plugins: [caching.plugin, ...additions.map(({ plugin }) => plugin)],
    authentication,
    // Kept in the storage, and asked for by its name all the same.
    checks: ({ storage }) => ({
      permission: async () => void (await storage.permissions.of({ resource: "bucket", parent: "", id: "heartbeat" })),
    }),
  });
  const started = await definition
    .start({ ...options, settings: settings.toolkit, configFile: source.path })
    .catch((error: unknown) => Promise.reject(namedByKinto(error, reader)));
  for (const warning of [...reader.warnings, leftoverWarning(reader)])
    if (warning !== undefined) started.context.log.warn({}, warning);
  return started;
}

/** The policies that the settings list, in their order. */
function policiesOf(parts: KintoParts, additions: readonly KintoAddition[]) {
  const { reader, settings } = parts;
  const kinds: readonly PolicyKind[] = [basic(reader), ...additions.flatMap(({ policies }) => policies ?? [])];
  const makers = settings.policies.flatMap(({ name, use }) => {
    const kind = kinds.find(({ uses }) => uses.test(use));
    if (kind !== undefined) return [kind.make(name)];
    reader.warn(`multiauth.policies: ${name} (${use}) is not available here${hint(use)}; nobody can sign in with it`);
    return [];
  });
  if (makers.length === 0 && settings.policies.length > 0)
    reader.problem("multiauth.policies", "names no policy that is available here: nobody could sign in");
  return async (context: ServiceContext): Promise<readonly AuthenticationPolicy[]> => {
    const made: AuthenticationPolicy[] = [];
    for (const make of makers) made.push(await make(context));
    return made;
  };
}

function basic(reader: SettingsReader): PolicyKind {
  return {
    uses: basicPolicy,
    make: (name) => {
      const secret = reader.text("userid_hmac_secret") ?? "";
      if (secret === "")
        reader.problem(
          "userid_hmac_secret",
          `is required by the policy ${name}: identities are hashed with it; set KINTO_USERID_HMAC_SECRET`,
        );
      return () => basicAuth({ name, secret });
    },
  };
}

function hint(use: string): string {
  if (/account/i.test(use)) return ": add kinto.plugins.accounts to kinto.includes";
  if (/openid/i.test(use)) return ": add kinto.plugins.openid to kinto.includes";
  return "";
}

/** The toolkit knows its settings as options; the operator knows a file and an environment. */
function namedByKinto(error: unknown, reader: SettingsReader): unknown {
  if (!(error instanceof SettingsError)) return error;
  return new SettingsError(error.problems.map((problem) => ({ ...problem, source: reader.sourceOf(problem.key) })));
}
