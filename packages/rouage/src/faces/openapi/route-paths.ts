/** The path of one plain route. */
import type { Route } from "../../route.ts";
import { type ErrorResponseName, errors } from "./components.ts";
import { identifier } from "./names.ts";
import { pathParameters, plain, security } from "./resource-paths.ts";
import { type Description, jsonContent, type Operation, type Paths, type SchemaObject } from "./types.ts";

export function routePaths(route: Route, description: Description): Paths {
  const { options, method } = route;
  if (description.readonly && method !== "GET" && options.safe !== true) return {};
  const path = options.unversioned === true ? route.path : description.prefix + route.path;
  const operation: Operation = {
    operationId: `${verbs[method]}_${identifier(route.path) || "root"}`,
    ...(options.summary === undefined ? {} : { summary: options.summary }),
    ...(options.deprecated === undefined ? {} : { deprecated: true }),
    tags: [options.tag ?? description.name],
    security: security(options.access, description),
    parameters: [...pathParametersOf(route), ...queryParametersOf(route)],
    ...bodyOf(route),
    responses: { ...successOf(route), ...errors(...errorsOf(route)) },
  };
  return { [path]: { [method.toLowerCase()]: operation } };
}

const verbs = { GET: "get", POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" } as const;

function pathParametersOf({ path, options }: Route): readonly SchemaObject[] {
  const properties = propertiesOf(options.params);
  return pathParameters(path).map((parameter) => {
    const schema = properties[String(parameter.name)];
    return schema === undefined ? parameter : { ...parameter, schema };
  });
}

function queryParametersOf({ options }: Route): readonly SchemaObject[] {
  const required = new Set(options.query === undefined ? [] : ((plain(options.query).required ?? []) as string[]));
  return Object.entries(propertiesOf(options.query)).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.has(name) && schema.default === undefined,
    ...(typeof schema.description === "string" ? { description: schema.description } : {}),
    schema,
  }));
}

function propertiesOf(schema: unknown): Readonly<Record<string, SchemaObject>> {
  if (schema === undefined) return {};
  return (plain(schema).properties ?? {}) as Readonly<Record<string, SchemaObject>>;
}

function bodyOf({ method, options }: Route): { readonly requestBody?: SchemaObject } {
  const { body, accepts = [] } = options;
  if (method === "GET" || (body === undefined && accepts.length === 0)) return {};
  const raw = Object.fromEntries(accepts.map((type) => [type, {}]));
  return {
    requestBody: { required: true, content: { ...(body === undefined ? {} : jsonContent(plain(body))), ...raw } },
  };
}

function successOf({ options }: Route): Readonly<Record<string, SchemaObject>> {
  if (options.response === undefined) return { "2XX": { description: "Done." } };
  const { response } = options;
  const { description } = response as { readonly description?: string };
  return { 200: { description: description ?? "Done.", content: jsonContent(plain(response)) } };
}

function errorsOf({ options, path, method }: Route): readonly ErrorResponseName[] {
  const isOpen = options.access.some((rule) => rule.name === "everyone");
  const hasInput = options.body !== undefined || options.query !== undefined || options.params !== undefined;
  const hasBody = method !== "GET" && (options.body !== undefined || (options.accepts?.length ?? 0) > 0);
  return [
    ...(hasInput || hasBody ? (["BadRequest"] as const) : []),
    ...(isOpen ? [] : (["Unauthorized", "Forbidden"] as const)),
    ...(path.includes("{") ? (["NotFound"] as const) : []),
    ...(hasBody ? (["PayloadTooLarge", "UnsupportedMediaType"] as const) : []),
  ];
}
