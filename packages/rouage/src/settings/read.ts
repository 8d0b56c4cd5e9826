/**
 * Reads settings against a schema from defaults < file < environment < options, once, at start. Everything that is wrong is
 * reported together, so that one start tells all there is to repair. Knows no particular setting.
 */
import { readFileSync } from "node:fs";
import type { Static, TObject, TSchema } from "typebox";
import { Value } from "typebox/value";
import { closest } from "./closest.ts";
import { jsonOrText, parseSettingsFile } from "./file.ts";

export interface SettingsSources {
  /** A file, TOML (`.toml`), YAML (`.yaml`, `.yml`), INI (`.ini`) or else JSON. Default: the path in the environment variable `<PREFIX>CONFIG`, if any. */
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where variables really come from that somebody has put into the environment, for what is said of them: `{ KITTENS_PORT: "--port" }`. */
  readonly environmentNames?: Readonly<Record<string, string>> | undefined;
  /** What the environment variables begin with, underscore included: `KITTENS_`. */
  readonly prefix: string;
  /** Override everything else; `undefined` counts as absent. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** Keys of the file or the environment that belong to somebody else and are left alone. */
  readonly ignore?: (key: string) => boolean;
}

/** Optional settings are always present in the result, as `undefined`. */
export type SettingsOf<S extends TObject> = {
  readonly [K in keyof Static<S>]-?: Record<never, never> extends Pick<Static<S>, K>
    ? Static<S>[K] | undefined
    : Static<S>[K];
};

export interface SettingsProblem {
  readonly key: string;
  /** Where the value came from: `file kittens.toml line 3`, `environment KITTENS_PORT`, `--port`, `options`. */
  readonly source: string;
  readonly problem: string;
}

/** All that is wrong with the settings. Values are never quoted: they may be secrets. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly problems: readonly SettingsProblem[];
  constructor(problems: readonly SettingsProblem[]) {
    super(
      `bad settings:\n${problems.map(({ key, source, problem }) => `  ${key} (${source}): ${problem}`).join("\n")}`,
    );
    this.problems = problems;
  }
}

/**
 * Reads settings. An environment value is parsed as JSON and taken as a string where that fails or does not fit; a list of strings
 * may also be written `a,b`; `<PREFIX>KEY_FILE` names a file that holds the value (a mounted secret).
 * @throws SettingsError naming every unknown key and every bad value
 * @example readSettings(Type.Object({ url: Type.String({ default: "memory:" }) }), { prefix: "KITTENS_", environment: process.env })
 */
export function readSettings<S extends TObject>(schema: S, sources: SettingsSources): SettingsOf<S> {
  const reading: Reading = { schema, sources, values: {}, problems: [] };
  for (const [key, property] of Object.entries<TSchema>(schema.properties))
    reading.values[key] = "default" in property ? structuredClone(property.default) : undefined;

  readFile(reading);
  readEnvironment(reading);
  for (const [key, value] of Object.entries(sources.options ?? {}))
    if (value !== undefined) take(reading, key, value, "options");

  const missing = (schema.required ?? []).filter((key) => reading.values[key] === undefined);
  const named = new Set(reading.problems.map(({ key }) => key));
  for (const key of missing)
    if (!named.has(key)) report(reading, key, "nowhere", `is required; set ${sources.prefix}${upper(key)}`);
  if (reading.problems.length > 0) throw new SettingsError(reading.problems);
  return reading.values as SettingsOf<S>;
}

/** The prefix of a service's environment variables: `urgence-web` → `URGENCE_WEB_`. */
export function environmentPrefix(name: string): string {
  return `${upper(name)}_`;
}

/** What a schema expects, in words: `integer from 0 to 65535`. */
export function expectation(schema: TSchema): string {
  const parts = schema as {
    readonly type?: string;
    readonly enum?: readonly unknown[];
    readonly const?: unknown;
    readonly anyOf?: readonly TSchema[];
    readonly items?: TSchema;
    readonly minimum?: number;
    readonly maximum?: number;
    readonly minLength?: number;
    readonly pattern?: string;
  };
  if (parts.const !== undefined) return JSON.stringify(parts.const);
  if (parts.enum !== undefined) return `one of ${parts.enum.map((value) => JSON.stringify(value)).join(", ")}`;
  if (parts.anyOf !== undefined) return `one of ${parts.anyOf.map(expectation).join(", ")}`;
  if (parts.type === "array") return `list of ${parts.items === undefined ? "values" : expectation(parts.items)}`;
  const { minimum, maximum, minLength, pattern } = parts;
  const range =
    minimum !== undefined && maximum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` of at least ${minimum}`
        : maximum !== undefined
          ? ` of at most ${maximum}`
          : "";
  const length = minLength === undefined ? "" : ` of at least ${minLength} character${minLength === 1 ? "" : "s"}`;
  return `${parts.type ?? "value"}${range}${length}${pattern === undefined ? "" : ` matching ${pattern}`}`;
}

interface Reading {
  readonly schema: TObject;
  readonly sources: SettingsSources;
  readonly values: Record<string, unknown>;
  readonly problems: SettingsProblem[];
}

