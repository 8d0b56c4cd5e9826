/** `POST /batch`: several requests in one, in order, through the same door and in one transaction. Knows no storage. */
import { changedRequest } from "../../changed-request.ts";
import { invalid, ServiceError } from "../../errors.ts";
import type { HttpRequest, HttpResponse } from "../../http.ts";
import { anonymous, type Principal } from "../../principal.ts";
import type { Settings } from "../../settings.ts";
import { jsonType, readJson, unsupported } from "../rest/body.ts";
import { endpointDefaults } from "../rest/endpoint.ts";
import type { Answer, Endpoint, Exchange } from "../rest/exchange.ts";
import type { Part, Parts } from "./part.ts";
import { type BatchItem, type BatchPayload, parseBatch, recursion } from "./payload.ts";
import { credentialsOf, encodedPath, type Inheritance, inheritance, subRequest } from "./sub-request.ts";
import { errorEntry, largestAnswer, type SubResponse, subResponse } from "./sub-response.ts";

type Handle = (request: HttpRequest) => Promise<HttpResponse>;

/** Who else serves a URL, behind one door. */
export interface Neighbour {
  readonly handle: Handle;
}

export interface BatchParts {
  readonly settings: Settings;
  /** `/v1` */
  readonly prefix: string;
  /** Where requests of a batch go. */
  readonly handle: Handle;
  /** Runs `work` so that what it writes is taken back when it rejects; undefined: there is nothing to take back. */
  readonly transaction: (<T>(work: () => Promise<T>) => Promise<T>) | undefined;
  readonly neighbour: ((url: string) => Neighbour | undefined) | undefined;
  readonly identify: (request: HttpRequest) => Principal | Promise<Principal>;
  /** Something is served at exactly this path. */
  readonly exists: (path: string) => boolean;
  readonly renderError: (error: ServiceError, exchange: Exchange) => Answer;
  /** Where the face finds out what a request of a batch shares with it. */
  readonly known: Parts;
}

