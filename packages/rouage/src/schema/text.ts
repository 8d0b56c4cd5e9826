/** What no object may contain, whatever its schema says: values that some storage, client or language cannot carry. */
import type { Violation } from "../errors.ts";
import { maxViolations } from "./validator.ts";

/**
 * Null bytes, lone surrogates, `__proto__` keys, and numbers beyond those of JavaScript (JSON.parse reads 1e400 as Infinity).
 * @param text the object as `JSON.stringify` wrote it: only then does a look at the text tell that the object is clean
 */
export function textViolations(text: string, object: unknown): Violation[] {
  // A number that is none is written as null.
  if (!text.includes("\\u") && !text.includes('"__proto__"') && !text.includes("null")) return [];
  const violations: Violation[] = [];
  walk(object, [], violations);
  return violations;
}

function walk(value: unknown, path: readonly string[], violations: Violation[]): void {
  if (violations.length >= maxViolations) return;
  if (typeof value === "string") {
    if (!isCarryable(value)) violations.push(invalidCharacter(path));
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) violations.push(at(path, "Is beyond the numbers that can be stored", "number-range"));
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) walk(item, [...path, String(index)], violations);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (key === "__proto__" || !isCarryable(key))
        violations.push(at(path, "Has a field whose name is not allowed", "field-name"));
      else walk(inner, [...path, key], violations);
    }
  }
}

function isCarryable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function invalidCharacter(path: readonly string[]): Violation {
  return at(path, "Contains a character that cannot be stored (0x00 or half of a surrogate pair)", "invalid-character");
}

function at(path: readonly string[], description: string, code: string): Violation {
  return { location: "body", name: path.length === 0 ? null : path.join("."), description, code };
}

/** True when objects and arrays nest no deeper than `limit`; looks no deeper itself. */
export function isWithinDepth(value: unknown, limit: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (limit === 0) return false;
  for (const inner of Array.isArray(value) ? value : Object.values(value))
    if (!isWithinDepth(inner, limit - 1)) return false;
  return true;
}
