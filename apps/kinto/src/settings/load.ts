/** Where the settings come from: an `.ini` file < the environment < flags; without a file, from defaults. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SettingsError } from "rouage";
import { randomSecret } from "rouage/auth";
import { type Ini, IniError, parseIni } from "rouage/settings";
import { defaultStorage } from "./backends.ts";
import { defaultsWithoutFile } from "./defaults.ts";
import { ownSecret } from "./own-secret.ts";
import type { SettingsSource } from "./reader.ts";

/** @throws SettingsError when the file can't be read */
export function loadSettings(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  overrides: Readonly<Record<string, unknown>> = {},
): SettingsSource {
  const path = file ?? (environment.KINTO_INI === "" ? undefined : environment.KINTO_INI);
  if (path === undefined)
    return { environment, overrides, defaults: { ...defaultsWithoutFile, ...secretOf(environment, overrides) } };
  const origin = `file ${path}`;
  return { entries: entriesOf(path, origin), origin, path, environment, overrides };
}

/** Identities and default buckets are made with it: known to others, it would let them take a bucket before its owner does. */
function secretOf(
  environment: Readonly<Record<string, string | undefined>>,
  overrides: Readonly<Record<string, unknown>>,
): { readonly userid_hmac_secret?: string } {
  if (environment.KINTO_USERID_HMAC_SECRET !== undefined || environment.KINTO_USERID_HMAC_SECRET_FILE !== undefined)
    return {};
  const store = String(
    overrides.storage_url ?? environment.KINTO_STORAGE_URL ?? storageOfFile(environment) ?? defaultStorage,
  );
  if (store.startsWith("sqlite:"))
    return { userid_hmac_secret: ownSecret(`${store.slice("sqlite:".length).replace(/^\/\//, "")}.secret`) };
  if (store === "memory:") return { userid_hmac_secret: randomSecret() };
  // Whoever else is on the database has to have the same: nobody but the operator can give it to all of them.
  throw new SettingsError([
    {
      key: "userid_hmac_secret",
      source: "nowhere",
      problem:
        "is required beside a database, the same for all that use it: set KINTO_USERID_HMAC_SECRET to a long random text, and keep it",
    },
  ]);
}

/** A mounted secret; whether it can be read is judged with all other settings. */
function storageOfFile({
  KINTO_STORAGE_URL_FILE: file,
}: Readonly<Record<string, string | undefined>>): string | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file, "utf8").trim();
  } catch {
    return "memory:";
  }
}

function entriesOf(path: string, origin: string): ReadonlyMap<string, string> {
  const ini = read(path, origin);
  const app = ini.sections.find((name) => name === "app:main") ?? ini.sections.find((name) => name.startsWith("app:"));
  if (app === undefined)
    throw new SettingsError([
      { key: "[app:main]", source: origin, problem: "is the section of Kinto's settings, and is missing" },
    ]);
  const entries = sectionOf(ini, app, origin);
  const server = ini.sections.includes("server:main")
    ? sectionOf(ini, "server:main", origin)
    : new Map<string, string>();
  for (const key of ["host", "port"]) {
    const value = server.get(key);
    if (value !== undefined && !entries.has(key)) entries.set(key, value);
  }
  return entries;
}

/** What the section says itself: keys that it has from DEFAULT are the file's variables. */
function sectionOf(ini: Ini, name: string, origin: string): Map<string, string> {
  try {
    return new Map(ini.section(name).flatMap(({ key, value, inherited }) => (inherited ? [] : [[key, value]])));
  } catch (error) {
    throw unreadable(error, origin, `[${name}]`);
  }
}

function read(path: string, origin: string): Ini {
  try {
    // What Kinto's own command line gives to its files.
    const defaults = { http_port: "8888", here: dirname(resolve(path)), __file__: resolve(path) };
    return parseIni(readFileSync(path, "utf8"), { defaults, keepCase: true });
  } catch (error) {
    throw unreadable(error, origin, "ini");
  }
}

function unreadable(error: unknown, origin: string, key: string): SettingsError {
  if (error instanceof IniError)
    return new SettingsError(
      error.problems.map(({ line, problem }) => ({
        key: line === undefined ? key : `line ${line}`,
        source: origin,
        problem,
      })),
    );
  const problem = fileProblems[String((error as { readonly code?: unknown }).code)] ?? "can't be read";
  return new SettingsError([{ key, source: origin, problem }]);
}

const fileProblems: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "may not be read",
  EISDIR: "is a folder",
};
