/** What is on record for the person: who looked, what changed, and everything in one file. */
import { type Route, reply } from "rouage";
import { isRecord } from "../api.ts";
import { back, button, message, postForm } from "../components.ts";
import { dateTime } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import type { Dictionary } from "../i18n/dictionary.ts";
import type { Pages, SignedIn } from "../page.ts";
import { pageLinks, pageQuery } from "../paging.ts";
import { personalHeaders } from "../security.ts";

export function recordPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/access-log", "signed-in", accessLog),
    get("/me/history", "signed-in", history),
    get("/me/export", "signed-in", (page) => exportView(page)),
    post("/me/export", "signed-in", download),
  ];
}

type Loose = Readonly<Record<string, unknown>>;
export const records = (value: unknown): readonly Loose[] => (Array.isArray(value) ? value.filter(isRecord) : []);
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;
export const timeOf = (entry: Loose): string | number | undefined => {
  const time = entry.at ?? entry.time ?? entry.recorded ?? entry.recorded_at ?? entry.date ?? entry.last_modified;
  return typeof time === "string" || typeof time === "number" ? time : undefined;
};

async function accessLog(page: SignedIn) {
  const { t } = page;
  const { data, next } = await page.api.read("access", `/v1/me/access-log${pageQuery(page.query)}`);
  const entries = records(data);
  const body = html`${back("/me", t.home.title)}<h1>${t.log.title}</h1><p class="lead">${t.log.lead}</p>
${entries.length === 0 ? message("good", html`<p>${t.log.none}</p>`) : html`<ol class="log">${entries.map((entry) => accessEntry(entry, page))}</ol>`}${pageLinks("/me/access-log", page.query, next, t)}`;
  return page.view({ title: t.log.title, body, section: "log" });
}

function accessEntry(entry: Loose, { t, language }: SignedIn): Html {
  const words = t.log;
  const level = levels[Number(entry.level)] ?? "other";
  const facts = [
    [words.who, whoOf(entry, level, t)],
    [words.why, reasonLabel(textOf(entry.reason), t)],
    [words.note, textOf(entry.note)],
    [words.incident, textOf(entry.incident)],
    [words.shown, entry.outcome === "shown" || entry.outcome === undefined ? undefined : words.nothingShown],
  ] as const;
  return html`<li class="card"><h2>${words.levels[level]}</h2>
<p class="age">${dateTime(timeOf(entry), language)}</p>
<dl class="facts-list">${facts.map(([label, value]) => (value === undefined ? empty : html`<div><dt>${label}</dt><dd>${value}</dd></div>`))}</dl></li>`;
}

const levels = ["card", "link", "lookup", "break-glass"] as const;

/** The place is named, the responder is not: who it was is the data-protection officer's business. */
function whoOf(entry: Loose, level: string, { log: words }: Dictionary): string {
  const who = isRecord(entry.who) ? entry.who : {};
  if (level === "card") return words.passerby;
  const site = textOf(who.service) ?? textOf(who.site);
  return site === undefined ? words.responder : `${words.responder}, ${site}`;
}

/** A reason of the list in the page's language; anything else as it was written. */
export function reasonLabel(reason: string | undefined, t: Dictionary): string | undefined {
  if (reason === undefined) return undefined;
  return Object.hasOwn(t.log.reasons, reason) ? t.log.reasons[reason as keyof Dictionary["log"]["reasons"]] : reason;
}

async function history(page: SignedIn) {
  const { t, language } = page;
  const { data, next } = await page.api.read("profiles", `/v1/me/history${pageQuery(page.query)}`);
  const entries = records(data);
  const body = html`${back("/me", t.home.title)}<h1>${t.history.title}</h1><p class="lead">${t.history.lead}</p>
${
  entries.length === 0
    ? html`<p class="muted">${t.history.none}</p>`
    : html`<ol class="log">${entries.map((entry) => {
        return html`<li class="card"><h2>${actionLabel(textOf(entry.action), t)}</h2><p class="age">${dateTime(timeOf(entry), language)}</p>${changedParts(entry, t)}</li>`;
      })}</ol>`
}${pageLinks("/me/history", page.query, next, t)}`;
  return page.view({ title: t.history.title, body, section: "home" });
}

function actionLabel(action: string | undefined, t: Dictionary): string {
  const { actions } = t.history;
  return action !== undefined && Object.hasOwn(actions, action)
    ? actions[action as keyof typeof actions]
    : actions.update;
}

/** What changed, in the person's words where there are any. */
function changedParts(entry: Loose, t: Dictionary): Html {
  const { history: words } = t;
  return html`<ul class="plain-list">${records(entry.changes).map((change) => {
    const part = String(change.section);
    const title = Object.hasOwn(t.sections, part) ? t.sections[part as keyof Dictionary["sections"]].title : part;
    const details = [
      [words.added, change.added],
      [words.removed, change.removed],
      [words.changed, records(change.changed).map(({ text }) => text)],
      [words.confirmed, change.confirmed],
    ].flatMap(([label, texts]) => {
      const list = Array.isArray(texts) ? texts.filter(textOf) : [];
      return list.length === 0 ? [] : [`${label}: ${list.join(", ")}`];
    });
    return html`<li><strong>${title}</strong>${details.length === 0 ? empty : html` <span class="detail">${details.join(" · ")}</span>`}</li>`;
  })}</ul>`;
}

function exportView({ t, csrf, view }: SignedIn) {
  const words = t.exportPage;
  return view({
    title: words.title,
    width: "narrow",
    section: "home",
    body: html`${back("/me", t.home.title)}<h1>${words.title}</h1><p class="lead">${words.lead}</p>${message("warn", html`<p>${words.warning}</p>`)}
${postForm({ action: "/me/export", csrf }, button(words.download, { icon: "download" }))}`,
  });
}

async function download(page: SignedIn) {
  const everything = await page.api.request("profiles", "GET", "/v1/me/export");
  const day = new Date(page.now).toISOString().slice(0, 10);
  return reply(200, JSON.stringify(everything, null, 2), {
    ...personalHeaders,
    "content-type": "application/json",
    "content-disposition": `attachment; filename="urgence-${day}.json"`,
  });
}
