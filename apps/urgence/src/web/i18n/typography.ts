/** French typography: the space before double punctuation and inside guillemets never breaks a line. */

/** The same texts, with no-break spaces where French wants them. */
export function withFrenchSpaces<T>(texts: T): T {
  return walk(texts) as T;
}

function walk(value: unknown): unknown {
  if (typeof value === "string") return spaced(value);
  if (typeof value === "function") return (...parts: readonly unknown[]) => walk(value(...parts));
  if (Array.isArray(value)) return value.map(walk);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
}

const spaced = (text: string): string => text.replace(/ (?=[:;!?»])/g, "\u00a0").replace(/« /g, "«\u00a0");
