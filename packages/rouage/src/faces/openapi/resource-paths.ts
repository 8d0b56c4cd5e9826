/** Paths and schemas of one resource. */
import type { Rule } from "../../operations/access.ts";
import { effectiveRules } from "../../operations/rules.ts";
import type { Resource } from "../../resource.ts";
import { errors, validators } from "./components.ts";
import { operationNames, schemaName } from "./names.ts";
import { type Description, jsonContent, type Operation, type Paths, ref, type SchemaObject } from "./types.ts";

/** The stored object, and the object as posted. */
export function resourceSchemas(resource: Resource): Readonly<Record<string, SchemaObject>> {
  const { stored, input } = namesOf(resource);
  const schema = plain(resource.options.schema);
  const properties = schema.properties as Readonly<Record<string, SchemaObject>>;
  const required = (schema.required ?? []) as readonly string[];
  const isOpen = resource.options.unknownFields === "keep" || schema.additionalProperties === true;
  const visible = Object.fromEntries(Object.entries(properties).filter(([, property]) => property.writeOnly !== true));
  const computed = new Set(Object.keys(resource.options.computed ?? {}));
  const posted = required.filter((name) => !computed.has(name) && properties[name]?.default === undefined);
  return {
    [stored]: {
      ...schema,
      required: ["id", "last_modified", ...required.filter((name) => Object.hasOwn(visible, name))],
      properties: {
        id: { type: "string", readOnly: true },
        last_modified: { type: "integer", readOnly: true, description: "Revision, in milliseconds since 1970." },
        ...visible,
      },
      additionalProperties: isOpen,
    },
    [input]: {
      ...schema,
      required: posted,
      properties: {
        ...(resource.options.singleton === true ? {} : { id: { type: "string" } }),
        last_modified: { type: "integer", description: "Revision wished for the write." },
        ...Object.fromEntries(
          Object.entries(properties).map(([name, property]) => [
            name,
            computed.has(name) ? { ...property, readOnly: true } : property,
          ]),
        ),
      },
      additionalProperties: isOpen,
    },
  };
}

const lastEventId: SchemaObject = {
  name: "Last-Event-ID",
  in: "header",
  description: "Of a stream: the revision to go on from.",
  schema: { type: "string" },
};

/** The same request follows the list, where it accepts an event stream. */
function followed(answer: SchemaObject): SchemaObject {
  const content = answer.content as Readonly<Record<string, unknown>>;
  return {
    ...answer,
    description: "One page; or, as an event stream, the changes of the list.",
    content: { ...content, "text/event-stream": { schema: { type: "string" } } },
  };
}

