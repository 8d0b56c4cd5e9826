/** The envelope of objects, `{"permissions": …, "data": …}`: taken apart where bodies come in, put around the stored text on the way out. */
import { invalid, type Violation, violationError } from "../../errors.ts";
import type { Json, JsonObject } from "../../json.ts";
import type { PatchDocument, WriteResult } from "../../operations/operations.ts";
import { type JsonBody, jsonType } from "./body.ts";

export const mergePatch = "application/merge-patch+json";
export const jsonPatch = "application/json-patch+json";

export interface Envelope {
  readonly data?: JsonObject;
  /** As it was sent: the operation checks it. */
  readonly permissions?: Json;
}

/** Reads bodies of one resource. */
export interface EnvelopeReader {
  /** Empty where the request had no body. @throws ServiceError `invalid-parameters` */
  envelope(body: JsonBody | undefined): Envelope;
  /** @throws ServiceError `invalid-parameters` */
  patch(body: JsonBody | undefined): PatchDocument;
}

/** @param takesPermissions the resource is shared, and clients may say with whom */
export function envelopeReader(takesPermissions: boolean): EnvelopeReader {
  function parse(value: Json): Envelope {
    if (!isObject(value)) throw invalid(inBody(null, "The body must be a JSON object", "type"));
    const violations: Violation[] = [];
    for (const key of Object.keys(value)) {
      // A hostile body may have a hundred thousand of them.
      if (violations.length === 100) break;
      if (key === "data" || (takesPermissions && key === "permissions")) continue;
      violations.push(
        key === "permissions"
          ? inBody(key, "permissions cannot be set on this resource", "unknown-field")
          : inBody(key, `Unrecognized key in the body: ${key}`, "unknown-field"),
      );
    }
    const { data, permissions } = value;
    if (data !== undefined && !isObject(data)) violations.push(inBody("data", "data must be a JSON object", "type"));
    if (violations.length > 0) throw violationError("invalid-parameters", violations);
    return {
      ...(isObject(data) ? { data } : {}),
      ...(permissions === undefined ? {} : { permissions }),
    };
  }

  return {
    envelope: (body) => (body === undefined ? none : parse(body.value)),
    patch(body) {
      if (body?.type === jsonPatch) {
        if (!Array.isArray(body.value))
          throw invalid(inBody(null, "A JSON patch must be an array of operations", "type"));
        return { kind: "json-patch", operations: body.value };
      }
      const envelope = body === undefined ? none : parse(body.value);
      if (envelope.data === undefined && envelope.permissions === undefined)
        throw invalid(inBody(null, "Provide at least one of data or permissions", "required"));
      return { kind: body?.type === mergePatch ? "merge-patch" : "merge", ...envelope };
    },
  };
}

const none: Envelope = Object.freeze({});

/** Makes the bodies of answers. Objects that are not shared have no permissions, and no cost of them. */
export function envelopeWriter(): (json: string, permissions: Shown) => string {
  // Storages hand out what they remember, frozen: that is rendered once.
  const rendered = new WeakMap<NonNullable<Shown>, string>();

  function textOf(permissions: NonNullable<Shown>): string {
    const known = rendered.get(permissions);
    if (known !== undefined) return known;
    const text = JSON.stringify(permissions);
    if (Object.isFrozen(permissions) && Object.values(permissions).every((names) => Object.isFrozen(names)))
      rendered.set(permissions, text);
    return text;
  }

  return (json, permissions) =>
    permissions === undefined ? `{"data":${json}}` : `{"permissions":${textOf(permissions)},"data":${json}}`;
}

type Shown = WriteResult["permissions"];

/** Media types of PATCH bodies. */
export const patchTypes: readonly string[] = [jsonType, mergePatch, jsonPatch];

function inBody(name: string | null, description: string, code: string): Violation {
  return { location: "body", name, description, code };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
