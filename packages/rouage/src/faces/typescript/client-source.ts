/** The TypeScript source of a typed client, made from a service's declarations. It stands on `rouage/client`. */
import type { ApiDefinition, ResourceDefinition, RouteDefinition } from "../../client/types.ts";
import type { Resource } from "../../resource.ts";
import type { Route } from "../../route.ts";
import { identifier, operationNames, schemaName } from "../openapi/names.ts";
import { plain, resourceSchemas } from "../openapi/resource-paths.ts";
import { comment, objectType, typeOf } from "./schema-type.ts";

export interface ClientSourceParts {
  readonly name: string;
  readonly version: string;
  /** Version prefix, `/v1`. */
  readonly prefix: string;
  readonly resources: readonly Resource[];
  readonly routes: readonly Route[];
}

export function clientSource(parts: ClientSourceParts): string {
  const { name, version, prefix, resources } = parts;
  const routes = parts.routes.filter(({ options }) => options.documented !== false);
  const top = resources.filter(({ options }) => options.parent === undefined);
  const named = routes.map((route) => ({ route, name: routeName(route) }));
  refuseSameNames([...top.map(({ name }) => camel(name)), ...named.map(({ name }) => name)]);
  const definition: ApiDefinition = {
    prefix,
    resources: Object.fromEntries(top.map((resource) => [camel(resource.name), definitionOf(resource, resources)])),
    routes: Object.fromEntries(
      named.map(({ route, name }) => [
        name,
        { method: route.method, path: pathOf(route, prefix) } satisfies RouteDefinition,
      ]),
    ),
  };
  const client = `${pascal(name)}Client`;
  return `// Written by \`rouage client\` from ${name} ${version}. Changes made here are lost when it is written again.
import { type CallOptions, type ClientOptions, connect, type Meta, type Nesting, type ResourceClient, type SingletonClient } from "rouage/client";

${resources.map(interfacesOf).join("\n")}
/** The service ${name}. */
export interface ${client} {
${top.map((resource) => propertyOf(resource, resources)).join("\n")}
${named.map(({ route, name }) => methodOf(route, name)).join("\n")}
}

const definition = ${JSON.stringify(definition, null, 2)} as const;

/** @example const ${camel(name)} = ${camel(name)}Client({ url: "https://${name}.example" }); */
export function ${camel(name)}Client(options: ClientOptions): ${client} {
  return connect<${client}>(definition, options);
}

export type { CallOptions, Meta, Nesting, ResourceClient, SingletonClient };
`;
}

function definitionOf(resource: Resource, all: readonly Resource[]): ResourceDefinition {
  const { options, listPath } = resource;
  const children = childrenOf(resource, all);
  const above = options.parent === undefined ? "" : options.parent.objectPath;
  return {
    path: listPath.slice(above === "" ? 0 : listPath.length - (options.path ?? `/${resource.name}`).length),
    ...(options.singleton === true ? { singleton: true as const } : {}),
    ...(children.length === 0
      ? {}
      : { nested: Object.fromEntries(children.map((child) => [camel(child.name), definitionOf(child, all)])) }),
  };
}

function childrenOf(resource: Resource, all: readonly Resource[]): readonly Resource[] {
  return all.filter(({ options }) => options.parent?.name === resource.name);
}

/** The object as it is read, and as it is written. */
function interfacesOf(resource: Resource): string {
  const schemas = resourceSchemas(resource);
  const stored = schemas[schemaName(resource.name)] ?? {};
  const input = schemas[schemaName(`${resource.name}-input`)] ?? {};
  const { properties, required } = stored as {
    readonly properties: Readonly<Record<string, unknown>>;
    readonly required: readonly string[];
  };
  const { id: _id, last_modified: _revision, ...own } = properties;
  const name = typeName(resource);
  return `${comment(resource.options, "").join("\n")}
export interface ${name} extends Meta ${objectType({ ...stored, properties: own, required }).replace(/^Readonly<.*>$/, "{}")}

/** As written: what has a default or is computed may be left out. */
export type ${name}Input = ${objectType(input)};
`.trimStart();
}

function propertyOf(resource: Resource, all: readonly Resource[], indent = "  "): string {
  const children = childrenOf(resource, all);
  const name = typeName(resource);
  const kind = resource.options.singleton === true ? "SingletonClient" : "ResourceClient";
  const own = `${kind}<${name}, ${name}Input>`;
  if (children.length === 0) return `${indent}readonly ${camel(resource.name)}: ${own};`;
  const nested = children.map((child) => propertyOf(child, all, `${indent}  `)).join("\n");
  return `${indent}readonly ${camel(resource.name)}: ${own} & Nesting<{\n${nested}\n${indent}}>;`;
}

function methodOf({ options, path }: Route, name: string): string {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => String(parameter));
  const query = options.query === undefined ? undefined : plain(options.query);
  const needsQuery = ((query?.required ?? []) as readonly string[]).length > 0;
  const members = [
    ...(names.length === 0
      ? []
      : [`readonly params: { ${names.map((each) => `readonly ${each}: string`).join("; ")} }`]),
    ...(query === undefined ? [] : [`readonly query${needsQuery ? "" : "?"}: ${typeOf(query, "  ")}`]),
    ...(options.body === undefined ? [] : [`readonly body: ${typeOf(plain(options.body), "  ")}`]),
  ];
  const isOptional = names.length === 0 && options.body === undefined && !needsQuery;
  const input = members.length === 0 ? "CallOptions" : `CallOptions & { ${members.join("; ")} }`;
  const output = options.response === undefined ? "unknown" : typeOf(plain(options.response), "  ");
  return [
    ...comment({ description: options.summary }, "  "),
    `  ${name}(input${isOptional ? "?" : ""}: ${input}): Promise<${output}>;`,
  ].join("\n");
}

const verbs = { GET: "get", POST: "post", PUT: "put", PATCH: "patch", DELETE: "delete" } as const;

function routeName({ method, path }: Route): string {
  return camel(`${verbs[method]}_${identifier(path) || "root"}`);
}

function pathOf({ path, options }: Route, prefix: string): string {
  return options.unversioned === true ? path : prefix + path;
}

function typeName(resource: Resource): string {
  return pascal(operationNames(resource).single.replace(/_object$/, ""));
}

function camel(name: string): string {
  const text = pascal(name);
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function pascal(name: string): string {
  const words = name.split(/[^a-zA-Z0-9]+/).filter((word) => word !== "");
  const text = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return /^\d/.test(text) ? `_${text}` : text;
}

/** @throws Error naming what would be called alike */
function refuseSameNames(names: readonly string[]): void {
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  if (twice.length > 0) throw new Error(`a client would have two properties called ${[...new Set(twice)].join(", ")}`);
}
