/** The three kinds of patches, applied to an object as its caller sees it. */
import { invalid } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import { define, isPlainObject } from "../schema/fields.ts";
import type { Fields } from "../schema/shape.ts";
import { isWithinDepth } from "../schema/text.ts";
import type { Permissions } from "../storage/permissions.ts";
import { applyJsonPatch } from "./json-patch.ts";
import type { PatchDocument } from "./operations.ts";
import { completedOperations, entriesDocument, type Meeting, sentByPatch } from "./sharing/entries.ts";

/** What a shared object's permissions are before the patch. */
export interface PatchedEntries {
  readonly previous: Permissions;
  readonly names: readonly string[];
}

export interface Patched {
  /** Still has to be validated. `id` and `last_modified` are ordinary members here. */
  readonly data: unknown;
  /** What the patch says of permissions; `permissions` is undefined where it says nothing. */
  readonly sent?: { readonly permissions: unknown; readonly meeting: Meeting };
}

/** @throws ServiceError `invalid-parameters` */
export function applyPatch(object: Fields, patch: PatchDocument, depth = 64, entries?: PatchedEntries): Patched {
  if (!isWithinDepth(patch.kind === "json-patch" ? patch.operations : patch.data, depth + 4))
    throw invalid({ location: "body", name: null, description: "Nested too deeply", code: "max-depth" });
  if (patch.kind === "json-patch") return applyOperations(object, patch.operations, entries);
  const { kind, data, permissions } = patch;
  if (data === undefined && permissions === undefined)
    throw invalid({
      location: "body",
      name: null,
      description: "Provide at least one of data or permissions",
      code: "required",
    });
  return {
    data: data === undefined ? object : kind === "merge" ? merge(object, data) : applyMergePatch(object, data),
    sent: { permissions, meeting: kind },
  };
}

function applyOperations(object: Fields, operations: readonly Json[], entries: PatchedEntries | undefined): Patched {
  if (entries === undefined)
    return { data: partsOf(applyJsonPatch({ data: object as JsonObject }, operations), []).data };
  const document = {
    data: object as JsonObject,
    permissions: entriesDocument(entries.previous, entries.names),
  };
  const patched = partsOf(applyJsonPatch(document, completedOperations(operations)), ["permissions"]);
  return { data: patched.data, sent: { permissions: sentByPatch(patched.permissions), meeting: "replace" } };
}

/** Top-level members replace those of the object. */
function merge(object: Fields, data: JsonObject): Fields {
  return { ...object, ...data };
}

/** RFC 7396 §2. */
export function applyMergePatch(target: unknown, patch: Json | undefined): unknown {
  if (!isPlainObject(patch)) return patch;
  const result: Fields = isPlainObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key] as Json | undefined;
    if (value === null || value === undefined) delete result[key];
    else define(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}

/** The patched document, which must not have gained or lost a member. */
function partsOf(document: unknown, others: readonly string[]): Fields {
  const keys = ["data", ...others];
  if (isPlainObject(document) && Object.keys(document).length === keys.length)
    if (keys.every((key) => Object.hasOwn(document, key))) return document;
  throw invalid({
    location: "body",
    name: null,
    description: `JSON Patch operation failed: paths must be ${keys.map((key) => `/${key}`).join(" or ")} or start with ${keys.map((key) => `/${key}/`).join(" or ")}`,
    code: "json-patch",
  });
}