export function resourcePaths(resource: Resource, description: Description): Paths {
  const { options, listPath, objectPath } = resource;
  const rules = effectiveRules(options);
  const isSingleton = options.singleton === true;
  const { stored, input } = namesOf(resource);
  const { plural, single } = operationNames(resource);
  const tags = [resource.name];
  const isOffered = offered(resource, description);
  const secured = (rulesOf: readonly Rule[]) => security(rulesOf, description);

  const { sharing } = options;
  const isShared = sharing !== undefined;
  const permissions = isShared ? { permissions: permissionsOf(description.resources, resource) } : {};
  const envelope = (schema: SchemaObject): SchemaObject => ({
    type: "object",
    required: ["data"],
    properties: { data: schema },
  });
  const shared = (schema: SchemaObject): SchemaObject => ({
    type: "object",
    properties: { ...permissions, data: schema },
  });
  const posted = (schema: SchemaObject): SchemaObject =>
    isShared && (sharing === true || sharing.settable !== false) ? shared(schema) : envelope(schema);
  const object = isShared
    ? { ...shared(ref("schemas", stored)), required: ["permissions", "data"] }
    : envelope(ref("schemas", stored));
  const list = envelope({ type: "array", items: { anyOf: [ref("schemas", stored), ref("schemas", "Tombstone")] } });
  const answer = (text: string, schema: SchemaObject, more: SchemaObject = {}): SchemaObject => ({
    description: text,
    headers: { ...validators, ...more },
    content: jsonContent(schema),
  });
  const next = { "Next-Page": ref("headers", "Next-Page") };
  const conditions = [ref("parameters", "If-Match"), ref("parameters", "If-None-Match")];
  const listParameters = [...pathParameters(listPath), ...queryParameters(resource), ...conditions];
  const objectParameters = [...pathParameters(objectPath), ...conditions];
  const writeErrors = errors(
    ...(["BadRequest", "Unauthorized", "Forbidden", "NotFound", "NotAcceptable", "Conflict"] as const),
    ...(["PreconditionFailed", "PayloadTooLarge", "UnsupportedMediaType"] as const),
  );
  const readErrors = errors(
    "BadRequest",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "NotAcceptable",
    "PreconditionFailed",
  );
  const body = (schema: SchemaObject, required: boolean): SchemaObject => ({ required, content: jsonContent(schema) });

  const listOperations: Record<string, Operation> = {};
  const objectOperations: Record<string, Operation> = {};
  if (!isSingleton) {
    if (isOffered("list", "plural", "get"))
      listOperations.get = {
        operationId: `get_${plural}`,
        summary: `Lists ${resource.name}`,
        tags,
        security: secured(rules.list),
        parameters: [...listParameters, lastEventId],
        responses: {
          200: followed(answer("One page.", list, next)),
          304: ref("responses", "NotModified"),
          ...readErrors,
        },
      };
    // OpenAPI has QUERY from 3.2 on; until then it stands where extensions do.
    if (isOffered("list", "plural", "get"))
      listOperations["x-query"] = {
        operationId: `query_${plural}`,
        summary: `Lists ${resource.name} by a filter with and, or, not in the body (method QUERY, RFC 10008)`,
        tags,
        security: secured(rules.list),
        parameters: listParameters,
        requestBody: body(ref("schemas", "Query"), false),
        responses: {
          200: answer("One page.", list, next),
          304: ref("responses", "NotModified"),
          ...readErrors,
          ...errors("UnsupportedMediaType"),
        },
      };
    if (isOffered("create", "plural", "post"))
      listOperations.post = {
        operationId: `create_${single}`,
        summary: "Creates an object; with a known id, answers the existing one untouched",
        tags,
        security: secured(rules.create),
        parameters: [...pathParameters(listPath), ...conditions],
        requestBody: body(posted(ref("schemas", input)), true),
        responses: { 200: answer("It existed already.", object), 201: answer("Created.", object), ...writeErrors },
      };
    if (isOffered("deleteList", "plural", "delete"))
      listOperations.delete = {
        operationId: `delete_${plural}`,
        summary: "Deletes every object that matches and that the caller may write",
        tags,
        security: secured(rules.delete),
        parameters: listParameters,
        responses: {
          200: answer("The tombstones.", envelope({ type: "array", items: ref("schemas", "Tombstone") }), next),
          ...readErrors,
        },
      };
  }
  if (isOffered("get", "object", "get"))
    objectOperations.get = {
      operationId: `get_${single}`,
      summary: "Reads one object",
      tags,
      security: secured(rules.get),
      parameters: [
        ...objectParameters,
        ref("parameters", "_fields"),
        ...(isShared ? [ref("parameters", "explain"), ref("parameters", "principal")] : []),
      ],
      responses: { 200: answer("The object.", object), 304: ref("responses", "NotModified"), ...readErrors },
    };
  if (isOffered("replace", "object", "put"))
    objectOperations.put = {
      operationId: `update_${single}`,
      summary: "Replaces or creates the object",
      tags,
      security: secured([...rules.replace, ...rules.create]),
      parameters: objectParameters,
      requestBody: body(posted(ref("schemas", input)), false),
      responses: { 200: answer("Replaced.", object), 201: answer("Created.", object), ...writeErrors },
    };
  if (isOffered("patch", "object", "patch")) {
    // A patch carries any part of the object: nothing is required.
    const partial = { ...resourceSchemas(resource)[input], required: [] };
    objectOperations.patch = {
      operationId: `patch_${single}`,
      summary: "Changes some fields",
      tags,
      security: secured(rules.patch),
      parameters: [...objectParameters, ref("parameters", "Response-Behavior")],
      requestBody: {
        required: true,
        content: {
          ...jsonContent(posted(partial)),
          ...jsonContent(posted({ type: "object", description: "RFC 7396" }), "application/merge-patch+json"),
          ...jsonContent(ref("schemas", "JsonPatch"), "application/json-patch+json"),
        },
      },
      responses: { 200: answer("Changed.", object), ...writeErrors },
    };
  }
  if (isOffered("delete", "object", "delete"))
    objectOperations.delete = {
      operationId: `delete_${single}`,
      summary: "Deletes the object and leaves a tombstone",
      tags,
      security: secured(rules.delete),
      parameters: [...objectParameters, ref("parameters", "last_modified")],
      responses: { 200: answer("The tombstone.", envelope(ref("schemas", "Tombstone"))), ...readErrors },
    };

  const paths: Paths = {};
  if (Object.keys(listOperations).length > 0) paths[description.prefix + listPath] = listOperations;
  if (Object.keys(objectOperations).length > 0) paths[description.prefix + objectPath] = objectOperations;
  return paths;
}

