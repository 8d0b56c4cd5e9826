/** What the endpoints of one resource answer: results become heads and bodies, with the stored JSON spliced in. */
import { invalid } from "../../errors.ts";
import type { DeleteListResult, GetResult, ListResult, Target, WriteResult } from "../../operations/operations.ts";
import type { Resource } from "../../resource.ts";
import type { Settings } from "../../settings.ts";
import { jsonType } from "./body.ts";
import { envelopeWriter } from "./envelope.ts";
import type { Answer, Exchange } from "./exchange.ts";
import type { StaticHeaders } from "./headers.ts";
import type { Nonces } from "./nonces.ts";
import { at } from "./object-query.ts";
import { encodePageToken } from "./page-token.ts";

export interface ResourceAnswerParts {
  readonly cacheSeconds: Resource["options"]["cacheSeconds"];
  readonly settings: Settings;
  readonly nonces: Nonces;
  readonly httpDate: (milliseconds: number) => string;
}

type Written = Pick<WriteResult, "kind" | "revision" | "json" | "permissions">;
type Next = NonNullable<DeleteListResult["next"]>;

export interface ResourceAnswers {
  list(exchange: Exchange, target: Target, result: ListResult): Promise<Answer>;
  object(exchange: Exchange, target: Target, result: GetResult): Answer | Promise<Answer>;
  /** @param location path of what was made */
  write(result: Written, location?: string): Answer;
  deletion(exchange: Exchange, result: DeleteListResult): Promise<Answer>;
  /** What is no object and has no revision. */
  explanation(value: object): Answer;
}

export function resourceAnswers({ cacheSeconds, settings, nonces, httpDate }: ResourceAnswerParts): ResourceAnswers {
  const enveloped = envelopeWriter();

  /** Caching is for what everybody sees. A cache on the way must not answer somebody signed in from it. */
  const cachedFor = (exchange: Exchange, seconds: number | undefined): Readonly<Record<string, string>> =>
    seconds === undefined || exchange.principal.id !== undefined
      ? uncachedHeaders
      : {
          "cache-control": `max-age=${seconds}`,
          expires: httpDate(exchange.clock.now() + seconds * 1000),
          vary: "Authorization, Cookie",
        };
  const caching = (exchange: Exchange, target: Target): StaticHeaders | Promise<StaticHeaders> => {
    if (cacheSeconds === undefined || exchange.principal.id !== undefined) return uncachedHeaders;
    if (typeof cacheSeconds === "number") return cachedFor(exchange, cacheSeconds);
    const seconds = cacheSeconds(target, exchange.context());
    return seconds instanceof Promise
      ? seconds.then((known) => cachedFor(exchange, known))
      : cachedFor(exchange, seconds);
  };

  const validators = (revision: number) => ({ etag: `"${revision}"`, "last-modified": httpDate(revision) });
  const nextPage = (exchange: Exchange, { sort, after, limit }: Next) => {
    const token = encodePageToken(sort, after);
    if (token === undefined)
      throw invalid(at("querystring", "_sort", "_sort has values too long to continue behind them", "too-long"));
    return { "next-page": nextPageOf(exchange, settings, limit, token) };
  };
  /** What was deleted does not come back: without a token the same request continues as well. */
  const nextDeletion = async (exchange: Exchange, { sort, after, limit }: Next) => ({
    "next-page": nextPageOf(exchange, settings, limit, encodePageToken(sort, after, await nonces.issue())),
  });

  async function listAnswer(exchange: Exchange, target: Target, result: ListResult): Promise<Answer> {
    const cached = caching(exchange, target);
    const kept = cached instanceof Promise ? await cached : cached;
    if (result.kind === "not-modified") return { status: 304, headers: { ...validators(result.revision), ...kept } };
    const total = result.total === undefined ? undefined : String(result.total);
    return {
      status: 200,
      headers: {
        "content-type": jsonType,
        "accept-query": jsonType,
        ...kept,
        ...validators(result.revision),
        ...(result.next === undefined ? {} : nextPage(exchange, result.next)),
        ...(total === undefined ? {} : { "total-objects": total, "total-records": total }),
      },
      body: `{"data":[${result.items.join(",")}]}`,
    };
  }

  function objectAnswer(result: GetResult): Answer {
    if (result.kind === "not-modified")
      return {
        status: 304,
        headers: {
          etag: `"${result.revision}"`,
          "last-modified": httpDate(result.revision),
          "cache-control": uncached,
        },
      };
    return {
      status: 200,
      headers: {
        "content-type": jsonType,
        etag: `"${result.revision}"`,
        "last-modified": httpDate(result.revision),
        "cache-control": uncached,
      },
      body: enveloped(result.json, result.permissions),
    };
  }

  function cachedAnswer(exchange: Exchange, target: Target, result: GetResult): Answer | Promise<Answer> {
    const answer = objectAnswer(result);
    if (cacheSeconds === undefined || exchange.principal.id !== undefined) return answer;
    const cached = caching(exchange, target);
    const withHeaders = (kept: StaticHeaders): Answer => ({ ...answer, headers: { ...answer.headers, ...kept } });
    return cached instanceof Promise ? cached.then(withHeaders) : withHeaders(cached);
  }

  function writeAnswer(
    { kind, revision, json, permissions }: Pick<WriteResult, "kind" | "revision" | "json" | "permissions">,
    location?: string,
  ): Answer {
    return {
      status: kind === "created" ? 201 : 200,
      headers: {
        "content-type": jsonType,
        "cache-control": uncached,
        ...validators(revision),
        ...(location === undefined ? {} : { location }),
      },
      body: enveloped(json, permissions),
    };
  }

  return {
    list: listAnswer,
    object: cachedAnswer,
    write: writeAnswer,
    async deletion(exchange, { revision, items, next }) {
      return {
        status: 200,
        headers: {
          "content-type": jsonType,
          "cache-control": uncached,
          ...validators(revision),
          ...(next === undefined ? {} : await nextDeletion(exchange, next)),
        },
        body: `{"data":[${items.join(",")}]}`,
      };
    },
    explanation: (value) => ({
      status: 200,
      headers: { "content-type": jsonType, "cache-control": uncached },
      body: `{"data":${JSON.stringify(value)}}`,
    }),
  };
}

const uncached = "no-cache, no-store";
const uncachedHeaders: StaticHeaders = Object.freeze({ "cache-control": uncached });

/** The original query with where to continue; other parameters stay as they were written. */
function nextPageOf(exchange: Exchange, settings: Settings, limit: number, token: string | undefined): string {
  const kept = exchange.search.split("&").filter((pair) => pair !== "" && !/^(_limit|_token)(=|$)/.test(pair));
  const origin = settings.public_origin ?? exchange.request.origin;
  return `${origin}${exchange.path}?${[...kept, `_limit=${limit}`, ...(token === undefined ? [] : [`_token=${token}`])].join("&")}`;
}
