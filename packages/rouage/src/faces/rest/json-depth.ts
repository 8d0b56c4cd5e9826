/** Nesting of JSON text, told without parsing it. */

/** True when `text` nests arrays and objects deeper than `limit`. Brackets inside strings do not count. */
export function deeperThan(text: string, limit: number): boolean {
  // That deep, it needs at least this many characters.
  if (text.length < 2 * (limit + 1)) return false;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case quote:
        index = endOfString(text, index);
        break;
      case openBrace:
      case openBracket:
        if (++depth > limit) return true;
        break;
      case closeBrace:
      case closeBracket:
        depth--;
        break;
    }
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

function endOfString(text: string, start: number): number {
  let index = start;
  do {
    index = text.indexOf('"', index + 1);
    if (index === -1) return text.length;
  } while (escaped(text, index));
  return index;
}

function escaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(index - 1 - backslashes) === backslash) backslashes++;
  return backslashes % 2 === 1;
}
