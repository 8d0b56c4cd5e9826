/** The profiler behind a private port: `POST /profile/{kind}?seconds=N` with its own token. Never part of a service's public door. */
import { Readable } from "node:stream";
import { equalText } from "../auth/secrets.ts";
import { authorizationToken } from "../auth/token-header.ts";
import { invalid, ServiceError } from "../errors.ts";
import type { HttpRequest, HttpResponse } from "../http.ts";
import type { Logger } from "./log.ts";
import { longestProfileSeconds, type ProfileKind, type Profiler, profileKinds } from "./profiler.ts";

export interface ProfilerEndpointOptions {
  readonly profiler: Profiler;
  readonly token: string;
  readonly log: Logger;
  /** How long to sample where a request does not say. */
  readonly seconds: number;
  /** Aborts when the process stops. */
  readonly signal: AbortSignal;
}

/** Answers requests for profiles; undefined for other paths. */
export function profilerEndpoint(
  options: ProfilerEndpointOptions,
): (request: HttpRequest) => Promise<HttpResponse> | undefined {
  return (request) => {
    const [path = "", query] = request.url.split("?", 2);
    if (!path.startsWith("/profile/")) return undefined;
    return answer(options, request, path.slice("/profile/".length), new URLSearchParams(query));
  };
}

async function answer(
  { profiler, token, log, signal, seconds: usual }: ProfilerEndpointOptions,
  request: HttpRequest,
  kind: string,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const given = authorizationToken(request.header("authorization"), "Bearer");
  if (given === undefined || !equalText(given, token)) {
    log.warn({ peer: request.peer }, "profile refused: no or wrong token");
    throw new ServiceError("missing-credentials", { headers: { "www-authenticate": 'Bearer realm="profiler"' } });
  }
  if (!isKind(kind)) throw new ServiceError("route-not-found");
  if (request.method !== "POST") throw new ServiceError("method-not-allowed", { headers: { allow: "POST" } });
  const seconds = secondsOf(query.get("seconds"), usual);
  log.warn({ kind, seconds, peer: request.peer }, "profile asked for");
  try {
    const { fileName, content } = await profiler.take(kind, {
      seconds,
      signal: AbortSignal.any([request.signal, signal]),
    });
    return {
      status: 200,
      headers: {
        "content-type": "application/json",
        "content-disposition": `attachment; filename="${fileName}"`,
        "cache-control": "no-store",
      },
      body: Readable.toWeb(content) as ReadableStream<Uint8Array>,
    };
  } catch (error) {
    // The client went away, or we stop.
    if (request.signal.aborted || signal.aborted) throw new ServiceError("unavailable");
    throw error;
  }
}

function isKind(text: string): text is ProfileKind {
  return profileKinds.some((kind) => kind === text);
}

function secondsOf(text: string | null, usual: number): number {
  if (text === null) return usual;
  const seconds = Number(text);
  if (/^\d{1,3}$/.test(text) && seconds >= 1 && seconds <= longestProfileSeconds) return seconds;
  const description = `must be a whole number from 1 to ${longestProfileSeconds}`;
  throw invalid({ location: "querystring", name: "seconds", description, code: "range" });
}
