/** What the application itself needs of the settings, read and checked. Plugins read their own when they are made. */
import type { Permissions } from "rouage/storage";
import { readBackends } from "./backends.ts";
import { type Generators, readGenerators } from "./id-generators.ts";
import type { ObjectKind } from "./object-kind.ts";
import type { SettingsReader } from "./reader.ts";
import { readToolkitSettings } from "./toolkit-settings.ts";

export interface KintoSettings {
  /** Handed to the toolkit as they are. */
  readonly toolkit: Readonly<Record<string, unknown>>;
  /** Names in `kinto.includes`. */
  readonly includes: readonly string[];
  /** Policies in the order in which they are tried, each with the name of the class that Kinto would use. */
  readonly policies: readonly { readonly name: string; readonly use: string }[];
  /** Whoever writes an object is added to its `write`. */
  readonly explicitPermissions: boolean;
  /** `{resource}_{permission}_principals`. */
  readonly granted: Readonly<Record<ObjectKind, Permissions>>;
  /** How long anonymous readers may keep what they read; records have settings of their own. */
  readonly cacheSeconds: Readonly<Partial<Record<ObjectKind, number>>>;
  readonly generators: Generators;
  readonly readonly: boolean;
}

export function readKintoSettings(reader: SettingsReader): KintoSettings {
  const readonly = reader.boolean("readonly") ?? false;
  const explicitPermissions = reader.boolean("explicit_permissions") ?? true;
  const generators = readGenerators(reader);
  return {
    toolkit: { ...readToolkitSettings(reader, readBackends(reader)), readonly },
    includes: reader.list("includes") ?? [],
    policies: readPolicies(reader),
    explicitPermissions,
    granted: {
      bucket: grantedOn(reader, "bucket", { create: ["system.Authenticated"] }),
      collection: grantedOn(reader, "collection"),
      group: grantedOn(reader, "group"),
      record: grantedOn(reader, "record"),
    },
    cacheSeconds: readCacheSeconds(reader),
    generators,
    readonly,
  };
}

function readCacheSeconds(reader: SettingsReader): KintoSettings["cacheSeconds"] {
  const seconds: Partial<Record<ObjectKind, number>> = {};
  for (const kind of ["bucket", "collection", "group"] as const) {
    const own = reader.integer(`${kind}_cache_expires_seconds`, { minimum: 0 });
    if (own !== undefined) seconds[kind] = own;
  }
  return seconds;
}

function grantedOn(reader: SettingsReader, kind: ObjectKind, initial: Permissions = {}): Permissions {
  const granted: Record<string, readonly string[]> = {};
  for (const permission of ["create", "read", "write"]) {
    const principals = reader.list(`${kind}_${permission}_principals`) ?? initial[permission] ?? [];
    if (principals.length > 0) granted[permission] = principals;
  }
  return granted;
}

/** Kinto's default is `basicauth`. A policy without a `use` is known by its name. */
function readPolicies(reader: SettingsReader): KintoSettings["policies"] {
  return (reader.list("multiauth.policies") ?? ["basicauth"]).map((name) => ({
    name,
    use: reader.text(`multiauth.policy.${name}.use`) ?? name,
  }));
}
