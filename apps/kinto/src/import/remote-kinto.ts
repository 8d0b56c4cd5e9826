/** A running Kinto asked over its API, politely: it waits where the server asks for it, tries again what may succeed, and takes nothing larger than it expects. */
import { setTimeout as delay } from "node:timers/promises";
import type { JsonObject } from "rouage";

export interface RemoteKinto {
  /** Asks for a path below the version, such as `/buckets`. @throws RemoteError */
  get(path: string): Promise<RemoteAnswer>;
  head(path: string): Promise<RemoteAnswer>;
  /** Several paths in one request, with answers in their order. @throws RemoteError */
  batch(paths: readonly string[]): Promise<readonly BatchedAnswer[]>;
  /** All pages of a list, one after the other, each with the list's revision. @throws RemoteError */
  pages(path: string): AsyncIterable<{ readonly data: readonly JsonObject[]; readonly revision: number | undefined }>;
}

export interface RemoteAnswer {
  readonly headers: Headers;
  readonly body: JsonObject;
}

export interface BatchedAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

export interface RemoteOptions {
  /** With its version: `https://kinto.example/v1`. */
  readonly url: string;
  /** The whole header `Authorization`. */
  readonly authorization?: string | undefined;
  readonly signal: AbortSignal;
  /** Waits; for tests. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** The server refused, or can't be understood or reached. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  /** Undefined where there was no answer. */
  readonly status: number | undefined;
  constructor(message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

const largestAnswer = 64 * 1024 * 1024;
const timeoutMs = 60_000;
/** Tries of one request, and the longest wait between two of them, whatever the server asks for. */
const attempts = 6;
const longestWaitMs = 300_000;
const retried = new Set([429, 500, 502, 503, 504]);

/** @throws RemoteError where the URL is none */
export function remoteKinto({ url, authorization, signal, wait = sleep }: RemoteOptions): RemoteKinto {
  const base = baseOf(url);
  const headers = {
    accept: "application/json",
    ...(authorization !== undefined && { authorization }),
  };
  /** Milliseconds that the server asked for ahead of the next request. */
  let backoff = 0;

  async function ask(method: string, path: string, body?: string): Promise<RemoteAnswer> {
    for (let attempt = 1; ; attempt++) {
      if (backoff > 0) await wait(backoff, signal);
      backoff = 0;
      try {
        return await once(method, path, body);
      } catch (error) {
        signal.throwIfAborted();
        const known = error instanceof RemoteError ? error : unreachable(error);
        const mayRetry = known.status === undefined || retried.has(known.status);
        if (!mayRetry || attempt >= attempts) throw known;
        backoff = Math.max(backoff, 500 * 2 ** (attempt - 1));
      }
    }
  }

  async function once(method: string, path: string, body: string | undefined): Promise<RemoteAnswer> {
    const response = await fetch(base + path, {
      method,
      headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    backoff = Math.max(seconds(response.headers.get("backoff")), seconds(response.headers.get("retry-after")));
    const text = await textOf(response);
    if (!response.ok)
      throw new RemoteError(`${method} ${path}: ${response.status} ${messageOf(text)}`, response.status);
    return { headers: response.headers, body: text === "" ? {} : jsonOf(text, path) };
  }

  return {
    get: (path) => ask("GET", path),
    head: (path) => ask("HEAD", path),

    async batch(paths) {
      const requests = paths.map((path) => ({ method: "GET", path }));
      const { body } = await ask("POST", "/batch", JSON.stringify({ requests }));
      const { responses } = body;
      if (!Array.isArray(responses) || responses.length !== paths.length || !responses.every(isObject))
        throw new RemoteError("POST /batch: as many answers as requests were expected");
      return responses as unknown as readonly BatchedAnswer[];
    },

    async *pages(path) {
      const seen = new Set<string>();
      for (let next: string | undefined = path; next !== undefined; ) {
        if (seen.has(next)) throw new RemoteError(`${path}: the next page is one that was read before`);
        seen.add(next);
        const answer: RemoteAnswer = await ask("GET", next);
        const data = answer.body.data as unknown as readonly JsonObject[];
        if (!Array.isArray(data) || !data.every(isObject)) throw new RemoteError(`${path}: the answer is no list`);
        yield { data, revision: revisionOf(answer.headers) };
        next = nextPathOf(answer.headers.get("next-page"));
      }
    },
  };
}

/** Without a slash at the end; a URL without a version means version 1. */
function baseOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username !== "" || parsed.search !== "")
    throw new RemoteError("the URL of the server is expected, such as https://kinto.example/v1, without credentials");
  const base = parsed.href.replace(/\/+$/, "");
  return /\/v\d+$/.test(base) ? base : `${base}/v1`;
}

/** The part below the version: behind a proxy, servers name themselves in ways that can't be reached from here, and credentials are for no other. */
function nextPathOf(url: string | null): string | undefined {
  if (url === null) return undefined;
  const [, below] = /^https?:\/\/[^/]+\/(?:.*\/)?v\d+(\/.*)$/.exec(url) ?? [];
  if (below === undefined) throw new RemoteError(`Next-Page is no URL below the version: ${url}`);
  return below;
}

function revisionOf(headers: Headers): number | undefined {
  const digits = /^"?(\d{1,16})"?$/.exec(headers.get("etag") ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function seconds(value: string | null): number {
  const number = Number(value ?? 0);
  return Number.isFinite(number) && number > 0 ? Math.min(number * 1000, longestWaitMs) : 0;
}

async function textOf(response: Response): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > largestAnswer) throw new RemoteError(`an answer is larger than ${largestAnswer} bytes`, response.status);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function jsonOf(text: string, path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RemoteError(`${path}: the answer is not JSON`, 200, error);
  }
  if (!isObject(value)) throw new RemoteError(`${path}: the answer is no object`, 200);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function messageOf(text: string): string {
  try {
    const { error, message } = JSON.parse(text);
    return String(message ?? error ?? "");
  } catch {
    return "";
  }
}

function unreachable(error: unknown): RemoteError {
  const { cause } = error as { readonly cause?: { readonly code?: string } };
  const reason = cause?.code ?? (error instanceof Error ? error.message : String(error));
  return new RemoteError(`the server can't be reached: ${reason}`, undefined, error);
}

const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> => delay(milliseconds, undefined, { signal });
