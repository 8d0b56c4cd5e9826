/**
 * INI files as Python's `configparser` reads them: sections, `=` or `:`, comments on lines of their own, values that go on in indented lines,
 * `%(name)s`, and a section DEFAULT whose keys every section has. Values are interpolated when a section is asked for, so that those of
 * others (formats of log lines) need not be valid.
 */
import { interpolated } from "./interpolation.ts";

export interface IniOptions {
  /** Keys that every section has beside those of DEFAULT, which win: `here`, for example. */
  readonly defaults?: Readonly<Record<string, string>>;
  /** Keep keys as they are written. Default: they are in lower case, as `configparser` has them. */
  readonly keepCase?: boolean;
}

export interface IniEntry {
  readonly key: string;
  readonly value: string;
  /** Where the key stands; undefined for one of the options' defaults. */
  readonly line: number | undefined;
  /** The section does not have it itself: it comes from DEFAULT. */
  readonly inherited: boolean;
}

export interface Ini {
  /** In the order of the file, without DEFAULT. */
  readonly sections: readonly string[];
  /** Keys of a section with their values interpolated, then those inherited. @throws IniError naming every value that cannot be */
  section(name: string): readonly IniEntry[];
}

export interface IniProblem {
  readonly line: number | undefined;
  /** Never quotes a value: it may be a secret. */
  readonly problem: string;
}

/** All that is wrong with a file or a section. */
export class IniError extends Error {
  override readonly name = "IniError";
  readonly problems: readonly IniProblem[];
  constructor(problems: readonly IniProblem[]) {
    super(problems.map(({ line, problem }) => (line === undefined ? problem : `line ${line}: ${problem}`)).join("; "));
    this.problems = problems;
  }
}

/**
 * Takes a file apart.
 * @throws IniError naming every line that is wrong
 * @example parseIni("[app:main]\nport = 80\nurl = http://localhost:%(port)s\n").section("app:main")
 */
export function parseIni(text: string, options: IniOptions = {}): Ini {
  const spelling = options.keepCase === true ? (key: string) => key : (key: string) => key.toLowerCase();
  const { sections, defaults, problems } = readLines(text, spelling);
  if (problems.length > 0) throw new IniError(problems);

  const inherited = new Map<string, Value>();
  for (const [key, value] of Object.entries(options.defaults ?? {}))
    inherited.set(spelling(key), { lines: [value], line: undefined });
  for (const [key, value] of defaults) inherited.set(key, value);

  return {
    sections: [...sections.keys()],
    section(name) {
      const own = sections.get(name);
      const all = new Map([...(own ?? []), ...[...inherited].filter(([key]) => own?.has(key) !== true)]);
      const raw = new Map([...all].map(([key, { lines }]) => [key, joined(lines)]));
      const wrong: IniProblem[] = [];
      const entries = [...all].flatMap(([key, { line }]): IniEntry[] => {
        const result = interpolated(raw.get(key) ?? "", raw, spelling);
        if (result.problem === undefined)
          return [{ key, value: result.value, line, inherited: own?.has(key) !== true }];
        wrong.push({ line, problem: `${key}: ${result.problem}` });
        return [];
      });
      if (wrong.length > 0) throw new IniError(wrong);
      return entries;
    },
  };
}

interface Value {
  readonly lines: string[];
  readonly line: number | undefined;
}

type Section = Map<string, Value>;

/** The state machine of `configparser`, line by line. */
function readLines(text: string, spelling: (key: string) => string) {
  const sections = new Map<string, Section>();
  const defaults: Section = new Map();
  const problems: IniProblem[] = [];
  let section: Section | undefined;
  let value: Value | undefined;
  let indent = 0;
  let outside = false;

  for (const [index, full] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line = index + 1;
    const content = strip(full);
    if (content.startsWith("#") || content.startsWith(";")) continue;
    if (content === "") {
      // An empty line may be part of a value; those at its end are dropped.
      value?.lines.push("");
      continue;
    }
    const ownIndent = full.search(nonSpace);
    if (value !== undefined && ownIndent > indent) {
      value.lines.push(content);
      continue;
    }
    indent = ownIndent;
    const header = /^\[(.+)\]/.exec(content)?.[1];
    if (header !== undefined) {
      value = undefined;
      section = header === "DEFAULT" ? defaults : new Map();
      if (section === defaults) continue;
      if (sections.has(header)) problems.push({ line, problem: `the section [${header}] is there twice` });
      sections.set(header, section);
      continue;
    }
    if (section === undefined) {
      if (!outside) problems.push({ line, problem: "stands before the first [section]" });
      outside = true;
      continue;
    }
    const option = /^(.*?)[=:](.*)$/s.exec(content);
    const key = option === null ? "" : spelling(strip(option[1] ?? ""));
    value = undefined;
    if (option === null || key === "") {
      problems.push({ line, problem: option === null ? "expected KEY = VALUE" : "there is no key before the = or :" });
      continue;
    }
    value = { lines: [strip(option[2] ?? "")], line };
    if (section.has(key)) problems.push({ line, problem: `${key} is there twice in its section` });
    section.set(key, value);
  }
  return { sections, defaults, problems };
}

function joined(lines: readonly string[]): string {
  return lines.join("\n").replace(spaceAtEnd, "");
}

// What Python's str.strip takes for white space.
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const nonSpace = new RegExp(`(?!${space}).`, "s");
const spaceAtStart = new RegExp(`^${space}+`);
const spaceAtEnd = new RegExp(`(?<!${space})${space}+$`);

function strip(text: string): string {
  return text.replace(spaceAtStart, "").replace(spaceAtEnd, "");
}
