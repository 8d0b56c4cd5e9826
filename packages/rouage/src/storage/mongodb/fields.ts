/**
 * What a stored document says of its object's fields, so that the server's own comparisons mean what `evaluate.ts` says: for every dotted
 * path one text that orders its value among all others and tells it from them, the same for the items of arrays, and what patterns look at.
 */
import { createHash } from "node:crypto";
import type { Json, JsonObject } from "../../json.ts";
import { type EvaluatedEntry, fieldValue, maximumPathDepth } from "../evaluate.ts";
import type { FieldPath } from "../filter.ts";
import { sortKey, storable } from "../sort-key.ts";

export interface FieldTexts {
  /** Key of the value at each path, see `keyOf`. */
  readonly k: Readonly<Record<string, string>>;
  /** Keys of the items of each array. */
  readonly e: Readonly<Record<string, readonly string[]>>;
  /** Strings and numbers in lower case. */
  readonly t: Readonly<Record<string, string>>;
}

/** Longer texts of arrays and objects are cut, with a hash behind them: told apart, but ordered by their beginning alone. */
const longestText = 2_000;

export function fieldTexts(entry: EvaluatedEntry): FieldTexts {
  const k: Record<string, string> = {};
  const e: Record<string, readonly string[]> = {};
  const t: Record<string, string> = {
    [nameOfField("id")]: lower(entry.id),
    [nameOfField("last_modified")]: `${entry.revision}`,
  };
  for (const path of pathsOf(entry.value, "", 1)) {
    if (path === "id" || path === "last_modified") continue;
    const value = fieldValue(entry, path);
    if (value === undefined) continue;
    const name = nameOfField(path);
    k[name] = keyOf(value);
    if (Array.isArray(value)) e[name] = [...new Set(value.map(keyOf))];
    else if (typeof value === "string" || typeof value === "number") t[name] = lower(String(value));
  }
  return { k, e, t };
}

/** Every path that leads to a value. */
function* pathsOf(value: JsonObject, before: string, depth: number): Iterable<FieldPath> {
  for (const [key, inner] of Object.entries(value)) {
    const path = before + key;
    yield path;
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner) && depth < maximumPathDepth) {
      yield* pathsOf(inner as JsonObject, `${path}.`, depth + 1);
    }
  }
}

/** Dots and dollars mean something in names of fields; some servers take neither spaces nor empty ones. */
export function nameOfField(path: FieldPath): string {
  return `_${storable(path).replaceAll(/[^\w-]/gu, (character) => `%${character.codePointAt(0)?.toString(16)}~`)}`;
}

/**
 * The text that a value is compared by: the greater the value, the smaller the text. A server puts what is missing before every text, and it
 * comes behind every value: turned round, its order is ours.
 */
export function keyOf(value: Json): string {
  return turned(sortKey(value));
}

/** Of what `sortKey` says. */
export function turned(key: string): string {
  const bytes = Buffer.from(shortened(key), "utf8");
  for (let index = 0; index < bytes.length; index++) bytes[index] = ~(bytes[index] ?? 0) & 0xff;
  // Behind every digit: what begins like another and is shorter is the lesser of the two.
  return `${bytes.toString("hex")}g`;
}

function shortened(key: string): string {
  if (key.length <= longestText || key < "4") return key;
  return `${key.slice(0, longestText)}${createHash("sha256").update(key).digest("hex")}`;
}

function lower(text: string): string {
  return storable(text.toLowerCase());
}
