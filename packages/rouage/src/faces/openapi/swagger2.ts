/**
 * The same description in the words of Swagger 2.0, for clients that know no later version: https://swagger.io/specification/v2/
 * What 2.0 cannot say (unions, nulls, conditions, further media types) is left out, never said wrongly.
 */
import type { SchemaObject } from "./types.ts";

type Values = Readonly<Record<string, unknown>>;
type Document = {
  readonly info: Values;
  readonly tags: unknown;
  readonly servers?: readonly { readonly url: string }[];
  readonly externalDocs?: unknown;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Values>>>>;
  readonly components: Readonly<Record<"schemas" | "parameters" | "headers" | "responses" | "securitySchemes", Values>>;
};

/** @param document an OpenAPI 3.1 document as `openapiDocument` makes it. @param prefix `/v1`; paths outside of it are left out. */
export function swagger2Document(document: Readonly<Record<string, unknown>>, prefix: string): Values {
  const { info, tags, servers = [], externalDocs, paths, components } = document as unknown as Document;
  const within = Object.entries(paths).filter(([path]) => path.startsWith(`${prefix}/`));
  return {
    swagger: "2.0",
    info,
    ...(externalDocs === undefined ? {} : { externalDocs }),
    ...placeOf(servers[0]?.url ?? "/"),
    basePath: prefix,
    consumes: [json],
    produces: [json],
    tags,
    securityDefinitions: mapped(components.securitySchemes, securityDefinition),
    paths: Object.fromEntries(
      within.map(([path, operations]) => [
        path.slice(prefix.length),
        mapped(pick(operations, methods), (operation) => operationOf(operation as Values, components)),
      ]),
    ),
    definitions: mapped(components.schemas, (schema) => schemaOf(schema)),
    parameters: mapped(components.parameters, (parameter) => parameterOf(parameter as Values)),
    responses: mapped(components.responses, (response) => responseOf(response as Values, components)),
  };
}

const json = "application/json";
const methods = ["get", "put", "post", "delete", "options", "head", "patch"];

function placeOf(url: string): Values {
  if (!URL.canParse(url)) return {};
  const { host, protocol } = new URL(url);
  return { host, schemes: [protocol.slice(0, -1)] };
}

/** Swagger 2.0 knows basic credentials, keys in headers, and OAuth 2; a bearer token is a key in `Authorization`. */
function securityDefinition(scheme: unknown): Values {
  const { type, scheme: kind, in: place, name, description } = scheme as Values;
  const text = typeof description === "string" ? { description } : {};
  if (type === "http" && kind === "basic") return { type: "basic", ...text };
  if (type === "apiKey" && (place === "header" || place === "query"))
    return { type: "apiKey", in: place, name, ...text };
  if (type === "apiKey") return { type: "apiKey", in: "header", name: "Cookie", ...text };
  return { type: "apiKey", in: "header", name: "Authorization", ...text };
}

function operationOf(operation: Values, components: Document["components"]): Values {
  const { operationId, summary, description, tags, security, parameters = [], requestBody, responses } = operation;
  const listed = (parameters as readonly Values[]).map((parameter) =>
    parameter.$ref === undefined ? parameterOf(parameter) : { $ref: moved(String(parameter.$ref)) },
  );
  const body = requestBody === undefined ? undefined : bodyOf(requestBody as Values);
  return {
    operationId,
    ...defined({ summary, description, tags, security }),
    ...(body === undefined ? {} : { consumes: body.consumes }),
    ...(listed.length > 0 || body !== undefined ? { parameters: [...listed, ...(body?.parameters ?? [])] } : {}),
    responses: Object.fromEntries(
      Object.entries(responses as Values).map(([status, response]) => [
        // Ranges of statuses are not known.
        status === "2XX" ? "200" : status,
        responseOf(response as Values, components),
      ]),
    ),
  };
}

