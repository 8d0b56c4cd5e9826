/** Where the settings come from: flags < an `.ini` file < the environment, in the order of what wins last. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SettingsError } from "rouage";
import { defaultsWithoutFile } from "./defaults.ts";
import { parseIni } from "./ini.ts";
import type { SettingsSource } from "./reader.ts";

/** @throws SettingsError when the file can't be read */
export function loadSettings(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  overrides: Readonly<Record<string, unknown>> = {},
): SettingsSource {
  const path = file ?? (environment.KINTO_INI === "" ? undefined : environment.KINTO_INI);
  if (path === undefined) return { environment, overrides, defaults: defaultsWithoutFile };
  const origin = `file ${path}`;
  return { entries: entriesOf(path, origin), origin, environment, overrides };
}

function entriesOf(path: string, origin: string): ReadonlyMap<string, string> {
  const sections = read(path, origin);
  const app = sections.get("app:main") ?? [...sections].find(([name]) => name.startsWith("app:"))?.[1];
  if (app === undefined)
    throw new SettingsError([
      { key: "[app:main]", source: origin, problem: "is the section of Kinto's settings, and is missing" },
    ]);
  const server = sections.get("server:main");
  const entries = new Map(app);
  for (const key of ["host", "port"]) {
    const value = server?.get(key);
    if (value !== undefined && !entries.has(key)) entries.set(key, value);
  }
  return entries;
}

function read(path: string, origin: string) {
  try {
    // What Kinto's own command line gives to its files.
    const variables = { http_port: "8888", here: dirname(resolve(path)), __file__: resolve(path) };
    return parseIni(readFileSync(path, "utf8"), /^(app|server):/, variables);
  } catch (error) {
    throw new SettingsError([{ key: "ini", source: origin, problem: problemOf(error) }]);
  }
}

function problemOf(error: unknown): string {
  switch ((error as { readonly code?: unknown }).code) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
      return "may not be read";
    case "EISDIR":
      return "is a folder";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
