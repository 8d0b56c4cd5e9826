/** The frame of every page: head, skip link, header with navigation and language, main, footer. */
import { assetPath } from "./assets.ts";
import { icon } from "./components.ts";
import { empty, type Html, html, trusted } from "./html.ts";
import type { Dictionary } from "./i18n/dictionary.ts";
import { type Language, languages } from "./language.ts";

export interface Frame {
  readonly language: Language;
  readonly t: Dictionary;
  /** Path and query of the page, for the language switch. */
  readonly url: string;
  /** Who is signed in, as far as the header needs it. */
  readonly person?: { readonly email: string; readonly responder: boolean; readonly csrf: string } | undefined;
  /** A short message about what was just done. */
  readonly notice?: string | undefined;
}

export interface View {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
  /** True: an error summary is on the page, the title says so. */
  readonly failed?: boolean;
  /** Class of the main element: `narrow` for single forms, `wide` for the emergency view. */
  readonly width?: "narrow" | "wide";
  /** The navigation entry that is shown as current. */
  readonly section?: Section;
  /** True: no navigation, so that what matters stands at the top. */
  readonly compact?: boolean;
  /** True: nothing personal is on it and search engines may keep it. */
  readonly indexed?: boolean;
}

export type Section = "home" | "profile" | "card" | "position" | "log" | "account" | "lookup" | "lookups";

export function layout(frame: Frame, view: View): Html {
  const { t, language } = frame;
  const title = view.failed === true ? `${t.form.errorPrefix} ${view.title}` : view.title;
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" content="#00505f">
<title>${title} – ${t.site.name}</title>
<link rel="icon" href="${assetPath("favicon.svg")}" type="image/svg+xml">
<link rel="stylesheet" href="${assetPath("urgence.css")}">
<script type="module" src="${assetPath("urgence.js")}"></script>
</head>
<body>
<a class="skip" href="#main">${t.site.skip}</a>
${header(frame, view)}
<main id="main" tabindex="-1" class="${view.width ?? "regular"}">
${notice(frame)}
${view.body}
</main>
${footer(t)}
</body>
</html>`;
}

function header(frame: Frame, { section, compact = false }: View): Html {
  const { t, person } = frame;
  const home = person === undefined ? "/" : person.responder ? "/responder/lookup" : "/me";
  return html`<header class="site">
<div class="bar">
<a class="brand" href="${home}">${icon("logo")}<span>${t.site.name}</span></a>
<div class="tools">${languageSwitch(frame)}${person === undefined ? empty : signOut(t, person.csrf)}</div>
</div>
${person === undefined || compact ? empty : navigation(t, person.responder, section)}
</header>`;
}

function languageSwitch({ language, url }: Frame): Html {
  const others = languages.filter((other) => other !== language);
  return html`${others.map(
    (other) =>
      html`<a class="language" href="${withLanguage(url, other)}" hreflang="${other}" lang="${other}"><span class="full">${languageNames[other]}</span><span class="code" aria-hidden="true">${other.toUpperCase()}</span></a>`,
  )}`;
}

const languageNames: Readonly<Record<Language, string>> = { en: "English", fr: "Français" };

/** The same address with another `lang`; what was only said about the last action is dropped. */
function withLanguage(url: string, language: Language): string {
  const [path = "/", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  parameters.delete("done");
  parameters.set("lang", language);
  return `${path}?${parameters}`;
}

function signOut(t: Dictionary, csrf: string): Html {
  return html`<form method="post" action="/signout">
<input type="hidden" name="_csrf" value="${csrf}"><button class="plain" type="submit">${t.nav.signOut}</button></form>`;
}

function navigation(t: Dictionary, responder: boolean, current: Section | undefined): Html {
  const personal: readonly (readonly [Section, string, string])[] = [
    ["home", "/me", t.nav.home],
    ["profile", "/me/profile", t.nav.profile],
    ["card", "/me/card", t.nav.card],
    ["position", "/me/position", t.nav.position],
    ["log", "/me/access-log", t.nav.accessLog],
    ["account", "/me/account", t.nav.account],
  ];
  const work: readonly (readonly [Section, string, string])[] = [
    ["lookup", "/responder/lookup", t.nav.lookup],
    ["lookups", "/responder", t.nav.lookups],
    ["account", "/me/account", t.nav.account],
  ];
  return html`<nav aria-label="${t.nav.label}"><ul>${(responder ? work : personal).map(
    ([section, href, label]) =>
      html`<li><a href="${href}"${section === current ? trusted(' aria-current="page"') : empty}>${label}</a></li>`,
  )}</ul></nav>`;
}

function notice({ notice }: Frame): Html {
  return notice === undefined
    ? empty
    : html`<div class="notice good" role="status">${icon("check")}<p>${notice}</p></div>`;
}

function footer(t: Dictionary): Html {
  return html`<footer class="site">
<p class="call">${icon("phone")}<span>${t.site.emergency} <a href="tel:112">112</a></span></p>
<p><a href="/privacy">${t.site.privacy}</a></p>
</footer>`;
}
