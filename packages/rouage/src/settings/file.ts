/** A file of settings as keys and values, whatever it is written in: TOML, YAML, JSON or INI, by its extension. Knows no schema. */
import { createRequire } from "node:module";
import type * as Toml from "smol-toml";
import type * as Yaml from "yaml";
import { IniError, parseIni } from "./ini.ts";

export interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  /** The text of a value of a format that has texts only (INI). */
  readonly raw?: string;
  readonly line?: number | undefined;
}

export interface FileProblem {
  readonly line?: number | undefined;
  /** Never quotes the file: it may hold secrets. */
  readonly problem: string;
}

export interface FileContent {
  readonly entries: readonly FileEntry[];
  readonly problems: readonly FileProblem[];
}

// Most services have no file, or one in one language: the eighty modules of the parsers are loaded when one is read.
const load = createRequire(import.meta.url);
const toml = (): typeof Toml => load("smol-toml");
const yaml = (): typeof Yaml => load("yaml");

/** @param isOwn whether a section of an INI file is the service's own, beside `[app:main]` and `[server:main]` */
export function parseSettingsFile(path: string, text: string, isOwn: (section: string) => boolean): FileContent {
  const extension = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase();
  if (extension === "toml") return fromToml(text);
  if (extension === "yaml" || extension === "yml") return fromYaml(text, "YAML");
  if (extension === "ini") return fromIni(text, isOwn);
  return fromJson(text);
}

function fromToml(text: string): FileContent {
  try {
    const lines = tomlLines(text);
    return { entries: entriesOf(toml().parse(text), (key) => lines.get(key)), problems: [] };
  } catch (error) {
    // The parser's messages quote the text around the error: only its place is told.
    const { line, column } = error as { readonly line?: number; readonly column?: number };
    return failed(notValid("TOML", column), line);
  }
}

/** Lines of the keys at the top, by their usual spelling. */
function tomlLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let top = true;
  for (const [index, line] of text.split("\n").entries()) {
    const table = /^\s*\[{1,2}\s*"?([\w-]+)"?\s*[\].]/.exec(line)?.[1];
    if (table !== undefined) top = false;
    const key = table ?? (top ? /^\s*"?([\w-]+)"?\s*[=.]/.exec(line)?.[1] : undefined);
    if (key !== undefined && !lines.has(key)) lines.set(key, index + 1);
  }
  return lines;
}

function fromJson(text: string): FileContent {
  try {
    const value: unknown = JSON.parse(text);
    // JSON is YAML: the other parser knows where keys stand.
    const lines = linesOf(text);
    return isObject(value) ? { entries: entriesOf(value, lines), problems: [] } : failed(noObject);
  } catch {
    const { problems } = fromYaml(text, "JSON");
    return problems.length > 0 ? { entries: [], problems } : failed(notValid("JSON"));
  }
}

function fromYaml(text: string, language: string): FileContent {
  const { LineCounter, parseDocument } = yaml();
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "silent" });
  const [first] = document.errors;
  if (first !== undefined) {
    const { line, col } = lineCounter.linePos(first.pos[0]);
    return failed(notValid(language, col), line);
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    // A file without anything but comments.
    if (value === null) return { entries: [], problems: [] };
    return isObject(value) ? { entries: entriesOf(value, linesOf(text)), problems: [] } : failed(noObject);
  } catch {
    return failed(notValid(language));
  }
}

function linesOf(text: string): (key: string) => number | undefined {
  const { isMap, isScalar, LineCounter, parseDocument } = yaml();
  const lineCounter = new LineCounter();
  const { contents } = parseDocument(text, { lineCounter, logLevel: "silent", uniqueKeys: false });
  const lines = new Map<string, number>();
  if (isMap(contents))
    for (const { key } of contents.items)
      if (isScalar(key) && key.range) lines.set(String(key.value), lineCounter.linePos(key.range[0]).line);
  return (key) => lines.get(key);
}

/**
 * `[app:main]` or a section of the service's name gives settings, `[server:main]` host and port, as files for Python's servers have them. Dots and
 * dashes in keys are underscores. DEFAULT serves `%(name)s` only; other sections are somebody else's.
 */
function fromIni(text: string, isOwn: (section: string) => boolean): FileContent {
  const entries: FileEntry[] = [];
  const problems: FileProblem[] = [];
  const lineOf = new Map<string, number | undefined>();
  try {
    const ini = parseIni(text);
    const wanted = ini.sections.filter((name) => name === "app:main" || name === "server:main" || isOwn(name));
    if (wanted.length === 0)
      problems.push({ problem: "has neither a section [app:main] nor one of the service's name" });
    for (const section of wanted) {
      const isPaste = section.endsWith(":main");
      for (const { key: written, value, line, inherited } of sectionOf(ini.section, section, problems)) {
        // Which Python program to run.
        if (inherited || (isPaste && written === "use")) continue;
        const key = written.replaceAll(/[.-]/g, "_");
        if (lineOf.has(key)) problems.push({ line, problem: `${key} is there twice: also in line ${lineOf.get(key)}` });
        lineOf.set(key, line);
        entries.push({ key, value: jsonOrText(value), raw: value, line });
      }
    }
  } catch (error) {
    collect(error, problems);
  }
  return { entries, problems };
}

function sectionOf(section: ReturnType<typeof parseIni>["section"], name: string, problems: FileProblem[]) {
  try {
    return section(name);
  } catch (error) {
    collect(error, problems);
    return [];
  }
}

function collect(error: unknown, problems: FileProblem[]): void {
  if (!(error instanceof IniError)) throw error;
  problems.push(...error.problems);
}

/** What texts mean, in the environment and in INI files: JSON where they are JSON. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function entriesOf(content: object, lineOf: (key: string) => number | undefined): readonly FileEntry[] {
  return Object.entries(content).map(([key, value]) => ({ key, value, line: lineOf(key) }));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function failed(problem: string, line?: number): FileContent {
  return { entries: [], problems: [{ problem, line }] };
}

function notValid(language: string, column?: number): string {
  return `is not valid ${language}${column === undefined ? "" : ` (column ${column})`}`;
}

const noObject = "expected an object of settings";
