/** JSON Patch (RFC 6902) and JSON Pointer (RFC 6901) on JSON values, bounded in work and in size. Never changes its input. */
import { invalid, type ServiceError } from "../errors.ts";
import type { Json } from "../json.ts";
import { define, isPlainObject, isSame } from "../schema/fields.ts";

/** One patch may not do more than this many operations. */
export const maxOperations = 1000;

/** Deepest place that an operation may name or copy; keeps the work that recurses over values off the end of the stack. */
const deepest = 200;

export interface JsonPatchLimits {
  /** Values that all `copy` operations together may add: repeated copies double a document each time. */
  readonly copied: number;
}

interface Operation {
  readonly op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  readonly path: readonly string[];
  readonly from: readonly string[];
  readonly value: unknown;
  readonly index: number;
}

/**
 * The patched document.
 * @throws ServiceError `invalid-parameters`: `JSON Patch operation failed: …`, or what is wrong with an operation
 */
export function applyJsonPatch(
  document: Json,
  operations: readonly Json[],
  { copied: limit }: JsonPatchLimits = { copied: 100_000 },
): unknown {
  if (operations.length > maxOperations)
    throw invalid({
      location: "body",
      name: null,
      description: `A JSON Patch may have at most ${maxOperations} operations`,
      code: "max-items",
    });
  const parsed = operations.map(parseOperation);
  const root: Record<string, unknown> = { "": structuredClone(document) };
  let budget = limit;

  for (const operation of parsed) {
    const { op, path, from, index } = operation;
    if (op === "test") {
      if (!isSame(read(root, path, index), operation.value)) throw failed(index, "the value tested is another");
    } else if (op === "remove") remove(root, path, index);
    else if (op === "replace") replace(root, path, structuredClone(operation.value), index);
    else if (op === "add") add(root, path, structuredClone(operation.value), index);
    else if (op === "copy") {
      const value = read(root, from, index);
      budget -= size(value, budget);
      if (budget < 0) throw failed(index, "too much is copied");
      add(root, path, structuredClone(value), index);
    } else {
      if (isPrefix(from, path)) throw failed(index, "a value cannot be moved into itself");
      const value = read(root, from, index);
      if (isPrefix(from, path) === undefined) continue;
      remove(root, from, index);
      add(root, path, value, index);
    }
  }
  return root[""];
}

function parseOperation(operation: Json, index: number): Operation {
  const problem = (name: string | null, description: string, code: string) =>
    invalid({ location: "body", name: name === null ? `${index}` : `${index}.${name}`, description, code });
  if (!isPlainObject(operation)) throw problem(null, "Must be an operation object", "type");
  const { op, path, from, value } = operation;
  if (!isOp(op)) throw problem("op", "Must be one of add, remove, replace, move, copy, test", "enum");
  const needed = op === "move" || op === "copy" ? "from" : op === "remove" ? undefined : "value";
  for (const attribute of Object.keys(operation))
    if (!attributes.has(attribute)) throw problem(attribute, "Unknown attribute", "unknown-field");
  if (needed !== undefined && !Object.hasOwn(operation, needed)) throw problem(needed, "Required", "required");
  const pointer = (name: string, text: unknown): readonly string[] => {
    const tokens = parsePointer(text);
    if (tokens === undefined) throw problem(name, "Must be a JSON Pointer", "format");
    return tokens;
  };
  return { op, path: pointer("path", path), from: needed === "from" ? pointer("from", from) : [], value, index };
}

const attributes: ReadonlySet<string> = new Set(["op", "path", "from", "value"]);

function isOp(op: unknown): op is Operation["op"] {
  return op === "add" || op === "remove" || op === "replace" || op === "move" || op === "copy" || op === "test";
}

/** Tokens behind the root; undefined when it is no pointer. */
function parsePointer(text: unknown): readonly string[] | undefined {
  if (typeof text !== "string" || (text !== "" && !text.startsWith("/")) || /~(?![01])/.test(text)) return undefined;
  return [
    "",
    ...text
      .split("/")
      .slice(1)
      .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~")),
  ];
}

/** True when `path` lies inside `from`; undefined when both are the same place. */
function isPrefix(from: readonly string[], path: readonly string[]): boolean | undefined {
  if (from.length > path.length || !from.every((token, index) => token === path[index])) return false;
  return from.length === path.length ? undefined : true;
}

type Holder = Record<string, unknown> | unknown[];

/** Object or array that holds the last token. */
function holderOf(root: Record<string, unknown>, path: readonly string[], index: number): Holder {
  let holder: unknown = root;
  for (const token of path.slice(0, -1)) holder = member(holder, token, index);
  if (Array.isArray(holder) || isPlainObject(holder)) return holder;
  throw failed(index, "its path does not exist");
}

function member(holder: unknown, token: string, index: number): unknown {
  if (Array.isArray(holder)) return holder[position(token, holder.length - 1, index)];
  if (isPlainObject(holder) && Object.hasOwn(holder, token)) return holder[token];
  throw failed(index, "its path does not exist");
}

function position(token: string, last: number, index: number): number {
  const at = /^(0|[1-9][0-9]{0,9})$/.test(token) ? Number(token) : Number.NaN;
  if (!(at <= last)) throw failed(index, "its path does not exist");
  return at;
}

function read(root: Record<string, unknown>, path: readonly string[], index: number): unknown {
  return member(holderOf(root, path, index), path.at(-1) ?? "", index);
}

function add(root: Record<string, unknown>, path: readonly string[], value: unknown, index: number): void {
  const holder = holderOf(root, path, index);
  const token = path.at(-1) ?? "";
  if (!Array.isArray(holder)) define(holder, token, value);
  else holder.splice(token === "-" ? holder.length : position(token, holder.length, index), 0, value);
}

function replace(root: Record<string, unknown>, path: readonly string[], value: unknown, index: number): void {
  const holder = holderOf(root, path, index);
  const token = path.at(-1) ?? "";
  member(holder, token, index);
  if (Array.isArray(holder)) holder[position(token, holder.length - 1, index)] = value;
  else define(holder, token, value);
}

function remove(root: Record<string, unknown>, path: readonly string[], index: number): void {
  const holder = holderOf(root, path, index);
  const token = path.at(-1) ?? "";
  member(holder, token, index);
  if (Array.isArray(holder)) holder.splice(position(token, holder.length - 1, index), 1);
  else delete holder[token];
}

/** Number of values and string blocks in a value; stops counting behind `limit`, and counts too deep a value as too large. */
function size(value: unknown, limit: number, depth = 0): number {
  if (typeof value === "string") return 1 + (value.length >> 6);
  if (typeof value !== "object" || value === null) return 1;
  if (depth > deepest) return Number.POSITIVE_INFINITY;
  let total = 1;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    total += size(inner, limit - total, depth + 1);
    if (total > limit) return total;
  }
  return total;
}

function failed(index: number, why: string): ServiceError {
  return invalid({
    location: "body",
    name: null,
    description: `JSON Patch operation failed: operation ${index}: ${why}`,
    code: "json-patch",
  });
}
