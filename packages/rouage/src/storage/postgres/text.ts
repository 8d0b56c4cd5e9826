/** Text as PostgreSQL takes it: bodies for `jsonb`, patterns for LIKE. What values are compared by, as `rouage_key` makes it too, is in `sort-key.ts`. */
import { storable, storableValue } from "../sort-key.ts";

const specialInJson = /\ue000|\\u(?:000[01]|d[89a-f]|e000)/i;

/** The body as `jsonb` can be made of it, null where that is the body itself. */
export function storableJson(body: string): string | null {
  return specialInJson.test(body) ? JSON.stringify(storableValue(JSON.parse(body))) : null;
}

/** Longest part of a key that indexes hold, in characters: what is longer is looked at in the row. */
export const headLength = 240;

/** A pattern of `like` as one of SQL's. */
export function likePattern(pattern: string): string {
  const parts = storable(pattern)
    .toLowerCase()
    .split("*")
    .map((part) => part.replaceAll(/[\\%_]/g, "\\$&"));
  return parts.length === 1 ? `%${parts[0]}%` : parts.join("%");
}
