/** The OpenAPI 3.1 description of a service, made from its declarations: https://spec.openapis.org/oas/v3.1.1 */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import type { Resource } from "../../resource.ts";
import { builtInPaths } from "./built-in-paths.ts";
import { commonComponents } from "./components.ts";
import { uniqueIds } from "./names.ts";
import { resourcePaths, resourceSchemas } from "./resource-paths.ts";
import { routePaths } from "./route-paths.ts";
import type { Description, Operation, Paths, SchemaObject } from "./types.ts";

/** Builds the document. Operation ids are `{get|create|update|patch|delete}_{name}`, made unique where two would meet. */
export function openapiDocument(description: Description): Readonly<Record<string, unknown>> {
  const documented = description.routes.filter((route) => route.options.documented !== false);
  const paths: Paths = {};
  merge(paths, builtInPaths(description));
  for (const resource of description.resources) merge(paths, resourcePaths(resource, description));
  for (const route of documented) merge(paths, routePaths(route, description));
  uniqueIds(paths);
  const { name, version, summary, docsUrl } = description;
  return {
    openapi: "3.1.1",
    info: { title: name, version, ...(summary === undefined ? {} : { description: summary }) },
    ...(docsUrl === "" ? {} : { externalDocs: { url: docsUrl } }),
    servers: [{ url: description.origin ?? "/" }],
    tags: tagsOf(paths, description.resources),
    paths,
    components: {
      ...commonComponents(),
      schemas: { ...commonComponents().schemas, ...schemasOf(description.resources) },
      securitySchemes: securitySchemes(description.policies),
    },
  };
}

function merge(paths: Paths, more: Paths): void {
  for (const [path, operations] of Object.entries(more)) paths[path] = { ...paths[path], ...operations };
}

function schemasOf(resources: readonly Resource[]): Readonly<Record<string, SchemaObject>> {
  return Object.assign({}, ...resources.map(resourceSchemas));
}

function securitySchemes(policies: readonly AuthenticationPolicy[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(policies.map((policy) => [policy.name, policy.securityScheme]));
}

function tagsOf(paths: Paths, resources: readonly Resource[]): readonly { name: string; description?: string }[] {
  const descriptions = new Map(resources.map((resource) => [resource.name, resource.options.description]));
  const names = new Set<string>();
  for (const operations of Object.values(paths))
    for (const operation of Object.values(operations)) for (const tag of (operation as Operation).tags) names.add(tag);
  return [...names].map((name) => {
    const description = descriptions.get(name);
    return description === undefined ? { name } : { name, description };
  });
}
