/** Reading and writing fields of JSON objects by path, touching own properties only. */
import type { Fields } from "./shape.ts";

export function isPlainObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function valueAt(object: Fields | undefined, path: readonly string[]): unknown {
  let value: unknown = object;
  for (const key of path) {
    if (!isPlainObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** Object that holds the last key of the path; undefined when the way is not there. */
export function holderOf(object: Fields, path: readonly string[]): Fields | undefined {
  const holder = path.length === 1 ? object : valueAt(object, path.slice(0, -1));
  return isPlainObject(holder) ? holder : undefined;
}

/** Sets an own property, whatever its name. */
export function define(object: Fields, key: string, value: unknown): void {
  // The only name whose assignment does something else; defining properties takes ten times as long.
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

/** Equality of JSON values; keys with `undefined` count as missing. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isPlainObject(a) || !isPlainObject(b)) return false;
  const keys = Object.keys(a).filter((key) => a[key] !== undefined);
  return (
    keys.length === Object.keys(b).filter((key) => b[key] !== undefined).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
  );
}