export function batchEndpoint(parts: BatchParts): Endpoint {
  const { settings, prefix, transaction, neighbour } = parts;
  const limits = { size: largestBatch(settings), depth: settings.body_depth + envelopeDepth };

  async function run(exchange: Exchange): Promise<Answer> {
    if (exchange.part !== undefined) throw recursion("path");
    const body = await readJson(exchange, [jsonType], limits);
    if (isUnasked(exchange.request)) throw unsupported([jsonType]);
    const payload = parseBatch(body?.value, { requests: settings.batch_max_requests, size: limits.size });
    exchange.batchSize = payload.requests.length;
    const urls = urlsOf(payload);
    const owners = neighbour === undefined ? [] : urls.map(neighbour);
    const [first] = owners;
    if (first !== undefined && owners.every((owner) => owner === first)) return forward(exchange, payload, urls, first);
    const isMixed = owners.some((owner) => owner !== undefined);
    if (isMixed && payload.atomic) throw mixed();

    const isSmall = body !== undefined && body.size * mostGrowth <= settings.body_limit;
    const steps = await prepare(exchange, payload, urls, isSmall);
    const isReading = payload.requests.every(({ method }) => reading.has(method));
    const work = () => perform(exchange, steps, payload.atomic, isMixed);
    try {
      return await (transaction === undefined || isReading || settings.readonly ? work() : transaction(work));
    } catch (error) {
      if (error instanceof TakenBack) return { ...error.answer, takenBack: true };
      throw error;
    }
  }

  /** Requests of a batch are often for the same path, or for a few. */
  function urlsOf({ requests }: BatchPayload): readonly string[] {
    const known = new Map<string, string>();
    return requests.map(({ path }) => {
      const url = known.get(path) ?? urlOf(path);
      known.set(path, url);
      return url;
    });
  }

  /** The version prefix is optional. */
  function urlOf(path: string): string {
    const url = encodedPath(path);
    return versioned.test(url) || exists(url.split("?", 1)[0] ?? "") || neighbour?.(url) !== undefined
      ? url
      : prefix + url;
  }

  function exists(path: string): boolean {
    try {
      return parts.exists(path);
    } catch {
      // Not valid UTF-8: the answer to the request says so.
      return false;
    }
  }

  /** A batch for one service behind the door is that service's, with its transaction. */
  function forward(
    exchange: Exchange,
    payload: BatchPayload,
    urls: readonly string[],
    owner: Neighbour,
  ): Promise<Answer> {
    const { request, requestId } = exchange;
    const bytes = encoder.encode(JSON.stringify(payload.withPaths(urls)));
    const headers = {
      "content-length": String(bytes.length),
      "transfer-encoding": undefined,
      "x-request-id": requestId,
    };
    return owner.handle(changedRequest(request, { headers, body: bytes }));
  }

  /**
   * Everything that needs no transaction is done before it begins: who calls may take the time of a password hash. Equal credentials
   * are looked at once.
   */
  async function prepare(
    exchange: Exchange,
    { requests }: BatchPayload,
    urls: readonly string[],
    isSmall: boolean,
  ): Promise<Step[]> {
    const inherited = inheritance(exchange.request, exchange.requestId, exchange.signal);
    const identities = new Map<string, Identity>();
    const steps: Step[] = [];
    for (const [index, item] of requests.entries()) {
      const url = urls[index] ?? "";
      const key = credentialsOf(item, url);
      let identity = identities.get(key);
      if (identity === undefined) {
        const asked = key === "" ? exchange.request : subRequest({ ...item, body: undefined }, url, inherited, {});
        identity = await identityOf(asked);
        identities.set(key, identity);
      }
      steps.push({ item, url, inherited, identity, isSmall });
    }
    const own = identities.get("");
    if (own?.principal !== undefined) exchange.principal = own.principal;
    return steps;
  }

  async function identityOf(request: HttpRequest): Promise<Identity> {
    try {
      return { principal: await parts.identify(request) };
    } catch (error) {
      return { error };
    }
  }

  async function perform(
    exchange: Exchange,
    steps: readonly Step[],
    isAtomic: boolean,
    isMixed: boolean,
  ): Promise<Answer> {
    const entries: SubResponse[] = [];
    let room = largestAnswer;
    for (const step of steps) {
      const { request, response, part } = await follow(exchange, step);
      // What is done at several services cannot be taken back: the answers say what became of each.
      // 507 is no failure of the service: it refuses what is too much, as a 413 does.
      if (response.status >= 500 && response.status !== 507 && !isMixed)
        throw new TakenBack(wholeFailure(exchange, request, response));
      const entry = await subResponse(request, response, {
        renderError: (error) => parts.renderError(error, exchange),
        room,
        vouched: part.vouched === response,
        signal: exchange.signal,
      });
      entries.push(entry);
      room -= entry.size;
      if (isAtomic && entry.status >= 400)
        throw new TakenBack(atomicFailure(exchange, steps, entries.length - 1, entry));
    }
    assertTime(exchange);
    return answerOf(entries);
  }

  /** Answers one request; where it was meant for another path, the one there. */
  async function follow(exchange: Exchange, { item, inherited, identity, isSmall, ...step }: Step) {
    let { url } = step;
    for (let hops = 0; ; hops++) {
      assertTime(exchange);
      const part: Part = {
        identify: (lenient) => principalOf(identity, lenient),
        vouched: undefined,
        content: undefined,
      };
      parts.known.set(part, part);
      const request = subRequest(item, url, inherited, part);
      // Where it was answered before, something may have been done with the value.
      if (item.isBodyOwn && item.body !== undefined && isSmall && hops === 0)
        part.content = { request, value: item.body };
      const response = await parts.handle(request);
      const { location } = response.headers;
      const isMoved = response.status === 307 || response.status === 308;
      if (!isMoved || typeof location !== "string" || !/^\/(?!\/)/.test(location) || hops === mostHops)
        return { request, response, part };
      url = location;
    }
  }

  /** An error of the service makes the whole batch fail with it. */
  function wholeFailure(exchange: Exchange, { method }: HttpRequest, { status, headers, body }: HttpResponse): Answer {
    const kept: Record<string, string | readonly string[]> = {};
    for (const name of ["content-type", "cache-control", "retry-after", "backoff"]) {
      const value = headers[name];
      if (value !== undefined) kept[name] = value;
    }
    if (typeof body === "string" && method !== "HEAD") {
      const errno = /"errno":(\d{1,9})/.exec(body)?.[1];
      exchange.errno = errno === undefined ? undefined : Number(errno);
      return { status, headers: kept, body };
    }
    if (body instanceof ReadableStream) body.cancel().catch(() => {});
    const kind = status === 503 ? "unavailable" : status === 504 ? "deadline-exceeded" : "internal";
    return parts.renderError(new ServiceError(kind), exchange);
  }

  function atomicFailure(exchange: Exchange, steps: readonly Step[], failed: number, entry: SubResponse): Answer {
    const undone = parts.renderError(new ServiceError("failed-dependency"), exchange);
    return answerOf(steps.map(({ url }, index) => (index === failed ? entry : errorEntry(url, undone))));
  }

  return {
    ...endpointDefaults,
    method: "POST",
    path: `${prefix}/batch`,
    name: "batch",
    declaredBy: "the built-in view batch",
    identify: false,
    run,
  };
}

