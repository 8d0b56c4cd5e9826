/** Continuation tokens: where a page ended, as base64url JSON `{s: sort, o: values, n: nonce}`. Opaque to clients, never trusted. */
import type { Json } from "../../json.ts";
import type { Sort, SortValue } from "../../storage/filter.ts";
import { deeperThan } from "./json-depth.ts";

export interface PageToken {
  /** One value for each sort field. */
  readonly after: readonly SortValue[];
  readonly nonce?: string;
}

/** The token; undefined where the values are too long for a URL that clients and servers accept. */
export function encodePageToken(
  sort: readonly Sort[],
  after: readonly SortValue[],
  nonce?: string,
): string | undefined {
  const values: Record<string, SortValue> = {};
  // Stringifying drops undefined: a missing value is a missing key.
  sort.forEach((_, index) => {
    values[index] = after[index];
  });
  const json = JSON.stringify({ s: sortText(sort), o: values, ...(nonce === undefined ? {} : { n: nonce }) });
  const token = encoder.encode(json).toBase64({ alphabet: "base64url", omitPadding: true });
  return token.length > longestToken ? undefined : token;
}

/** The token's content when it is well-formed and belongs to this (completed) order; undefined otherwise. */
export function decodePageToken(token: string, sort: readonly Sort[]): PageToken | undefined {
  let content: unknown;
  try {
    const text = decoder.decode(Uint8Array.fromBase64(token, { alphabet: "base64url" }));
    if (deeperThan(text, deepestToken)) return undefined;
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(content)) return undefined;
  const { s, o, n, ...rest } = content;
  if (s !== sortText(sort) || !isRecord(o) || Object.keys(rest).length > 0) return undefined;
  if (n !== undefined && typeof n !== "string") return undefined;
  if (Object.keys(o).some((key) => !/^\d+$/.test(key) || Number(key) >= sort.length)) return undefined;
  const after = sort.map((_, index) => o[index] as Json | undefined);
  const plausible = sort.every(({ field }, index) => {
    if (field === "last_modified") return Number.isSafeInteger(after[index]);
    return field !== "id" || typeof after[index] === "string";
  });
  if (!plausible) return undefined;
  return n === undefined ? { after } : { after, nonce: n };
}

const deepestToken = 64;
/** Leaves room in a URL, and in the headers of an answer, for everything else. */
const longestToken = 4096;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function sortText(sort: readonly Sort[]): string {
  return sort.map(({ field, direction }) => (direction === "descending" ? `-${field}` : field)).join(",");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
