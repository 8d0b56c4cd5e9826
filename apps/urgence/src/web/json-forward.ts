/** The old report's routes for API clients: a JSON body goes to the API as it is, and its answer comes back as it is. */
import { type Correlated, type HttpRequest, type Reply, reply, ServiceError } from "rouage";
import type { ServiceCall, ServiceName } from "../shared/client.ts";

const limit = 512 * 1024;

export async function forwardJson(
  request: HttpRequest,
  call: ServiceCall,
  { requestId, trace }: Correlated,
  service: ServiceName,
  method: string,
  path: string,
  shape: (body: unknown) => unknown = (body) => body,
): Promise<Reply> {
  const bytes = await request.body(limit);
  // Whoever signs in or up is not known yet, whatever token is sent along; the call is then the pages' own, whose word on the address is believed.
  const authorization = service === "accounts" ? undefined : request.header("authorization");
  const answer = await call(service, method, path, {
    body: shape(parse(bytes)),
    signal: request.signal,
    requestId,
    trace,
    ...(request.peer === undefined ? {} : { address: request.peer }),
    ...(authorization === undefined ? {} : { authorization }),
  });
  return reply(answer.status, answer.body === undefined ? undefined : JSON.stringify(answer.body), {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...passed(answer.headers),
  });
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ServiceError("invalid-parameters", {
      message: "body: Invalid JSON",
      details: [{ location: "body", name: null, description: "Invalid JSON", code: "invalid-json" }],
      cause,
    });
  }
}

/** Headers of the API's answer that mean something to its caller. */
function passed(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const names = ["retry-after", "www-authenticate", "etag", "last-modified", "location"];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)));
}
