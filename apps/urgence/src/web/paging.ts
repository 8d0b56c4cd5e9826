/** Long lists in pages: links to what is older, and back to the newest. Works by addresses alone. */
import { empty, type Html, html } from "./html.ts";
import type { Dictionary } from "./i18n/dictionary.ts";

/** Entries on one page. */
export const pageSize = 20;

/** Query that asks the API for the page this address is about. What is no token asks for the first page. */
export function pageQuery(query: URLSearchParams): string {
  const token = tokenOf(query);
  return `?_limit=${pageSize}${token === undefined ? "" : `&_token=${encodeURIComponent(token)}`}`;
}

export function pageLinks(path: string, query: URLSearchParams, next: string | undefined, t: Dictionary): Html {
  const first = tokenOf(query) === undefined;
  if (first && next === undefined) return empty;
  const older =
    next === undefined
      ? empty
      : html`<a rel="next" href="${path}?older=${encodeURIComponent(next)}">${t.paging.older}</a>`;
  const newest = first ? empty : html`<a href="${path}">${t.paging.newest}</a>`;
  return html`<nav class="links pages" aria-label="${t.paging.label}">${newest}${older}</nav>`;
}

function tokenOf(query: URLSearchParams): string | undefined {
  const token = query.get("older");
  return token !== null && token.length <= 2000 && /^[\w.~=+/-]+$/.test(token) ? token : undefined;
}
