/** Reading unknown JSON without trusting it: own properties only, text cleaned and bounded, never an exception. */

export type Node = Readonly<Record<string, unknown>>;

export function node(value: unknown): Node | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Node) : undefined;
}

/** Own property of an object; undefined for anything else. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string | number, unknown>)[key];
  }
  return current;
}

/** The objects of an array; a lone object counts as an array of one, everything else as empty. */
export function nodes(value: unknown): readonly Node[] {
  if (Array.isArray(value)) return value.filter((entry) => node(entry) !== undefined);
  const single = node(value);
  return single === undefined ? [] : [single];
}

/** Text of at most `max` characters, on one line, without control characters; undefined when nothing is left. */
export function words(value: unknown, max = 500): string | undefined {
  return clean(value, max, /[\p{Cc}\p{Zl}\p{Zp}]+/gu);
}

/** Like `words`, but lines stay lines. */
export function prose(value: unknown, max = 1000): string | undefined {
  return clean(value, max, /(?!\n)[\p{Cc}\p{Zl}\p{Zp}]+/gu);
}

function clean(value: unknown, max: number, unwanted: RegExp): string | undefined {
  if (typeof value !== "string") return undefined;
  const text = value
    .slice(0, max * 4)
    .toWellFormed()
    .replace(unwanted, " ")
    .trim();
  if (!/\S/.test(text)) return undefined;
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** A token such as a code or an id: text without white space, not longer than `max`; never shortened. */
export function token(value: unknown, max = 64): string | undefined {
  return typeof value === "string" && value.length <= max && /^[^\s\p{Cc}\p{Cs}]+$/u.test(value) ? value : undefined;
}
