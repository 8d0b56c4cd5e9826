/** The views every service has: hello, health, version, and this document. */
import { errors } from "./components.ts";
import { type Description, jsonContent, type Operation, type Paths, ref } from "./types.ts";

const tags = ["service"];
const object = { type: "object" };

export function builtInPaths({ prefix, policies }: Description): Paths {
  return {
    [`${prefix}/`]: { get: view("server_info", "Name, version, settings and capabilities of the service") },
    [`${prefix}/__heartbeat__`]: {
      get: {
        ...view("__heartbeat__", "Health of each part"),
        responses: {
          200: { description: "Every part is usable.", content: jsonContent(object) },
          503: { description: "Some part is not usable.", content: jsonContent(object) },
        },
      },
    },
    [`${prefix}/__lbheartbeat__`]: { get: view("__lbheartbeat__", "Answers as long as the process does") },
    [`${prefix}/__version__`]: { get: view("__version__", "Version of what is deployed") },
    [`${prefix}/batch`]: {
      post: {
        operationId: "batch",
        summary: "Answers several requests, in order and in one transaction",
        tags,
        security: [{}, ...policies.map(({ name }) => ({ [name]: [] }))],
        requestBody: { required: true, content: jsonContent(ref("schemas", "Batch")) },
        responses: {
          200: { description: "What became of each request.", content: jsonContent(ref("schemas", "BatchResponses")) },
          ...errors("BadRequest", "PayloadTooLarge", "UnsupportedMediaType"),
        },
      },
    },
    [`${prefix}/openapi.json`]: { get: view("get_openapi_spec", "This document") },
  };
}

function view(operationId: string, summary: string): Operation {
  return {
    operationId,
    summary,
    tags,
    security: [{}],
    responses: { 200: { description: "Done.", content: jsonContent(object) }, ...errors() },
  };
}
