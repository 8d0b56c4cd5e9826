/** Permission entries as clients send them, checked and brought into the form that storages keep. */
import type { Violation } from "../../errors.ts";
import type { Json } from "../../json.ts";
import { isPlainObject } from "../../schema/fields.ts";
import type { Permissions } from "../../storage/permissions.ts";

/** Most principals that the entries of one object name together. */
export const mostPrincipals = 5000;
/** Longest name of a principal, in characters. */
export const longestPrincipal = 1024;

/**
 * How what was sent meets what is stored. `replace`: permissions not named are emptied, but where none is named they stay; `merge`: they stay, and null says nothing;
 * `merge-patch`: they stay, and null empties.
 */
export type Meeting = "replace" | "merge" | "merge-patch";

/** The entries after a write, and everything that is wrong with what was sent. */
export function receiveEntries(
  sent: unknown,
  { previous, names, meeting }: { previous: Permissions; names: readonly string[]; meeting: Meeting },
): { readonly next: Permissions; readonly violations: readonly Violation[] } {
  if (sent === undefined) return { next: previous, violations: [] };
  if (!isPlainObject(sent)) return { next: previous, violations: [wrong("", "Must be an object", "type")] };
  const violations: Violation[] = [];
  const isNothing = Object.values(sent).every((value) => value === null);
  const isAnew = meeting === "replace" && !isNothing;
  const next = new Map<string, readonly string[]>(isAnew ? [] : Object.entries(previous));
  for (const permission of Object.keys(sent)) {
    // A hostile body may have a hundred thousand of them.
    if (violations.length >= mostViolations) break;
    const value = sent[permission];
    if (!names.includes(permission))
      violations.push(wrong("", `"${shortened(permission)}" is not one of ${names.join(", ")}`, "enum"));
    else if (value === null) {
      if (meeting === "merge-patch") next.delete(permission);
    } else if (isListOfNames(value, permission, violations)) next.set(permission, value);
  }
  const entries = normalized(next);
  if (violations.length === 0 && countOf(entries) > mostPrincipals)
    violations.push(wrong("", `At most ${mostPrincipals} principals may be named`, "max-items"));
  return { next: entries, violations };
}

/** The entries with one principal more. */
export function withPrincipal(entries: Permissions, permission: string, principal: string): Permissions {
  const names = entries[permission] ?? [];
  if (names.includes(principal)) return entries;
  return normalized(new Map([...Object.entries(entries), [permission, [...names, principal]]]));
}

/** Without empty lists and duplicates, everything in code-unit order. */
export function normalized(entries: Iterable<readonly [string, readonly string[]]>): Permissions {
  const kept = [...entries].filter(([, names]) => names.length > 0).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(kept.map(([permission, names]) => [permission, [...new Set(names)].sort()]));
}

export function areSameEntries(a: Permissions, b: Permissions): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** What JSON Patch works on: each permission an object whose keys are the principals. */
export function entriesDocument(entries: Permissions, names: readonly string[]): Json {
  return Object.fromEntries(
    names.map((permission) => [permission, Object.fromEntries((entries[permission] ?? []).map((one) => [one, one]))]),
  );
}

/** What JSON Patch made of that document, as if a client had sent it. */
export function sentByPatch(document: unknown): unknown {
  if (!isPlainObject(document)) return document ?? null;
  return Object.fromEntries(
    Object.entries(document).map(([permission, value]) => [
      permission,
      isPlainObject(value) ? Object.keys(value) : value,
    ]),
  );
}

/**
 * Operations on `/permissions/{permission}/{principal}` need no value, as the principal is the value. A principal's slashes may be left
 * unescaped: nothing lies below a principal.
 */
export function completedOperations(operations: readonly Json[]): readonly Json[] {
  return operations.map((operation) => {
    if (!isPlainObject(operation)) return operation;
    const { path, op } = operation;
    const match = typeof path === "string" ? /^\/permissions\/([^/]*)\/(.+)$/s.exec(path) : null;
    const [, permission, principal = ""] = match ?? [];
    if (match === null) return operation as Json;
    const completed = { ...operation, path: `/permissions/${permission}/${principal.replaceAll("/", "~1")}` };
    const needsValue = (op === "add" || op === "replace" || op === "test") && !Object.hasOwn(operation, "value");
    return (needsValue ? { ...completed, value: unescaped(principal) } : completed) as Json;
  });
}

const mostViolations = 100;

function isListOfNames(value: unknown, permission: string, violations: Violation[]): value is readonly string[] {
  if (!Array.isArray(value)) {
    violations.push(wrong(permission, "Must be a list of principals", "type"));
    return false;
  }
  if (value.length > mostPrincipals) {
    violations.push(wrong(permission, `At most ${mostPrincipals} principals may be named`, "max-items"));
    return false;
  }
  const before = violations.length;
  for (const [index, name] of value.entries()) {
    const at = `${permission}.${index}`;
    if (typeof name !== "string") violations.push(wrong(at, "Must be a string", "type"));
    else if (name === "") violations.push(wrong(at, "Must not be empty", "min-length"));
    else if (name.length > longestPrincipal)
      violations.push(wrong(at, `Must have at most ${longestPrincipal} characters`, "max-length"));
    else if (!name.isWellFormed() || controls.test(name))
      violations.push(wrong(at, "Must not have control characters or halves of characters", "text"));
    if (violations.length >= mostViolations) break;
  }
  return violations.length === before;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\u0000-\u001f\u007f]/;

function wrong(place: string, description: string, code: string): Violation {
  return { location: "body", name: place === "" ? "permissions" : `permissions.${place}`, description, code };
}

function shortened(text: string): string {
  return text.length <= 64 ? text : `${text.slice(0, 64)}…`;
}

function countOf(entries: Permissions): number {
  return Object.values(entries).reduce((total, names) => total + names.length, 0);
}

function unescaped(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
