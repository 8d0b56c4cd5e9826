/** `GET` of a list with `Accept: text/event-stream`: the list's changes instead of the list. */
import { ServiceError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import type { ResourceOperations } from "../../operations/operations.ts";
import type { Principal } from "../../principal.ts";
import type { Resource } from "../../resource.ts";
import type { Settings } from "../../settings.ts";
import type { Endpoint, Exchange } from "../rest/exchange.ts";
import { fieldsOf } from "../rest/fields.ts";
import { parseQueryString } from "../rest/query-string.ts";
import { eventStreamType } from "./event-stream.ts";
import { sinceOf, watchedOf } from "./stream-query.ts";
import type { Streams } from "./streams.ts";

export interface StreamParts {
  readonly streams: Streams;
  readonly settings: Pick<Settings, "stream_heartbeat_seconds" | "body_depth">;
  /** Who makes the request, by its credentials as they are by now. */
  readonly identify: (request: HttpRequest) => Principal | Promise<Principal>;
}

/** The endpoints of a resource, the one that lists it with a stream beside. */
export function withStream(
  endpoints: readonly Endpoint[],
  resource: Resource,
  operations: ResourceOperations,
  parts: StreamParts,
): readonly Endpoint[] {
  return endpoints.map((endpoint) =>
    endpoint.kind === "list" && endpoint.method === "GET"
      ? { ...endpoint, stream: streamEndpoint(endpoint, resource, operations, parts) }
      : endpoint,
  );
}

function streamEndpoint(
  list: Endpoint,
  resource: Resource,
  operations: ResourceOperations,
  { streams, settings, identify }: StreamParts,
): Endpoint {
  const idleMs = settings.stream_heartbeat_seconds * 1000;
  const fields = fieldsOf(resource);
  return {
    ...list,
    name: `${resource.name}.watch`,
    kind: "other",
    jsonOnly: false,
    ownLimit: true,
    async run(exchange, params) {
      const parameters = parseQueryString(exchange.search);
      const since = sinceOf(exchange.request.header("last-event-id"), parameters);
      const { signal: gone, principal, clock } = exchange;
      const grammar = (revision: number) => ({
        ...{ fields, principal, depth: settings.body_depth },
        now: Math.max(clock.now(), revision),
      });
      const body = await streams.open(
        holderOf(exchange),
        (signal, tooSlow) =>
          operations.watch(
            { ...exchange.context(), signal: AbortSignal.any([signal, gone]) },
            { params },
            {
              ...(since === undefined ? {} : { since }),
              query: (revision) => watchedOf(parameters, grammar(revision)),
              ...{ idleMs, tooSlow },
              caller: currentCaller(exchange, identify),
            },
          ),
        exchange.log,
      );
      return {
        status: 200,
        headers: { "content-type": eventStreamType, "cache-control": "no-store", "x-accel-buffering": "no" },
        body,
      };
    },
  };
}

/** Whose streams are counted together: those of a principal, or of an address. */
function holderOf({ principal, request }: Exchange): string | undefined {
  return principal.id ?? (request.peer === undefined ? undefined : `peer ${request.peer}`);
}

/** How often credentials are looked at anew: an hour's token may be revoked before. */
const recheckMs = 60_000;

/** The caller, as its credentials prove it by now. @throws ServiceError `invalid-credentials` */
function currentCaller(
  { principal, request, clock }: Exchange,
  identify: StreamParts["identify"],
): () => Principal | Promise<Principal> {
  let known = principal;
  let lookedAt = clock.now();
  return () => {
    const { exp } = known.claims;
    if (typeof exp === "number" && exp * 1000 <= clock.now()) throw new ServiceError("invalid-credentials");
    if (clock.now() - lookedAt < recheckMs) return known;
    lookedAt = clock.now();
    const answer = identify(request);
    if (!(answer instanceof Promise)) {
      known = answer;
      return known;
    }
    return answer.then((found) => {
      known = found;
      return known;
    });
  };
}
