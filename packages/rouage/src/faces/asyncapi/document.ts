/**
 * The AsyncAPI 3.0 description of what a service publishes, made from its declarations: the change stream of each list.
 * https://www.asyncapi.com/docs/reference/specification/v3.0.0
 */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import type { Resource } from "../../resource.ts";
import { identifier, schemaName } from "../openapi/names.ts";
import { resourceSchemas } from "../openapi/resource-paths.ts";
import type { Description, SchemaObject } from "../openapi/types.ts";

/** What of a service's description is needed; without `origin` the document names no server. */
export type Publication = Pick<
  Description,
  "name" | "version" | "summary" | "docsUrl" | "origin" | "prefix" | "resources" | "policies"
>;

export function asyncapiDocument(publication: Publication): Readonly<Record<string, unknown>> {
  const { name, version, summary, docsUrl, policies } = publication;
  const followed = publication.resources.filter(isFollowed);
  return {
    asyncapi: "3.0.0",
    info: {
      title: name,
      version,
      ...(summary === undefined ? {} : { description: summary }),
      ...(docsUrl === "" ? {} : { externalDocs: { url: docsUrl } }),
    },
    defaultContentType: "application/json",
    ...serversOf(publication),
    channels: Object.fromEntries(
      followed.map((resource) => [identifier(resource.name), channelOf(resource, publication)]),
    ),
    operations: Object.fromEntries(
      followed.map((resource) => [`follow_${identifier(resource.name)}`, operationOf(resource)]),
    ),
    components: {
      messages: Object.assign({}, ...followed.map(messagesOf)),
      schemas: { Tombstone: tombstone, ...Object.assign({}, ...followed.map(storedSchemaOf)) },
      ...(policies.length === 0 ? {} : { securitySchemes: Object.fromEntries(policies.map(securityScheme)) }),
    },
  };
}

/** A stream follows a list; where lists are not offered there is none, and one object alone is no list. */
function isFollowed({ options }: Resource): boolean {
  return options.singleton !== true && options.disabled?.includes("list") !== true;
}

const actions = ["create", "update", "delete"] as const;

function serversOf({ origin, policies }: Publication): SchemaObject {
  if (origin === undefined) return {};
  const { host, protocol } = new URL(origin);
  const security = policies.map((policy) => ({ $ref: `#/components/securitySchemes/${policy.name}` }));
  return {
    servers: {
      main: { host, protocol: protocol.slice(0, -1), ...(security.length === 0 ? {} : { security }) },
    },
  };
}

function channelOf(resource: Resource, { prefix }: Publication): SchemaObject {
  const { name, listPath } = resource;
  const parameters = [...listPath.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => String(parameter));
  return {
    address: prefix + listPath,
    title: `Changes of ${name}`,
    description:
      "Server-sent events of a GET with `Accept: text/event-stream`. The id of an event is a revision; a reader that comes back with it in `Last-Event-ID` goes on where it stopped.",
    ...(parameters.length === 0
      ? {}
      : { parameters: Object.fromEntries(parameters.map((parameter) => [parameter, { description: "An id." }])) }),
    messages: Object.fromEntries(
      actions.map((action) => [action, { $ref: `#/components/messages/${messageName(name, action)}` }]),
    ),
    bindings: { http: {} },
  };
}

function operationOf({ name }: Resource): SchemaObject {
  const channel = `#/channels/${identifier(name)}`;
  return {
    action: "send",
    channel: { $ref: channel },
    summary: `Tells who follows ${name} of each change that they may see`,
    messages: actions.map((action) => ({ $ref: `${channel}/messages/${action}` })),
  };
}

function messagesOf({ name }: Resource): Readonly<Record<string, SchemaObject>> {
  const stored = { $ref: `#/components/schemas/${schemaName(name)}` };
  const titles = { create: "created", update: "changed", delete: "deleted" };
  return Object.fromEntries(
    actions.map((action) => [
      messageName(name, action),
      {
        name: action,
        title: `${name}: an object was ${titles[action]}`,
        contentType: "application/json",
        payload: action === "delete" ? { $ref: "#/components/schemas/Tombstone" } : stored,
      },
    ]),
  );
}

function messageName(resource: string, action: string): string {
  return `${schemaName(resource)}.${action}`;
}

function storedSchemaOf(resource: Resource): SchemaObject {
  const name = schemaName(resource.name);
  return { [name]: resourceSchemas(resource)[name] };
}

const tombstone = {
  type: "object",
  required: ["id", "last_modified", "deleted"],
  properties: { id: { type: "string" }, last_modified: { type: "integer" }, deleted: { const: true } },
};

/** OpenAPI's `apiKey` in a header is AsyncAPI's `httpApiKey`; the others are called alike. */
function securityScheme({ name, securityScheme: scheme }: AuthenticationPolicy): readonly [string, SchemaObject] {
  return [name, scheme.type === "apiKey" ? { ...scheme, type: "httpApiKey" } : scheme];
}
