/**
 * Lists asked for changes since before a purge of their tombstones: answered whole. Offline clients of Kinto know no error for this and would
 * fail for ever; given everything they go on, or, where there is nothing left, take it for the sign of a server that lost everything, as they
 * do with Kinto itself.
 */
import { changedRequest, type HttpRequest, type HttpResponse, type Interceptor } from "rouage";
import type { KintoPlugin } from "./kinto-plugin.ts";

/** Always on. */
export const forgottenDeletions: KintoPlugin = {
  includes: [],
  isOn: () => true,

  create: () => ({
    plugin: {
      name: "forgotten-deletions",
      intercept: () => Object.assign(sinceOrWhole, { concerns: ({ url }: HttpRequest) => url.includes("_since") }),
    },
  }),
};

async function sinceOrWhole(request: HttpRequest, next: Parameters<Interceptor>[1]): Promise<HttpResponse> {
  const response = await next(request);
  if (response.status !== 410 || !isHistoryPurged(response)) return response;
  if ((request.method !== "GET" && request.method !== "HEAD") || isStream(request.header("accept"))) return response;
  const url = withoutSince(request.url);
  if (url === request.url) return response;
  const whole = await next(changedRequest(request, { url }));
  // What this is an answer to, RFC 9110 §8.7: whoever looks sees that `_since` has been left out.
  return { ...whole, headers: { ...whole.headers, "content-location": url } };
}

function isHistoryPurged({ headers, body }: HttpResponse): boolean {
  // HEAD has no body to look at; the other 410, the end of the service, has an alert.
  return typeof body === "string" ? body.includes('"errno":204') : headers.alert === undefined;
}

function isStream(accept: string | undefined): boolean {
  return accept?.includes("text/event-stream") === true;
}

function withoutSince(url: string): string {
  const [path = "", search = ""] = url.split("?", 2);
  const kept = search.split("&").filter((pair) => pair !== "" && !/^_since(=|$)/.test(pair));
  return kept.length === 0 ? path : `${path}?${kept.join("&")}`;
}
