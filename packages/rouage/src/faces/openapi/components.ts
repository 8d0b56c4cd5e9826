/** What every operation of the protocol shares: errors, tombstones, query parameters, request and response headers. */
import { errorTable } from "../../errors.ts";
import { ref, type SchemaObject } from "./types.ts";

/** The protocol's answers to errors, by status; each may be answered by the operations that refer to it. */
const errorResponses = {
  BadRequest: [400, "Something in the request is not valid; every violation is named in `details`."],
  Unauthorized: [401, "The endpoint needs credentials, or those given are not valid."],
  Forbidden: [403, "The caller may not do this."],
  NotFound: [404, "There is no such object."],
  NotAcceptable: [406, "The endpoint answers JSON only."],
  Conflict: [409, "The write meets a unique field or another write."],
  PreconditionFailed: [412, "The object or list was modified meanwhile; `details.existing` shows it."],
  PayloadTooLarge: [413, "The body is larger than the service accepts."],
  UnsupportedMediaType: [415, "The media type of the body is not supported."],
  TooManyRequests: [429, "Too many requests; wait as `Retry-After` says."],
  InternalError: [500, "Unexpected error; quote the `X-Request-ID` of the answer when reporting it."],
  Unavailable: [503, "Overloaded or under maintenance; wait as `Retry-After` says."],
} as const;

export type ErrorResponseName = keyof typeof errorResponses;

/** References to error answers, by status. */
export function errors(...names: readonly ErrorResponseName[]): Readonly<Record<string, SchemaObject>> {
  const always: readonly ErrorResponseName[] = ["TooManyRequests", "InternalError", "Unavailable"];
  const wanted = [...names, ...always].map((name) => [errorResponses[name][0], name] as const);
  return Object.fromEntries(wanted.sort(([a], [b]) => a - b).map(([status, name]) => [status, ref("responses", name)]));
}

export function commonComponents() {
  return {
    schemas: {
      Error: errorSchema,
      Violation: violationSchema,
      Tombstone: tombstoneSchema,
      JsonPatch: jsonPatchSchema,
      Query: querySchema,
      Filter: filterSchema,
      Batch: batchSchema,
      BatchRequest: batchRequestSchema,
      BatchResponses: batchResponsesSchema,
    },
    parameters,
    headers,
    responses: {
      NotModified: { description: "Not modified since the revision of `If-None-Match`.", headers: validators },
      ...Object.fromEntries(
        Object.entries(errorResponses).map(([name, [status, description]]) => [
          name,
          errorResponse(status, description),
        ]),
      ),
    },
  };
}

function errorResponse(status: number, description: string): SchemaObject {
  const errnos = [...new Set(kindsOf(status).map(({ errno }) => errno))].join(", ");
  return {
    description: `${description} errno ${errnos}.`,
    ...(status === 429 || status === 503 ? { headers: { "Retry-After": ref("headers", "Retry-After") } } : {}),
    content: {
      "application/json": { schema: ref("schemas", "Error") },
      "application/problem+json": { schema: { type: "object", description: "RFC 9457, when asked for by `Accept`." } },
    },
  };
}

function kindsOf(status: number): readonly { readonly errno: number }[] {
  return Object.values(errorTable).filter((kind) => kind.status === status);
}

/** Headers of answers that carry a revision. */
export const validators = { ETag: ref("headers", "ETag"), "Last-Modified": ref("headers", "Last-Modified") };

const violationSchema = {
  type: "object",
  required: ["location", "name", "description"],
  properties: {
    location: { enum: ["body", "querystring", "header", "path", "url", "cookies", "method"] },
    name: { type: ["string", "null"], description: "Dotted path or parameter; null when the whole is meant." },
    description: { type: "string" },
    code: { type: "string", description: "Stable name of the violation." },
  },
};

const errorSchema = {
  type: "object",
  required: ["code", "errno", "error"],
  properties: {
    code: { type: "integer", description: "HTTP status." },
    errno: { type: "integer", description: "Stable number of the error." },
    error: { type: "string" },
    message: { type: "string" },
    info: { type: "string", description: "Link to more." },
    details: { anyOf: [{ type: "array", items: ref("schemas", "Violation") }, { type: "object" }] },
  },
};

const tombstoneSchema = {
  type: "object",
  required: ["id", "last_modified", "deleted"],
  properties: { id: { type: "string" }, last_modified: { type: "integer" }, deleted: { const: true } },
};

const jsonPatchSchema = {
  type: "array",
  description: 'RFC 6902 on a document `{"data": object}`: paths begin with `/data/`.',
  items: {
    type: "object",
    required: ["op", "path"],
    properties: {
      op: { enum: ["test", "add", "remove", "replace", "move", "copy"] },
      path: { type: "string" },
      from: { type: "string" },
      value: {},
    },
  },
};

