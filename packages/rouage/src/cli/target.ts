/** What a command on a store is given: the file of a service, whose settings say where its store is, or the URL of a store. */
import type { ServiceDefinition, StartOptions } from "../service.ts";
import { readServiceSettings, type Settings } from "../settings.ts";
import type { Environment } from "./command.ts";
import { loadService, type SettingFlags, settingSources } from "./load.ts";
import { UsageError } from "./usage-error.ts";

export interface Target {
  /** Of the service; for a URL, of the file or the schema that it names. */
  readonly name: string;
  readonly version: string;
  readonly url: string;
  /** Undefined where a URL was given. */
  readonly service:
    | {
        readonly definition: ServiceDefinition;
        readonly settings: Settings;
        readonly sources: Pick<StartOptions, "environment" | "file">;
      }
    | undefined;
}

/** @throws UsageError when nothing is named; SettingsError naming what is wrong with the service's settings */
export async function targetOf(
  text: string | undefined,
  flags: SettingFlags,
  environment: Environment,
): Promise<Target> {
  if (text === undefined) throw new UsageError("name the file of a service, or the URL of a store");
  if (isUrl(text)) return { name: nameOf(text), version: "", url: text, service: undefined };
  const definition = await loadService(text);
  const { name, version, storage } = definition.declaration;
  if (storage === false) throw new UsageError(`${name} keeps nothing`);
  const sources = settingSources(definition, flags, environment);
  const settings = readServiceSettings(name, sources);
  return { name, version, url: settings.storage, service: { definition, settings, sources } };
}

/** A scheme has more than one letter: one alone is a drive. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/.test(text);
}

function nameOf(url: string): string {
  const [location = "", query = ""] = url.slice(url.indexOf(":") + 1).split("?");
  const last = location.split("/").at(-1)?.replace(/\.db$/, "") ?? "";
  return new URLSearchParams(query).get("schema") ?? (last === "" ? "store" : last);
}
