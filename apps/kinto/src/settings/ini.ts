/** Files of settings as Python's `configparser` reads them: sections, continued lines, `%(name)s` interpolation. Knows no particular setting. */

export type IniSections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * The sections whose names match; others (those of Python's logging) may hold what means nothing here.
 * @param variables what `%(name)s` may name beside the section's keys and those of `[DEFAULT]`
 * @throws Error naming the line that can't be read; never its content, which may be a secret
 */
export function parseIni(text: string, wanted: RegExp, variables: Readonly<Record<string, string>> = {}): IniSections {
  const raw = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let key: string | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const content = line.trim();
    if (/^[#;]/.test(content)) continue;
    if (content === "") continue;
    if (/^\s/.test(line) && section !== undefined && key !== undefined) {
      section.set(key, `${section.get(key)}\n${content}`.trim());
      continue;
    }
    const header = /^\[([^\]]+)\]$/.exec(content)?.[1];
    if (header !== undefined) {
      section = raw.get(header) ?? new Map();
      raw.set(header, section);
      key = undefined;
      continue;
    }
    const [, name, value] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(content) ?? [];
    if (section === undefined || name === undefined || value === undefined)
      throw new Error(`line ${index + 1} is neither a section nor "key = value"`);
    key = name;
    section.set(name, value);
  }
  const shared = raw.get("DEFAULT") ?? new Map<string, string>();
  return new Map(
    [...raw]
      .filter(([name]) => wanted.test(name))
      .map(([name, values]) => {
        const scope = new Map([...Object.entries(variables), ...shared, ...values]);
        return [name, new Map([...values].map(([key, value]) => [key, interpolated(value, scope, name, 0)]))];
      }),
  );
}

function interpolated(value: string, scope: ReadonlyMap<string, string>, section: string, depth: number): string {
  return value.replace(/%(?:%|\(([^)]+)\)s)/g, (whole, name: string | undefined) => {
    if (name === undefined) return whole === "%%" ? "%" : whole;
    const found = scope.get(name);
    if (found === undefined || depth > 9) throw new Error(`[${section}] names %(${name})s, which is nowhere set`);
    return interpolated(found, scope, section, depth + 1);
  });
}
