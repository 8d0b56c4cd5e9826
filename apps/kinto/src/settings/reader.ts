/**
 * The settings of an existing Kinto, read by the names that Kinto gives them. Whoever needs a setting asks for it by name; what nobody
 * asked for is left over, and named in a warning. Knows no particular setting.
 */
import { readFileSync } from "node:fs";
import { SettingsError, type SettingsProblem } from "rouage";

export interface SettingsReader {
  /** What was given for a key, as text; undefined when nothing was, or an empty text. */
  text(key: string): string | undefined;
  /** Parsed as JSON where it is JSON; undefined when nothing was given. */
  native(key: string): unknown;
  boolean(key: string): boolean | undefined;
  integer(key: string, range?: { readonly minimum?: number; readonly maximum?: number }): number | undefined;
  number(key: string, range?: { readonly minimum?: number; readonly maximum?: number }): number | undefined;
  /** Words divided by spaces, line ends or commas; an empty list where the key was given without a value. */
  list(key: string): readonly string[] | undefined;
  /** Keys given that match, without the project's prefix. They count as asked for when they are read. */
  keys(pattern: RegExp): readonly string[];
  /** Whether anything was given for the key. Counts as asking for it. */
  has(key: string): boolean;
  /** Says that the key is understood, whatever its value: it does not count as left over. */
  accept(key: string): void;
  /** Where the key was given, for messages: `file kinto.ini`, `environment KINTO_BACKOFF`. */
  sourceOf(key: string): string;
  /** A value that the start has to stop for. */
  problem(key: string, problem: string): void;
  /** Something that the operator has to know although the start goes on. */
  warn(message: string): void;
  readonly warnings: readonly string[];
  /** Keys and environment variables given that nobody asked for. */
  leftovers(): readonly { readonly key: string; readonly source: string }[];
  /** @throws SettingsError with every problem so far */
  assertUsable(): void;
}

export interface SettingsSource {
  /** Keys as the file has them, prefixed or not. */
  readonly entries?: ReadonlyMap<string, string> | undefined;
  /** How messages name the file: `file kinto.ini`. */
  readonly origin?: string;
  /** The file itself, which hello tells of. */
  readonly path?: string;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Win over everything: command-line flags, tests. Without prefix. */
  readonly overrides?: Readonly<Record<string, unknown>> | undefined;
  /** Count where nothing else was given. Without prefix. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined;
}

interface Given {
  readonly value: unknown;
  readonly source: string;
}

export function settingsReader(from: SettingsSource): SettingsReader {
  const {
    entries = new Map<string, string>(),
    origin = "file",
    environment = {},
    overrides = {},
    defaults = {},
  } = from;
  const prefix = entries.get("settings_prefix") ?? entries.get("kinto.settings_prefix") ?? "kinto";
  const asked = new Set<string>(["settings_prefix"]);
  const problems: SettingsProblem[] = [];
  const warnings: string[] = [];

  const bare = (key: string): string => (key.startsWith(`${prefix}.`) ? key.slice(prefix.length + 1) : key);
  const variableOf = (key: string): string => `${prefix}_${key}`.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
  const inFile = new Map<string, string>();
  for (const [key, value] of entries) {
    const name = bare(key);
    const other = inFile.get(name);
    if (other !== undefined && other !== value)
      problems.push({
        key: name,
        source: origin,
        problem: `is given twice, as ${name} and as ${prefix}.${name}, with different values`,
      });
    inFile.set(name, value);
  }

  function find(key: string): Given | undefined {
    asked.add(key);
    if (overrides[key] !== undefined) return { value: overrides[key], source: "options" };
    const variable = variableOf(key);
    const set = environment[variable];
    if (set !== undefined) return { value: nativeOf(set), source: `environment ${variable}` };
    const secretFile = environment[`${variable}_FILE`];
    if (secretFile !== undefined) return { value: secretOf(key, secretFile), source: `environment ${variable}_FILE` };
    const text = inFile.get(key);
    if (text !== undefined) return { value: text, source: origin };
    return defaults[key] === undefined ? undefined : { value: defaults[key], source: "default" };
  }

  /** A setting may be read more than once. */
  function report(found: SettingsProblem): void {
    if (!problems.some(({ key, problem }) => key === found.key && problem === found.problem)) problems.push(found);
  }

