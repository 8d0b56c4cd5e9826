/** `%(name)s` in values of INI files, as the basic interpolation of Python's `configparser` defines it; `%%` is a percent sign. */

export type Interpolation = { readonly value: string; readonly problem?: undefined } | { readonly problem: string };

/** As in `configparser`: values that refer to values that refer …, this deep. */
const deepest = 10;

/** What one value may become, and all there is to do for it: references in references multiply. */
const longest = 1_048_576;

/** The value with its references replaced by what `values` holds, or what is wrong with it. */
export function interpolated(
  text: string,
  values: ReadonlyMap<string, string>,
  spelling: (key: string) => string,
): Interpolation {
  const parts: string[] = [];
  let work = 0;

  function expand(rest: string, depth: number): string | undefined {
    if (depth > deepest) return `references go deeper than ${deepest}, or in a circle`;
    let at = 0;
    while (at < rest.length) {
      const percent = rest.indexOf("%", at);
      const plain = rest.slice(at, percent === -1 ? undefined : percent);
      work += plain.length + 1;
      if (work > longest) return "references make it too long";
      parts.push(plain);
      if (percent === -1) return undefined;
      const sign = rest[percent + 1];
      if (sign === "%") {
        parts.push("%");
        at = percent + 2;
        continue;
      }
      if (sign !== "(") return "a % stands before neither % nor (; write %% for a percent sign";
      reference.lastIndex = percent;
      const match = reference.exec(rest);
      if (match === null) return "a reference is not complete; expected %(name)s";
      const name = spelling(match[1] ?? "");
      const value = values.get(name);
      if (value === undefined) return `refers to ${name}, which is not there`;
      const problem = expand(value, depth + 1);
      if (problem !== undefined) return problem;
      at = reference.lastIndex = percent + match[0].length;
    }
    return undefined;
  }

  const problem = expand(text, 1);
  return problem === undefined ? { value: parts.join("") } : { problem };
}

const reference = /%\(([^)]+)\)s/y;