function bodyOf({ content, required = false }: Values): { consumes: readonly string[]; parameters: readonly Values[] } {
  const byType = content as Readonly<Record<string, { readonly schema?: unknown }>>;
  const { schema } = byType[json] ?? Object.values(byType)[0] ?? {};
  return {
    consumes: Object.keys(byType),
    parameters: [{ in: "body", name: "body", required, schema: schema === undefined ? {} : schemaOf(schema) }],
  };
}

function responseOf(response: Values, components: Document["components"]): Values {
  if (response.$ref !== undefined) return { $ref: moved(String(response.$ref)) };
  const { description, content, headers } = response;
  const schema = (content as Readonly<Record<string, { readonly schema?: unknown }>> | undefined)?.[json]?.schema;
  return {
    description,
    ...(schema === undefined ? {} : { schema: schemaOf(schema) }),
    ...(headers === undefined ? {} : { headers: mapped(headers as Values, (header) => headerOf(header, components)) }),
  };
}

/** Headers cannot be referred to. */
function headerOf(header: unknown, { headers }: Document["components"]): Values {
  const { $ref } = header as Values;
  const { description, schema } = (
    $ref === undefined ? header : headers[String($ref).split("/").at(-1) ?? ""]
  ) as Values;
  return { ...defined({ description }), ...simple(schema) };
}

function parameterOf({ name, in: place, required, description, schema }: Values): Values {
  return {
    name,
    in: place,
    ...(required === true ? { required } : {}),
    ...defined({ description }),
    ...simple(schema),
  };
}

/** Parameters and headers have a simple type of their own instead of a schema. */
function simple(schema: unknown): Values {
  const { type, items, ...rest } = schemaOf(schema) as Values;
  const kept = pick(rest, simpleKeywords);
  if (type === "array") return { type, items: simple(items), collectionFormat: "csv", ...kept };
  if (type === "integer" || type === "number" || type === "boolean") return { type, ...kept };
  return { type: "string", ...kept };
}

const simpleKeywords = [
  ...["format", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength"],
  ...["pattern", "enum", "multipleOf"],
];
const schemaKeywords = [
  ...simpleKeywords,
  ...["title", "description", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "readOnly"],
];

/** JSON Schema 2020-12 to the subset of draft 4 that Swagger 2.0 allows. */
function schemaOf(schema: unknown): SchemaObject {
  if (typeof schema !== "object" || schema === null) return {};
  const values = schema as Values;
  if (values.$ref !== undefined) return { $ref: moved(String(values.$ref)) };
  const { type, properties, required, items, additionalProperties, allOf } = values;
  const types = (Array.isArray(type) ? type : type === undefined ? [] : [type]).filter((name) => name !== "null");
  const [only] = types;
  const single = types.length === 1 ? only : undefined;
  return {
    ...pick(values, schemaKeywords),
    ...(single === undefined ? {} : { type: single }),
    ...(Array.isArray(type) && type.includes("null") ? { "x-nullable": true } : {}),
    ...(values.const === undefined ? {} : { enum: [values.const] }),
    ...exclusive(values, "exclusiveMinimum", "minimum"),
    ...exclusive(values, "exclusiveMaximum", "maximum"),
    ...(properties === undefined ? {} : { properties: mapped(properties as Values, schemaOf) }),
    ...(Array.isArray(required) && required.length > 0 ? { required } : {}),
    ...(single === "array" ? { items: schemaOf(items) } : {}),
    ...(additionalProperties === undefined
      ? {}
      : {
          additionalProperties:
            typeof additionalProperties === "boolean" ? additionalProperties : schemaOf(additionalProperties),
        }),
    ...(Array.isArray(allOf) ? { allOf: allOf.map(schemaOf) } : {}),
  };
}

/** A bound of its own became a flag beside the other bound. */
function exclusive(values: Values, flag: string, bound: string): Values {
  return typeof values[flag] === "number" ? { [bound]: values[flag], [flag]: true } : {};
}

function moved(reference: string): string {
  return reference.replace("#/components/schemas/", "#/definitions/").replace("#/components/", "#/");
}

function mapped<T>(values: Values, map: (value: unknown) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}

function pick(values: Values, keys: readonly string[]): Values {
  return Object.fromEntries(keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])));
}

function defined(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