/**
 * Without its media type a page of another site may send a body unasked, without a CORS preflight; inside a batch it would have any method and
 * headers.
 */
function isUnasked(request: HttpRequest): boolean {
  return request.header("content-type") === undefined && request.header("origin") !== undefined;
}

/** Largest body of a batch, in bytes. */
export function largestBatch(settings: Settings): number {
  return settings.batch_max_bytes ?? 4 * settings.body_limit;
}

interface Step {
  readonly item: BatchItem;
  readonly url: string;
  readonly inherited: Inheritance;
  readonly identity: Identity;
  /** No body of the batch can be larger than a request's may be. */
  readonly isSmall: boolean;
}

type Identity =
  | { readonly principal: Principal; readonly error?: undefined }
  | { readonly principal?: undefined; readonly error: unknown };

function principalOf({ principal, error }: Identity, lenient: boolean): Principal {
  if (principal !== undefined) return principal;
  if (lenient && ServiceError.is(error) && error.kind.status === 401) return anonymous;
  throw error;
}

/** Ends the transaction, with what is to be answered all the same. */
class TakenBack extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super("the batch is taken back");
    this.answer = answer;
  }
}

/** Nothing may become durable of which the client was told that it came too late. */
function assertTime({ signal }: Exchange): void {
  if (signal.aborted) throw new ServiceError("deadline-exceeded", { cause: signal.reason });
}

function answerOf(entries: readonly SubResponse[]): Answer {
  return {
    status: 200,
    headers: { "content-type": jsonType, "cache-control": "no-cache, no-store" },
    body: `{"responses":[${entries.map(({ json }) => json).join(",")}]}`,
  };
}

function mixed(): ServiceError {
  return invalid({
    location: "body",
    name: "atomic",
    description: "The requests of an atomic batch must all be for the same service",
    code: "several-services",
  });
}

/** How much longer a JSON text may become when it is parsed and written again: `1e20` has 21 digits. */
const mostGrowth = 6;
/** `{"requests":[{"body": …}]}` around each body. */
const envelopeDepth = 3;
const mostHops = 4;
const versioned = /^\/v\d+(?:[/?]|$)/;
/** Nothing of a batch of these can be taken back. */
const reading: ReadonlySet<string> = new Set(["GET", "HEAD", "QUERY", "TRACE"]);
const encoder = new TextEncoder();
