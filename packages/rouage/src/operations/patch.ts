/** The three kinds of patches, applied to an object as its caller sees it. */
import { invalid } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import { define, isPlainObject } from "../schema/fields.ts";
import type { Fields } from "../schema/shape.ts";
import { isWithinDepth } from "../schema/text.ts";
import { applyJsonPatch } from "./json-patch.ts";
import type { PatchDocument } from "./operations.ts";

/**
 * The patched object, which still has to be validated. `id` and `last_modified` are ordinary members here.
 * @throws ServiceError `invalid-parameters`
 */
export function applyPatch(object: Fields, patch: PatchDocument, depth = 64): unknown {
  if (!isWithinDepth(patch.kind === "json-patch" ? patch.operations : patch.data, depth + 4))
    throw invalid({ location: "body", name: null, description: "Nested too deeply", code: "max-depth" });
  switch (patch.kind) {
    case "merge":
      return merge(object, patch.data);
    case "merge-patch":
      return applyMergePatch(object, patch.data);
    case "json-patch":
      return dataOf(applyJsonPatch({ data: object as JsonObject }, patch.operations));
  }
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

function dataOf(document: unknown): unknown {
  const [only, ...others] = isPlainObject(document) ? Object.keys(document) : [];
  if (!isPlainObject(document) || only !== "data" || others.length > 0)
    throw invalid({
      location: "body",
      name: null,
      description: "JSON Patch operation failed: paths must be /data or start with /data/",
      code: "json-patch",
    });
  return document.data;
}
