/** The person's card: what it shows to whoever holds it, its QR code, and its end. And the page behind the code. */
import { type Route, reply } from "rouage";
import { type CardView, cardParts } from "../../services/profiles/card-view.ts";
import { ApiFailure } from "../api.ts";
import { button, checkbox, errorSummary, icon, message, postForm } from "../components.ts";
import { type Html, html } from "../html.ts";
import type { Page, Pages, SignedIn } from "../page.ts";
import { publicCard } from "../public-card.ts";
import { qrCode } from "../qr.ts";
import { textOf } from "./records.ts";

export function cardPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/card", "signed-in", show),
    post("/me/card", "signed-in", save),
    post("/me/card/rotate", "signed-in", rotate),
    post("/me/card/revoke", "signed-in", revoke),
    get("/e/{token}", "everyone", publicPage),
  ];
}

interface Card {
  readonly token?: string;
  readonly url?: string;
  readonly parts?: readonly string[];
}

const loadCard = (page: SignedIn) => page.api.find<Card>("profiles", "/v1/me/card");

async function show(page: SignedIn) {
  const { t } = page;
  const words = t.card;
  const card = await loadCard(page);
  const token = textOf(card?.token);
  const body = html`<h1>${words.title}</h1>${errorSummary(t, {})}<p class="lead">${words.lead}</p>
${token === undefined ? partsForm(page, ["alerts", "allergies", "medications", "contacts"], words.create) : html`${wallet(page, `${page.origin}/e/${token}`, token)}${partsForm(page, card?.parts ?? [], words.save)}${ending(page)}`}`;
  return page.view({ title: words.title, body, section: "card" });
}

function wallet({ t }: SignedIn, url: string, token: string): Html {
  const words = t.card;
  return html`<section class="wallet" aria-label="${words.title}">
${qrCode(url, words.qr)}
<div><p class="wallet-title">${icon("logo")}<strong>${t.site.name}</strong></p><p>${words.wallet}</p><p class="small">${words.walletScan}</p></div>
</section>
<p class="small"><a class="break" href="/e/${token}">${url}</a></p>
<p class="actions"><button type="button" class="secondary" data-print hidden>${icon("print")}<span>${words.print}</span></button>
<button type="button" class="secondary" data-copy="${url}" data-copied="${words.copied}" hidden>${icon("copy")}<span>${words.copy}</span></button></p>`;
}

function partsForm({ t, csrf }: SignedIn, chosen: readonly string[], label: string): Html {
  return postForm(
    { action: "/me/card", csrf, className: "card no-print" },
    html`<fieldset><legend>${t.card.parts}</legend><p class="hint">${t.card.partsHint}</p><div class="grid">
${cardParts.map((part) => checkbox("parts", t.sections[part].title, chosen.includes(part), part))}</div></fieldset>`,
    label === t.card.create ? html`<input type="hidden" name="first" value="1">` : "",
    button(label),
  );
}

function ending({ t, csrf }: SignedIn): Html {
  return html`<section class="card no-print"><h2>${t.card.rotate}</h2><p>${t.card.rotateText}</p>
${postForm({ action: "/me/card/rotate", csrf }, button(t.card.rotate, { kind: "secondary" }))}
<h2>${t.card.revoke}</h2><p>${t.card.revokeText}</p>
${postForm({ action: "/me/card/revoke", csrf }, button(t.card.revoke, { kind: "danger" }))}</section>`;
}

async function save(page: SignedIn) {
  const chosen = page.form.all("parts");
  const parts = cardParts.filter((part) => chosen.includes(part));
  await page.api.request("profiles", "PUT", "/v1/me/card", { data: { parts } });
  return page.redirect("/me/card", page.form.has("first") ? "cardReady" : "saved");
}

async function rotate(page: SignedIn) {
  await page.api.request("profiles", "PUT", "/v1/me/card", { data: { rotate: true } });
  return page.redirect("/me/card", "rotated");
}

async function revoke(page: SignedIn) {
  await page.api.request("profiles", "DELETE", "/v1/me/card");
  return page.redirect("/me/card", "revoked");
}

/** The page for whoever scanned the code; an API client gets the API's answer at the same address. */
async function publicPage(page: Page) {
  const token = page.params.token ?? "";
  const path = `/v1/cards/${encodeURIComponent(token)}`;
  if (!wantsHtml(page.request.header("accept"))) return asJson(page, path);
  try {
    const card = await page.service.data<CardView>("profiles", "GET", path);
    return page.view({ title: page.t.card.publicTitle, body: publicCard(card, page), width: "wide" });
  } catch (error) {
    if (error instanceof ApiFailure && [400, 404, 410].includes(error.status)) return gone(page);
    throw error;
  }
}

async function asJson(page: Page, path: string) {
  const headers = { "content-type": "application/json", "cache-control": "no-store", "x-robots-tag": "noindex" };
  try {
    return reply(200, JSON.stringify(await page.service.request("profiles", "GET", path)), headers);
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    const wait = error.retryAfterSeconds === undefined ? {} : { "retry-after": String(error.retryAfterSeconds) };
    return reply(error.status, JSON.stringify(error.body), { ...headers, ...wait });
  }
}

/** A page unless JSON is asked for: a phone's scanner may send any `Accept`. */
function wantsHtml(accept: string | undefined): boolean {
  return accept === undefined ? false : accept.includes("text/html") || !accept.includes("json");
}

function gone(page: Page) {
  const { t } = page;
  const body = html`<h1>${t.card.gone}</h1><p class="lead">${t.card.goneText}</p>${message("info", html`<p><a href="/signin/?next=/responder/lookup">${t.card.publicMore}</a></p>`)}`;
  return page.view({ status: 404, title: t.card.gone, body, width: "narrow" });
}