/** Principals by permission, those of the nested resources included. */
function permissionsOf(resources: readonly Resource[], { name }: Resource): SchemaObject {
  const children = resources.filter(
    ({ options: { parent, sharing } }) => parent?.name === name && sharing !== undefined,
  );
  const names = ["read", "write", ...children.map((child) => `${child.name}:create`)];
  const principals = { type: "array", items: { type: "string" } };
  return { type: "object", properties: Object.fromEntries(names.map((permission) => [permission, principals])) };
}

/** What callers need for these rules: nothing, or one of the ways to sign in (or none, where everyone is among the rules). */
export function security(
  rules: readonly Rule[],
  { policies }: Pick<Description, "policies">,
): readonly Readonly<Record<string, readonly string[]>>[] {
  const schemes = policies.map((policy) => ({ [policy.name]: [] }));
  return rules.some((rule) => rule.name === "everyone") ? [{}, ...schemes] : schemes;
}

export function pathParameters(path: string): readonly SchemaObject[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

/** A TypeBox schema as the JSON it stands for. */
export function plain(schema: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema)) as Record<string, unknown>;
}

function namesOf({ name }: Resource): { readonly stored: string; readonly input: string } {
  return { stored: schemaName(name), input: schemaName(`${name}-input`) };
}

type Method = NonNullable<Resource["options"]["disabled"]>[number];

function offered(resource: Resource, description: Description) {
  const disabled = new Set(resource.options.disabled ?? []);
  const switchedOff = new Set(description.disabledEndpoints);
  return (method: Method, scope: "plural" | "object", verb: string): boolean =>
    !disabled.has(method) &&
    !switchedOff.has(`${scope}_${resource.name}_${verb}`) &&
    !(description.readonly && verb !== "get");
}

const operators = "`not_ min_ max_ gt_ lt_ in_ exclude_ like_ has_ contains_ contains_any_`";

function queryParameters({ options }: Resource): readonly SchemaObject[] {
  const properties = Object.entries(plain(options.schema).properties as Readonly<Record<string, SchemaObject>>);
  const named = ["_since", "_before", "_sort", "_limit", "_token", "_fields"].map((name) => ref("parameters", name));
  const filters = properties
    .filter(([, property]) => property.writeOnly !== true)
    .map(([name]) => ({
      name,
      in: "query",
      description: `Equals this value, read as JSON or else as text. Before the name, ${operators} compare otherwise; \`a.b\` reaches into objects.`,
      schema: {},
    }));
  return [...named, ...filters];
}