  function secretOf(key: string, path: string): string | undefined {
    try {
      return readFileSync(path, "utf8").replace(/\r?\n$/, "");
    } catch {
      report({ key, source: `environment ${variableOf(key)}_FILE`, problem: `${path} cannot be read` });
      return undefined;
    }
  }

  function numeric(
    key: string,
    kind: "integer" | "number",
    { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = {},
  ): number | undefined {
    const value = reader.text(key);
    if (value === undefined) return undefined;
    const number = Number(value);
    const fits = kind === "integer" ? Number.isSafeInteger(number) : Number.isFinite(number);
    if (fits && number >= minimum && number <= maximum) return number;
    const range = minimum === Number.NEGATIVE_INFINITY ? "" : ` of at least ${minimum}`;
    reader.problem(key, `expected ${kind}${range}`);
    return undefined;
  }

  const reader: SettingsReader = {
    text(key) {
      const value = find(key)?.value;
      if (value === undefined || value === null || value === "") return undefined;
      return typeof value === "string" ? value : JSON.stringify(value);
    },
    native(key) {
      const value = find(key)?.value;
      return typeof value === "string" ? nativeOf(value) : (value ?? undefined);
    },
    boolean(key) {
      const value = reader.text(key);
      if (value === undefined) return undefined;
      if (/^(true|yes|on|1|t|y)$/i.test(value)) return true;
      if (/^(false|no|off|0|f|n)$/i.test(value)) return false;
      reader.problem(key, "expected true or false");
      return undefined;
    },
    integer: (key, range) => numeric(key, "integer", range),
    number: (key, range) => numeric(key, "number", range),
    list(key) {
      const value = find(key)?.value;
      if (value === undefined || value === null) return undefined;
      if (Array.isArray(value)) return value.map(String);
      return String(value)
        .split(/[\s,]+/)
        .filter((word) => word !== "");
    },
    keys: (pattern) => [...new Set([...inFile.keys(), ...Object.keys(overrides)])].filter((key) => pattern.test(key)),
    has: (key) => find(key) !== undefined,
    accept: (key) => void asked.add(key),
    sourceOf: (key) => find(key)?.source ?? "nowhere",
    problem: (key, problem) => report({ key, source: find(key)?.source ?? "nowhere", problem }),
    warn: (message) => void warnings.push(message),
    warnings,
    leftovers() {
      const variables = new Set([...asked].flatMap((key) => [variableOf(key), `${variableOf(key)}_FILE`]));
      const start = `${prefix.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}_`;
      return [
        ...[...inFile.keys()].filter((key) => !asked.has(key)).map((key) => ({ key, source: origin })),
        ...Object.keys(overrides)
          .filter((key) => !asked.has(key))
          .map((key) => ({ key, source: "options" })),
        ...Object.entries(environment)
          .filter(
            ([name, value]) =>
              name.startsWith(start) && !variables.has(name) && !isInjected(name.slice(start.length), value),
          )
          // The key that a variable stands for can't be told: dots and dashes became underscores.
          .filter(([name]) => ![...inFile.keys()].some((key) => variableOf(key) === name))
          .map(([name]) => ({ key: name.slice(start.length).toLowerCase(), source: `environment ${name}` })),
      ];
    },
    assertUsable() {
      if (problems.length > 0) throw new SettingsError(problems);
    },
  };
  return reader;
}

/** Kinto's reading of a text: JSON where it is JSON, words for true and false. */
function nativeOf(text: string): unknown {
  if (/^(true|yes|on)$/i.test(text)) return true;
  if (/^(false|no|off)$/i.test(text)) return false;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What container platforms set for a neighbour that is called as we are, and the file's own name. */
function isInjected(name: string, value: string | undefined): boolean {
  return (
    name === "INI" ||
    /^SERVICE_(HOST|PORT(_\w+)?)$/.test(name) ||
    /^PORT_\d+_(TCP|UDP|SCTP)/.test(name) ||
    (name === "PORT" && /^(tcp|udp|sctp):\/\//.test(value ?? ""))
  );
}