const revisionOrNull = { anyOf: [{ type: "integer" }, { type: "string" }, { type: "null" }] };

const querySchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    filter: ref("schemas", "Filter"),
    sort: { type: "array", items: { type: "string" }, description: "Fields; `-` before a field for descending." },
    limit: { type: "integer", minimum: 0 },
    fields: { type: "array", items: { type: "string" } },
    since: { ...revisionOrNull, description: "Only what changed after this revision, tombstones included." },
    before: { ...revisionOrNull, description: "Only what changed before this revision." },
    token: { type: "string", description: "`_token` of the `Next-Page` before." },
  },
};

const filterSchema = {
  description: "`and`, `or`, `not`, or conditions on one field, all of which must hold.",
  anyOf: [
    { type: "object", required: ["and"], properties: { and: { type: "array", items: ref("schemas", "Filter") } } },
    { type: "object", required: ["or"], properties: { or: { type: "array", items: ref("schemas", "Filter") } } },
    { type: "object", required: ["not"], properties: { not: ref("schemas", "Filter") } },
    {
      type: "object",
      required: ["field"],
      additionalProperties: false,
      properties: {
        field: { type: "string" },
        ...Object.fromEntries(["eq", "not", "min", "max", "gt", "lt"].map((operator) => [operator, {}])),
        ...Object.fromEntries(["in", "exclude"].map((operator) => [operator, { type: "array" }])),
        contains: {},
        contains_any: {},
        like: { type: "string" },
        has: { type: "boolean" },
      },
    },
  ],
};

const batchRequestSchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    method: { enum: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE"], default: "GET" },
    path: { type: "string", pattern: "^/", description: "With its query; the version prefix is optional." },
    headers: { type: "object", additionalProperties: { type: "string" } },
    body: { anyOf: [{ type: "object" }, { type: "array" }] },
  },
};

const batchSchema = {
  type: "object",
  required: ["requests"],
  additionalProperties: false,
  properties: {
    atomic: { type: "boolean", default: false, description: "All or nothing." },
    defaults: ref("schemas", "BatchRequest"),
    requests: { type: "array", items: ref("schemas", "BatchRequest") },
  },
};

const batchResponsesSchema = {
  type: "object",
  required: ["responses"],
  properties: {
    responses: {
      type: "array",
      items: {
        type: "object",
        required: ["status", "path", "headers", "body"],
        properties: {
          status: { type: "integer" },
          path: { type: "string" },
          headers: { type: "object", additionalProperties: { type: "string" } },
          body: {},
        },
      },
    },
  },
};

const headers = {
  ETag: { description: "Revision between double quotes.", schema: { type: "string", pattern: '^"\\d+"$' } },
  "Last-Modified": { description: "The revision as a date, to the second.", schema: { type: "string" } },
  "Next-Page": { description: "Address of the next page; absent on the last.", schema: { type: "string" } },
  "Total-Objects": { description: "Number of live objects that match.", schema: { type: "integer" } },
  "Retry-After": { description: "Seconds to wait.", schema: { type: "integer" } },
};

function query(name: string, description: string, schema: SchemaObject): SchemaObject {
  return { name, in: "query", description, schema };
}

function header(name: string, description: string, schema: SchemaObject): SchemaObject {
  return { name, in: "header", description, schema };
}

const revision = { type: "string", pattern: '^("\\d+"|\\*)$' };

const parameters = {
  "If-Match": header("If-Match", 'Only if the revision is this one: `"1767225600000"`, or `*`.', revision),
  "If-None-Match": header(
    "If-None-Match",
    "Only if the revision is another one, or `*`: only if there is none.",
    revision,
  ),
  "Response-Behavior": header("Response-Behavior", "How much of the object the answer shows.", {
    enum: ["full", "light", "diff"],
    default: "full",
  }),
  _since: query("_since", "Only what changed after this revision, tombstones included.", { type: "string" }),
  _before: query("_before", "Only what changed before this revision.", { type: "string" }),
  _sort: query("_sort", "Fields to sort by, separated by commas; `-` before a field for descending.", {
    type: "string",
  }),
  _limit: query("_limit", "Largest number of objects in the page.", { type: "integer", minimum: 0 }),
  _token: query("_token", "Where the page begins; taken from `Next-Page`.", { type: "string" }),
  _fields: query("_fields", "Only these fields, separated by commas; `id` and `last_modified` always stay.", {
    type: "string",
  }),
  explain: query("explain", "Tells a writer of the object why a caller has this permission on it, or has not.", {
    type: "string",
  }),
  principal: query("principal", "Whose permission `explain` asks about; default: the caller's.", { type: "string" }),
  last_modified: query("last_modified", "Revision wished for the tombstone.", { type: "integer" }),
};
