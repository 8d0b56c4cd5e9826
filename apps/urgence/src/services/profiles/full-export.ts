/** Everything the system holds about a person in one document: what is here, and what the other services answer the person. */
import type { Logger, TraceContext } from "rouage";
import type { ServiceCall, ServiceName } from "../../shared/client.ts";

/** A part that could not be fetched, named so that nobody takes the document for complete. */
export interface MissingPart {
  readonly part: string;
  readonly reason: string;
}

export interface ElsewhereOptions {
  readonly call: ServiceCall;
  /** The person's own credentials: each service decides itself what they may see. */
  readonly authorization: string;
  readonly signal: AbortSignal;
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
  readonly log: Logger;
}

const parts: readonly { part: string; service: ServiceName; path: string }[] = [
  { part: "account", service: "accounts", path: "/v1/me" },
  { part: "sessions", service: "accounts", path: "/v1/me/sessions" },
  { part: "positions", service: "positions", path: "/v1/me/positions" },
  { part: "access_log", service: "access", path: "/v1/me/access-log" },
];

/** More pages than any person fills. */
const maxPages = 200;

/** What the other services hold, each part whole or named as missing. */
export async function collectElsewhere(options: ElsewhereOptions): Promise<{
  readonly parts: Readonly<Record<string, unknown>>;
  readonly missing: readonly MissingPart[];
}> {
  const missing: MissingPart[] = [];
  const entries = await Promise.all(
    parts.map(async ({ part, service, path }) => {
      try {
        return [part, await readAll(service, path, options)] as const;
      } catch (error) {
        options.log.warn({ part, error: String(error) }, "a part of an export could not be fetched");
        missing.push({ part, reason: `the service ${service} did not give it (${reasonOf(error)}); please try again` });
        return undefined;
      }
    }),
  );
  return { parts: Object.fromEntries(entries.filter((entry) => entry !== undefined)), missing };
}

class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}

/** `data` of the answer; of lists all pages, by the `Next-Page` header. */
async function readAll(service: ServiceName, path: string, options: ElsewhereOptions): Promise<unknown> {
  const { call, authorization, signal, requestId, trace } = options;
  const collected: unknown[] = [];
  let next: string | undefined = path;
  for (let page = 0; next !== undefined; page += 1) {
    if (page === maxPages) throw new Error("more pages than can be read");
    const { status, body, headers } = await call(service, "GET", next, { authorization, signal, requestId, trace });
    if (status !== 200) throw new Refused(status);
    const data = typeof body === "object" && body !== null && "data" in body ? body.data : body;
    if (!Array.isArray(data)) return data;
    collected.push(...data);
    const link: string | undefined = headers["next-page"];
    if (link === undefined) break;
    const { pathname, search } = new URL(link, "http://service.internal");
    next = pathname + search;
  }
  return collected;
}

const reasonOf = (error: unknown) => (error instanceof Refused ? error.message : "it did not answer");
