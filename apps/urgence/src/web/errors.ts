/** Error pages: what happened, what to do, and a reference to ask with. Never anything from inside. */
import type { HttpRequest, HttpResponse } from "rouage";
import { linkButton } from "./components.ts";
import { cookieJar, parseCookies } from "./cookies.ts";
import { empty, html } from "./html.ts";
import type { Dictionary } from "./i18n/dictionary.ts";
import { chooseLanguage, dictionaries } from "./language.ts";
import { layout, type View } from "./layout.ts";
import { personalHeaders } from "./security.ts";

export interface ErrorPage {
  readonly status: number;
  readonly requestId: string;
  readonly title?: string;
  readonly text?: string;
  /** Seconds to wait before the next try. */
  readonly wait?: number | undefined;
  readonly link?: { readonly href: string; readonly label: string };
}

export function errorView(t: Dictionary, { status, requestId, title, text, wait, link }: ErrorPage): View {
  const words = t.errors[wordsFor(status)];
  const heading = title ?? words.title;
  return {
    status,
    title: heading,
    width: "narrow",
    body: html`<h1>${heading}</h1>
<p class="lead">${text ?? words.text}</p>
${wait === undefined ? empty : html`<p><strong>${t.errors.wait(Math.max(1, Math.ceil(wait)))}</strong></p>`}
<p>${linkButton(link?.href ?? "/", link?.label ?? t.errors.home)}</p>
<p class="muted small">${t.errors.requestId} <code>${requestId}</code></p>`,
  };
}

function wordsFor(status: number): "400" | "403" | "404" | "405" | "413" | "429" | "500" | "503" {
  if (status === 401 || status === 403) return "403";
  if (status === 404 || status === 410) return "404";
  if (status === 405) return "405";
  if (status === 413 || status === 414) return "413";
  if (status === 429) return "429";
  if (status === 503 || status === 504) return "503";
  return status >= 500 ? "500" : "400";
}

/**
 * The same error as a page when a browser asked for one: for the door in front of all services, where an unknown address or a
 * shed request never reaches a page.
 */
export function friendlyError(request: HttpRequest, response: HttpResponse): HttpResponse {
  if (response.status < 400 || !wantsPage(request)) return response;
  if (!String(response.headers["content-type"] ?? "").startsWith("application/json")) return response;
  const cookies = parseCookies(request.header("cookie"));
  const query = new URLSearchParams(request.url.split("?", 2)[1] ?? "").get("lang") ?? undefined;
  const cookie = cookies.get(cookieJar(true).name("lang")) ?? cookies.get("lang");
  const language = chooseLanguage({ query, cookie, acceptLanguage: request.header("accept-language") });
  const t = dictionaries[language];
  const retryAfter = Number(response.headers["retry-after"] ?? Number.NaN);
  const wait = Number.isFinite(retryAfter) ? retryAfter : undefined;
  const requestId = String(response.headers["x-request-id"] ?? request.header("x-request-id") ?? "–");
  const view = errorView(t, { status: response.status, requestId, wait });
  const { "content-length": _, ...headers } = response.headers;
  return {
    status: response.status,
    headers: { ...headers, ...personalHeaders },
    ...(request.method === "HEAD" ? {} : { body: layout({ language, t, url: request.url }, view).toString() }),
  };
}

function wantsPage(request: HttpRequest): boolean {
  const accept = request.header("accept") ?? "";
  return (
    accept.includes("text/html") && (request.method === "GET" || request.method === "HEAD" || request.method === "POST")
  );
}
