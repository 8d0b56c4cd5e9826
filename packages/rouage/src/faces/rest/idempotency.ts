/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) on POST and PATCH: a request that is repeated with its key is done
 * once, and its answer given again. Knows no storage: where answers are kept is handed in.
 */
import { changedRequest } from "../../changed-request.ts";
import { invalid, ServiceError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import type { Principal } from "../../principal.ts";
import type { Answer, Endpoint, Exchange } from "./exchange.ts";
import { fingerprintOf, type KeptAnswer, type Locked, lockFor, open, seal } from "./kept-answer.ts";

/** Where answers are kept, and how a request and its answer are kept in one step. */
export interface IdempotencyStore {
  /** What is kept under this id and is not too old. */
  find(id: string): Promise<string | undefined>;
  /** Keeps a text; false when somebody else has kept one under the id. Joins the transaction that it is called in. */
  keep(id: string, text: string): Promise<boolean>;
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** Takes the id for the request under way; false: another request has it. */
  claim(id: string): boolean | Promise<boolean>;
  release(id: string): void | Promise<void>;
}

export interface IdempotencyParts {
  /** Absent: keys are ignored. */
  readonly store: IdempotencyStore | undefined;
  /** Largest body, in bytes, of a request and of an answer that is kept. */
  readonly bodyLimit: number;
  /** The caller where the endpoint does not ask. */
  identify(request: HttpRequest): Principal | Promise<Principal>;
  /** The answer to a refusal, as it would be sent. */
  refusal(exchange: Exchange, error: ServiceError): Answer;
}

/**
 * How far the endpoint's work and the keeping of its answer are one step. `atomic`: one transaction of the storage. `after`: the answer is
 * kept when the work is done, for handlers that may wait for others; between the two a crash is possible, and then a repetition is
 * done again.
 */
export type IdempotencyMode = "atomic" | "after";

export interface Idempotency {
  /** The endpoint, honouring keys; as it is where there is no store. */
  honouring(endpoint: Endpoint, mode: IdempotencyMode, bodyLimit?: number): Endpoint;
}

export function createIdempotency({ store, identify, refusal, ...parts }: IdempotencyParts): Idempotency {
  async function once(
    kept: IdempotencyStore,
    exchange: Exchange,
    key: string,
    {
      mode,
      limit,
      work,
    }: { readonly mode: IdempotencyMode; readonly limit: number; readonly work: () => Promise<Answer> },
  ): Promise<Answer> {
    const { request } = exchange;
    const principal = exchange.endpoint?.identify === false ? await identify(request) : exchange.principal;
    const lock = lockFor([callerOf(principal, request), request.method, exchange.path, key]);
    // Before anything is claimed or begun: a body takes as long as its sender likes.
    const bytes = await exchange.body(limit);
    const fingerprint = fingerprintOf(request, exchange.search, bytes);
    exchange.request = changedRequest(request, { body: bytes });
    if (!(await kept.claim(lock.id))) throw new ServiceError("key-in-use");
    try {
      const found = await kept.find(lock.id);
      if (found !== undefined) return again(exchange, lock, found, fingerprint);
      const keep = async (answer: Answer): Promise<boolean> =>
        !isKept(answer, principal) || kept.keep(lock.id, seal(lock, keptOf(answer, fingerprint, parts.bodyLimit)));
      if (mode === "atomic") return await atomically(kept, () => attempt(exchange, work), keep);
      const answer = await attempt(exchange, work);
      await keep(answer);
      return answer;
    } finally {
      await kept.release(lock.id);
    }
  }

  /** In one transaction; what was taken back inside is taken back here too, and its answer kept by itself. */
  async function atomically(
    kept: IdempotencyStore,
    work: () => Promise<Answer>,
    keep: (answer: Answer) => Promise<boolean>,
  ): Promise<Answer> {
    let undone: Answer | undefined;
    try {
      return await kept.transaction(async () => {
        const answer = await work();
        if (answer.takenBack === true) {
          undone = answer;
          throw new ServiceError("failed-dependency");
        }
        // Another instance did the same at the same time: what was done here goes with this error.
        if (!(await keep(answer))) throw new ServiceError("key-in-use");
        return answer;
      });
    } catch (error) {
      if (undone === undefined) throw error;
      await keep(undone);
      return undone;
    }
  }

  function again(exchange: Exchange, lock: Locked, text: string, fingerprint: string): Answer {
    const kept = open(lock, text);
    if (kept.fingerprint !== fingerprint) throw new ServiceError("key-reused");
    if (kept.kind === "too-large")
      throw new ServiceError("key-reused", {
        message: "The request with this Idempotency-Key was done, and its answer was too large to be kept.",
      });
    exchange.further = { ...exchange.further, "idempotent-replayed": "true" };
    const { status, headers, body } = kept;
    return body === undefined ? { status, headers } : { status, headers, body };
  }

  /** A refusal is an answer like any other; what failed here is not, and what was written with it is taken back. */
  async function attempt(exchange: Exchange, work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      if (!ServiceError.is(error) || error.kind.status >= 500) throw error;
      const answer = refusal(exchange, error);
      if (!isFinal(answer)) throw error;
      return answer;
    }
  }

  return {
    honouring(endpoint, mode, limit = parts.bodyLimit) {
      if (store === undefined || !methods.has(endpoint.method)) return endpoint;
      const { run } = endpoint;
      return {
        ...endpoint,
        run(exchange, params) {
          const header = exchange.request.header("idempotency-key");
          if (header === undefined) return run(exchange, params);
          const work = async (): Promise<Answer> => run(exchange, params);
          return once(store, exchange, keyOf(header), { mode, limit, work });
        },
      };
    },
  };
}

const methods: ReadonlySet<string> = new Set(["POST", "PATCH"]);

/** Who is not known is told apart by address; addresses that are not known are one. */
function callerOf({ id }: Principal, { peer }: HttpRequest): string {
  return id === undefined ? `address ${peer ?? "unknown"}` : `principal ${id}`;
}

/** Who is not known and refused has written nothing, and shall not fill the store with refusals. */
function isKept(answer: Answer, { id }: Principal): boolean {
  return isFinal(answer) && (id !== undefined || answer.status < 400);
}

/** Failures of the service, and answers that say when to come back, are not kept: a repetition may fare better. */
function isFinal({ status, headers }: Answer): boolean {
  return status < 500 && headers["retry-after"] === undefined;
}

function keptOf({ status, headers, body }: Answer, fingerprint: string, limit: number): KeptAnswer {
  if (body instanceof ReadableStream) return { kind: "too-large", fingerprint };
  const size = typeof body === "string" ? body.length : (body?.byteLength ?? 0);
  if (size > limit) return { kind: "too-large", fingerprint };
  return { kind: "answer", fingerprint, status, headers, body };
}

/** A string of structured fields (RFC 9651 §3.3.3), or the same without quotes, as many clients send it. @throws ServiceError `invalid-parameters` */
export function keyOf(header: string): string {
  const [, quoted, bare] = /^(?:"((?:[ !#-[\]-~]|\\["\\])*)"|([!#-+\--:<-[\]-~]+))$/.exec(header) ?? [];
  const key = quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "";
  if (key.length >= 1 && key.length <= longestKey) return key;
  throw invalid({
    location: "header",
    name: "Idempotency-Key",
    description: `Idempotency-Key must be a string of 1 to ${longestKey} ASCII characters in double quotes`,
    code: "invalid-key",
  });
}

const longestKey = 255;
