/**
 * Text that every database keeps, and the one text that a JSON value is compared by. Databases tend to know no null characters and no lone
 * surrogates; both are written as two characters each, so that the order by code points stays what it is.
 */
import type { Json } from "../json.ts";
import { canonicalJson, typeRank } from "./evaluate.ts";

/** What `storable` changes: U+0000, U+0001 (the mark of the first), lone surrogates, and U+E000 (the mark of those). */
const special = ["\0", "\u0001", "\ue000"];

export function storable(text: string): string {
  if (text.isWellFormed() && !special.some((character) => text.includes(character))) return text;
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0) result += "\u0001\u0001";
    else if (code === 1) result += "\u0001\u0002";
    else if (code === 0xe000) result += "\ue000\uf8ff";
    else if (code >= 0xd800 && code <= 0xdfff) result += `\ue000${String.fromCharCode(0xe001 + code - 0xd800)}`;
    else result += character;
  }
  return result;
}

/** Text as it is, except where a database could not take it, so that it is a value like others that nothing stored has. */
export function bindable(text: string): string {
  return text.includes("\0") || !text.isWellFormed() ? storable(text) : text;
}

/**
 * The text that orders a value among all others, by code points, and says whether it equals another. Its first character is the rank of the
 * type.
 */
export function sortKey(value: Json | undefined): string {
  const rank = typeRank(value);
  if (typeof value === "string") return `1${storable(value)}`;
  if (typeof value === "number") return `2${numberKey(value)}`;
  if (typeof value === "boolean") return value ? "31" : "30";
  return rank === 4 || rank === 5 ? `${rank}${canonicalJson(storableValue(value ?? null))}` : String(rank);
}

const view = new DataView(new ArrayBuffer(8));

/** The bits of a double in an order that text has too: those of negative numbers are turned over. */
function numberKey(value: number): string {
  view.setFloat64(0, value === 0 ? 0 : value);
  const bits = view.getBigUint64(0);
  const isNegative = value < 0;
  const hex = (isNegative ? ~bits & 0xffff_ffff_ffff_ffffn : bits).toString(16).padStart(16, "0");
  return `${isNegative ? "n" : "p"}${hex}`;
}

export function storableValue(value: Json): Json {
  if (typeof value === "string") return storable(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(storableValue);
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).map(([key, inner]) => [storable(key), storableValue(inner)]),
  );
}