function report(reading: Reading, key: string, source: string, problem: string): void {
  reading.problems.push({ key, source, problem });
}

function take(reading: Reading, key: string, value: unknown, source: string, raw?: string): void {
  const property = propertyOf(reading.schema, key);
  if (property === undefined) {
    report(reading, key, source, `unknown setting${suggestion(Object.keys(reading.schema.properties), key)}`);
    return;
  }
  const accepted = candidates(property, value, raw).find((candidate) => Value.Check(property, candidate));
  const { expects } = property as { readonly expects?: string };
  if (accepted === undefined) report(reading, key, source, `expected ${expects ?? expectation(property)}`);
  else reading.values[key] = accepted;
}

function propertyOf(schema: TObject, key: string): TSchema | undefined {
  return Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
}

/** Readings of one value, the most literal first; text only has more than one. */
function candidates(property: TSchema, value: unknown, raw: string | undefined): readonly unknown[] {
  if (raw === undefined) return [value];
  const { type } = property as { readonly type?: string };
  if (type === "array") return [value, listOf(raw)];
  const word = type === "boolean" ? words.get(raw.toLowerCase()) : undefined;
  return word === undefined ? [value, raw] : [word];
}

function listOf(text: string): readonly string[] {
  return text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** Booleans as INI files and environments have them (Python's `configparser` and `asbool`). */
const words: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const),
]);

function readFile(reading: Reading): void {
  const variable = `${reading.sources.prefix}CONFIG`;
  const path = reading.sources.file ?? reading.sources.environment?.[variable];
  if (path === undefined || path === "") return;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    report(reading, "config", `file ${path}`, fileProblem(error));
    return;
  }
  const isOwn = (section: string): boolean => `${upper(section)}_` === reading.sources.prefix;
  const { entries, problems } = parseSettingsFile(path, text, isOwn);
  const at = (line: number | undefined): string => `file ${path}${line === undefined ? "" : ` line ${line}`}`;
  for (const { line, problem } of problems) report(reading, "config", at(line), problem);
  for (const { key, value, raw, line } of entries)
    if (reading.sources.ignore?.(key) !== true) take(reading, key, value, at(line), raw);
}

function fileProblem(error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES") return "may not be read";
  if (code === "EISDIR") return "is a folder";
  return typeof code === "string" ? `cannot be read: ${code}` : "cannot be read";
}

function readEnvironment(reading: Reading): void {
  const { prefix, environment = {}, environmentNames: names = {}, ignore } = reading.sources;
  const known = new Map(Object.keys(reading.schema.properties).map((key) => [upper(key), key]));
  for (const [variable, raw] of Object.entries(environment)) {
    if (raw === undefined || !variable.startsWith(prefix)) continue;
    const name = variable.slice(prefix.length);
    if (name === "CONFIG" || name === "" || isInjected(name, raw)) continue;
    const key = known.get(name);
    if (key !== undefined) {
      take(reading, key, jsonOrText(raw), names[variable] ?? `environment ${variable}`, raw);
      continue;
    }
    const named = names[variable];
    if (named !== undefined) {
      const key = name.toLowerCase();
      report(reading, key, named, `unknown setting${suggestion([...known.values()], key)}`);
      continue;
    }
    const fileKey = name.endsWith("_FILE") ? known.get(name.slice(0, -"_FILE".length)) : undefined;
    if (fileKey !== undefined) {
      readSecret(reading, fileKey, raw, variable, `${prefix}${upper(fileKey)}`);
      continue;
    }
    if (ignore?.(name.toLowerCase()) === true) continue;
    report(
      reading,
      variable,
      "environment",
      `unknown setting${suggestion(
        [...known.keys()].map((candidate) => prefix + candidate),
        variable,
      )}`,
    );
  }
}

function readSecret(reading: Reading, key: string, path: string, variable: string, plain: string): void {
  const source = `environment ${variable}`;
  if (reading.sources.environment?.[plain] !== undefined) {
    report(reading, key, source, `given twice: also by ${plain}`);
    return;
  }
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    take(reading, key, jsonOrText(text), source, text);
  } catch (error) {
    report(reading, key, source, `${path} ${fileProblem(error)}`);
  }
}

/**
 * Container platforms inject variables for a neighbour that happens to have the service's name (Kubernetes and Docker links:
 * `KITTENS_SERVICE_HOST`, `KITTENS_PORT=tcp://…`, `KITTENS_PORT_80_TCP_ADDR`); they are not settings.
 */
function isInjected(name: string, value: string): boolean {
  return (
    /^SERVICE_(HOST|PORT(_\w+)?)$/.test(name) ||
    /^PORT_\d+_(TCP|UDP|SCTP)/.test(name) ||
    (name === "PORT" && /^(tcp|udp|sctp):\/\//.test(value))
  );
}

function suggestion(names: readonly string[], name: string): string {
  const match = closest(names, name);
  return match === undefined ? "" : `; did you mean ${match}?`;
}

function upper(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}
