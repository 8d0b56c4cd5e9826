/** How a part of Kinto that settings switch on hangs in: from its names in `kinto.includes` to a plugin of the toolkit. */
import type { AuthenticationPolicy, Plugin, ServiceContext } from "rouage";
import type { KintoResources } from "../resources/resources.ts";
import type { KintoSettings } from "../settings/kinto-settings.ts";
import type { SettingsReader } from "../settings/reader.ts";

/** What a plugin is made from. It reads its own settings with `reader`: what it asks for is known, everything else is warned of. */
export interface KintoParts {
  readonly reader: SettingsReader;
  readonly settings: KintoSettings;
  readonly resources: KintoResources;
}

/** A kind of authentication policy that `multiauth.policies` can name. */
export interface PolicyKind {
  /** Matches the class in `multiauth.policy.{name}.use`, or the policy's name where there is no `use`. */
  readonly uses: RegExp;
  /** Reads the policy's settings at once, and makes it when the service's parts exist. */
  readonly make: (name: string) => (context: ServiceContext) => AuthenticationPolicy | Promise<AuthenticationPolicy>;
}

/** What a part of Kinto adds to the service. */
export interface KintoAddition {
  readonly plugin: Plugin;
  /** Authentication policies that can be used while it is on. */
  readonly policies?: readonly PolicyKind[];
}

export interface KintoPlugin {
  /** Names in `kinto.includes` that switch it on; a submodule of one does as well. */
  readonly includes: readonly string[];
  /** A setting that switches it on beside them. */
  readonly isOn?: (reader: SettingsReader) => boolean;
  /** Called once for each start. */
  readonly create: (parts: KintoParts) => KintoAddition;
}
