/** What answers of the feed have in common: redirections of who was away for long, revisions, how long they may be kept. */
import { type HttpRequest, type Reply, type RouteContext, reply } from "rouage";
import type { ChangesSettings } from "./changes-settings.ts";

type Request = Pick<RouteContext<unknown, unknown, unknown>, "request" | "clock">;

/** `"123"` or `123`; undefined for everything else. */
export function revisionOf(text: string | undefined): number | undefined {
  const digits = /^"?(\d{1,16})"?$/.exec(text ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function revisionHeaders(revision: number): Readonly<Record<string, string>> {
  return {
    "content-type": "application/json",
    "cache-control": "no-cache, no-store",
    "last-modified": new Date(revision).toUTCString(),
  };
}

/**
 * Who was away for long is sent to the whole list, one answer for all of them; who knows more than is expected has nothing to read.
 * Undefined: the list answers.
 */
export function insteadOfList(
  { request, clock }: Request,
  { since, expected }: { readonly since: number | undefined; readonly expected: number | undefined },
  { sinceMaxAgeMs, redirectOrigin, redirectSeconds }: ChangesSettings,
): Reply | undefined {
  if (since === undefined) return undefined;
  if (sinceMaxAgeMs !== undefined && since < clock.now() - sinceMaxAgeMs) {
    const location = `${redirectOrigin ?? request.origin}${withoutSince(request)}`;
    return keptFor(reply(307, undefined, { location }), redirectSeconds, clock.now());
  }
  // 0 says that any will do.
  return expected !== undefined && expected > 0 && expected < since ? reply(204) : undefined;
}

/** The answer with what lets caches keep it, where there are seconds to keep it for. */
export function keptFor(answer: Reply, seconds: number | undefined, now: number): Reply {
  if (seconds === undefined) return answer;
  const expires = new Date(now + seconds * 1000).toUTCString();
  return { ...answer, headers: { ...answer.headers, "cache-control": `max-age=${seconds}`, expires } };
}

function withoutSince({ url }: HttpRequest): string {
  const [path = "", search = ""] = url.split("?", 2);
  const kept = search.split("&").filter((pair) => pair !== "" && !/^_since(=|$)/.test(pair));
  return kept.length === 0 ? path : `${path}?${kept.join("&")}`;
}
