/**
 * Calls between services: in process, through the other service's own door, so that its checks, limits and log apply. Each call carries a token: the
 * user's own, or a short-lived one of the calling service.
 */
import {
  type Clock,
  correlationHeaders,
  type HttpRequest,
  type HttpResponse,
  ServiceError,
  systemClock,
  type TraceContext,
} from "rouage";
import { callRequest, textOf } from "./call-request.ts";

export type ServiceName = "accounts" | "profiles" | "positions" | "access";

export interface ServiceCallOptions {
  readonly body?: unknown;
  /** The user's own `Authorization`; absent: the calling service's token. */
  readonly authorization?: string;
  readonly signal?: AbortSignal;
  /** Correlation id of the request that caused the call. */
  readonly requestId?: string;
  /** Trace of that request. */
  readonly trace?: TraceContext | undefined;
  /** Network address of the person the call is made for; believed only from services. */
  readonly address?: string;
  /** Further headers, such as preconditions or another type of JSON; the ones above win. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ServiceAnswer {
  readonly status: number;
  /** Parsed JSON; text where the answer is none, undefined when it is empty. */
  readonly body: unknown;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Calls another service in process with a service token, or on behalf of a user with the user's own token.
 * @throws ServiceError `unavailable` when the service is not there, `deadline-exceeded` when it takes too long
 */
export type ServiceCall = (
  service: ServiceName,
  method: string,
  path: string,
  options?: ServiceCallOptions,
) => Promise<ServiceAnswer>;

/** Header with the person's network address, on calls that services make; see `clientAddress`. */
export const addressHeader = "x-client-address";

export interface Door {
  handle(request: HttpRequest): Promise<HttpResponse>;
}

export interface ServiceRegistry {
  /** Makes a running service reachable; calls made before wait for nothing and answer `unavailable`. */
  register(name: ServiceName, door: Door): void;
  /** The calls of one service, with its own token. */
  callsFrom(service: string): ServiceCall;
}

export interface ServiceRegistryOptions {
  /** A new token of a service, and its life in seconds. */
  readonly mint: (service: string) => Promise<{ readonly token: string; readonly expiresIn: number }>;
  readonly clock?: Clock;
  /** Longest a call may take. Default 10 seconds. */
  readonly timeoutMs?: number;
}

export function serviceRegistry({
  mint,
  clock = systemClock,
  timeoutMs = 10_000,
}: ServiceRegistryOptions): ServiceRegistry {
  const doors = new Map<ServiceName, Door>();
  return {
    register: (name, door) => void doors.set(name, door),
    callsFrom(from) {
      const token = cachedToken(() => mint(from), clock);
      return async (service, method, path, options = {}) => {
        const door = doors.get(service);
        if (door === undefined) throw unavailable(service, new Error(`${service} is not started`));
        if (climbs(path)) return nothingThere;
        const authorization = options.authorization ?? `Bearer ${await token()}`;
        const controller = new AbortController();
        const { signal } = controller;
        let late = false;
        const timer = setTimeout(() => {
          late = true;
          controller.abort();
        }, timeoutMs).unref();
        const leave = () => controller.abort(options.signal?.reason);
        if (options.signal?.aborted === true) leave();
        options.signal?.addEventListener("abort", leave, { once: true });
        try {
          const request = buildRequest(service, method, path, options, authorization, signal);
          return await readAnswer(await abortable(door.handle(request), signal));
        } catch (cause) {
          if (late) throw new ServiceError("deadline-exceeded", { cause });
          if (options.signal?.aborted === true) throw cause;
          throw unavailable(service, cause);
        } finally {
          clearTimeout(timer);
          options.signal?.removeEventListener("abort", leave);
        }
      };
    },
  };
}

/** The person's network address: of the connection, or as told by a service that calls on their behalf. */
export function clientAddress(
  request: { readonly peer: string | undefined; header(name: string): string | undefined },
  roles: ReadonlySet<string>,
): string | undefined {
  const told = roles.has("service") ? request.header(addressHeader) : undefined;
  return told ?? request.peer;
}

/** An id that is a dot or two would be taken for a step in the path, and the call would reach another route than was meant. */
function climbs(path: string): boolean {
  return /\/(?:\.|%2e){1,2}(?:[/?#]|$)/i.test(path);
}

const nothingThere: ServiceAnswer = {
  status: 404,
  body: { code: 404, errno: 110, error: "Not Found" },
  headers: { "content-type": "application/json" },
};

function buildRequest(
  service: ServiceName,
  method: string,
  path: string,
  { body, requestId, trace, address, headers: further = {} }: ServiceCallOptions,
  authorization: string,
  signal: AbortSignal,
): HttpRequest {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(further)) headers[name.toLowerCase()] = value;
  if (requestId !== undefined) Object.assign(headers, correlationHeaders({ requestId, trace }));
  Object.assign(headers, { authorization, accept: "application/json" });
  if (address !== undefined) headers[addressHeader] = address;
  if (body !== undefined) headers["content-type"] ??= "application/json";
  const url = new URL(`http://${service}.internal${path}`);
  return callRequest({ method, url, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
}

async function readAnswer({ status, headers, body }: HttpResponse): Promise<ServiceAnswer> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    joined[name] = typeof value === "string" ? value : value.join(", ");
  return { status, body: parse(await textOf(body)), headers: joined };
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A service in this process may be slower than its caller is patient. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

/** Keeps a token until a minute before it expires; asked for by many at once, it is minted once. */
function cachedToken(
  mint: () => Promise<{ readonly token: string; readonly expiresIn: number }>,
  clock: Clock,
): () => Promise<string> {
  let current: { readonly token: string; readonly until: number } | undefined;
  let minting: Promise<string> | undefined;
  return async () => {
    if (current !== undefined && current.until > clock.now()) return current.token;
    minting ??= mint()
      .then(({ token, expiresIn }) => {
        current = { token, until: clock.now() + (expiresIn - 60) * 1000 };
        return token;
      })
      .finally(() => {
        minting = undefined;
      });
    return minting;
  };
}

function unavailable(service: string, cause: unknown): ServiceError {
  return new ServiceError("unavailable", {
    message: `The service ${service} does not answer, please retry later.`,
    headers: { "retry-after": "5" },
    cause,
  });
}
