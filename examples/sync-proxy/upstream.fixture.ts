/** A small upstream: enough of Firefox Sync storage 1.5 for the proxy to be tested against. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Bso } from "./translate.ts";

export interface FakeUpstream {
  readonly url: string;
  readonly collections: Map<string, Map<string, Bso>>;
  /** Answers the next request with this status and these headers instead. */
  failNext(status: number, headers?: Readonly<Record<string, string>>): void;
  close(): Promise<void>;
}

export async function startUpstream(): Promise<FakeUpstream> {
  const collections = new Map<string, Map<string, Bso>>();
  let failure: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | undefined;
  let now = 1_700_000_000;

  const answer = (response: ServerResponse, status: number, body?: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://upstream");
    if (failure !== undefined) {
      const { status, headers } = failure;
      failure = undefined;
      return answer(response, status, 0, headers);
    }
    if (request.headers.authorization !== "Hawk good") return answer(response, 401, 0);
    const [, , name = "", id] = pathname.split("/");
    const bsos = collections.get(name) ?? new Map<string, Bso>();
    const modified = Math.max(0, ...[...bsos.values()].map((bso) => bso.modified));
    const current = id === undefined ? modified : bsos.get(id)?.modified;
    const since = request.headers["x-if-modified-since"];
    const until = request.headers["x-if-unmodified-since"];
    if (until !== undefined && (current ?? 0) > Number(until)) return answer(response, 412, 0, stamp(current ?? 0));
    if (request.method === "PUT" && id !== undefined) {
      let text = "";
      for await (const chunk of request) text += chunk;
      now += 1.5;
      bsos.set(id, { ...JSON.parse(text), id, modified: now });
      collections.set(name, bsos);
      return answer(response, 200, now, stamp(now));
    }
    if (current === undefined) return answer(response, 404, 0);
    if (request.method === "DELETE" && id !== undefined) {
      bsos.delete(id);
      return answer(response, 200, { modified: now }, stamp(now));
    }
    if (since !== undefined && current <= Number(since)) return answer(response, 304, undefined, stamp(current));
    if (id !== undefined) return answer(response, 200, bsos.get(id), stamp(current));
    listed(response, [...bsos.values()], searchParams, modified);
  }

  function listed(response: ServerResponse, all: readonly Bso[], query: URLSearchParams, modified: number): void {
    const ids = query.get("ids")?.split(",");
    const newer = Number(query.get("newer") ?? 0);
    const found = all
      .filter((bso) => bso.modified > newer && (ids === undefined || ids.includes(bso.id)))
      .sort((a, b) => (query.get("sort") === "oldest" ? a.modified - b.modified : b.modified - a.modified));
    const offset = Number(query.get("offset") ?? 0);
    const end = offset + Number(query.get("limit") ?? found.length);
    answer(response, 200, found.slice(offset, end), {
      ...stamp(modified),
      "x-weave-records": String(found.length),
      "x-weave-quota-remaining": "512",
      ...(end < found.length ? { "x-weave-next-offset": String(end) } : {}),
    });
  }

  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    collections,
    failNext: (status, headers = {}) => {
      failure = { status, headers };
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function stamp(modified: number): Record<string, string> {
  return { "x-last-modified": modified.toFixed(2) };
}
