/** Loads the service that a file exports, and puts together its settings' sources from the command line. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { ServiceDefinition, StartOptions } from "../service.ts";
import { environmentPrefix } from "../settings/read.ts";
import type { Environment } from "./command.ts";
import { UsageError } from "./usage-error.ts";

/** The file of a service fails before it exports anything: its author reads where. */
export class NotLoaded extends Error {
  override readonly name = "NotLoaded";
}

/** @throws UsageError when there is no such file; Error when it exports no service or cannot be loaded */
export async function loadService(file: string | undefined): Promise<ServiceDefinition> {
  if (file === undefined) throw new UsageError("name the file of the service: rouage start kittens.ts");
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`${file}: no such file`);
  if (!statSync(path).isFile()) throw new UsageError(`${file} is not a file`);
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new NotLoaded(`${file} cannot be loaded`, { cause: error });
  }
  if (!("default" in module))
    throw new Error(`${file} has no default export; end it with: export default service({ … })`);
  if (!isDefinition(module.default)) throw new Error(`the default export of ${file} was not made with service()`);
  return module.default;
}

export interface SettingFlags {
  readonly config?: string | undefined;
  readonly set?: readonly string[] | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly workers?: string | undefined;
}

/** Flags count as the environment variables they stand for, so that they are read by the same rules. */
export function settingSources(
  { declaration }: ServiceDefinition,
  flags: SettingFlags,
  environment: Environment,
): Pick<StartOptions, "environment" | "environmentNames" | "file"> {
  const prefix = environmentPrefix(declaration.name);
  const given: { readonly key: string; readonly value: string; readonly name: string }[] = [];
  for (const pair of flags.set ?? []) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new UsageError(`--set ${pair}: expected KEY=VALUE`);
    const key = pair.slice(0, equals);
    given.push({ key, value: pair.slice(equals + 1), name: `--set ${key}` });
  }
  for (const key of ["host", "port", "workers"] as const) {
    const value = flags[key];
    if (value !== undefined) given.push({ key, value, name: `--${key}` });
  }
  const merged: Record<string, string | undefined> = { ...environment };
  const names: Record<string, string> = {};
  for (const { key, value, name } of given) {
    const variable = prefix + key.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    merged[variable] = value;
    names[variable] = name;
    delete merged[`${variable}_FILE`];
  }
  return { environment: merged, environmentNames: names, file: flags.config };
}

function isDefinition(value: unknown): value is ServiceDefinition {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service" && "start" in value;
}
