/** The API as the pages use it: calls on behalf of the signed-in person, answers as data or as one kind of failure. */
import type { TraceContext } from "rouage";
import type { ServiceCall, ServiceName } from "../shared/client.ts";

export interface ApiViolation {
  readonly name: string;
  readonly code: string;
  readonly description: string;
}

/** An answer of the API that is not a success. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, body: unknown, retryAfterSeconds?: number) {
    super(`The API answered ${status}`);
    this.status = status;
    this.body = isRecord(body) ? body : {};
    this.retryAfterSeconds = retryAfterSeconds;
  }

  get details(): Readonly<Record<string, unknown>> {
    return isRecord(this.body.details) ? this.body.details : {};
  }

  /** What is wrong with which field, when the API said so. */
  get violations(): readonly ApiViolation[] {
    const { details } = this.body;
    if (!Array.isArray(details)) return [];
    return details.filter(isRecord).map((detail) => ({
      name: typeof detail.name === "string" ? detail.name : "",
      code: typeof detail.code === "string" ? detail.code : "",
      description: typeof detail.description === "string" ? detail.description : "",
    }));
  }
}

/** What was read, with what is needed to change it or to read on. */
export interface Reading<T> {
  readonly data: T;
  readonly etag: string | undefined;
  /** Token of the next page of a list. */
  readonly next: string | undefined;
}

export interface Api {
  /** The body of a successful answer. @throws ApiFailure */
  request(
    service: ServiceName,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<unknown>;
  /** A GET with its entity tag and the token of its next page. @throws ApiFailure */
  read<T>(service: ServiceName, path: string): Promise<Reading<T>>;
  /** The `data` of a successful answer, trusted to have the type its service promises. @throws ApiFailure */
  data<T>(service: ServiceName, method: string, path: string, body?: unknown): Promise<T>;
  /** Like `data`, undefined for a 404. */
  find<T>(service: ServiceName, path: string): Promise<T | undefined>;
}

export interface ApiCaller {
  readonly call: ServiceCall;
  /** The person's own token; absent: the pages' service token. */
  readonly accessToken?: string | undefined;
  readonly signal: AbortSignal;
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
  /** Network address of the person, for limits on tries. */
  readonly address?: string | undefined;
}

export function api({ call, accessToken, signal, requestId, trace, address }: ApiCaller): Api {
  const send = async (
    service: ServiceName,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => {
    const answer = await call(service, method, path, {
      signal,
      requestId,
      trace,
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
      ...(address === undefined ? {} : { address }),
      ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
    });
    if (answer.status >= 400) throw new ApiFailure(answer.status, answer.body, retryAfter(answer.headers));
    return answer;
  };
  const request: Api["request"] = async (...args) => (await send(...args)).body;
  const read: Api["read"] = async <T>(service: ServiceName, path: string) => {
    const { body, headers } = await send(service, "GET", path);
    return { data: dataOf(body) as T, etag: headers.etag, next: nextToken(headers["next-page"]) };
  };
  const data = async <T>(service: ServiceName, method: string, path: string, body?: unknown): Promise<T> => {
    return dataOf(await request(service, method, path, body)) as T;
  };
  const find = async <T>(service: ServiceName, path: string): Promise<T | undefined> => {
    try {
      return await data<T>(service, "GET", path);
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 404) return undefined;
      throw error;
    }
  };
  return { request, read, data, find };
}

function dataOf(body: unknown): unknown {
  return isRecord(body) && "data" in body ? body.data : body;
}

function nextToken(link: string | undefined): string | undefined {
  return link === undefined || !URL.canParse(link)
    ? undefined
    : (new URL(link).searchParams.get("_token") ?? undefined);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function retryAfter({ "retry-after": value }: Readonly<Record<string, string>>): number | undefined {
  const seconds = Number(value ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
