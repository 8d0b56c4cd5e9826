/** The person's start page: how complete the profile is, what to ask next, and big buttons to everything. */
import type { Route } from "rouage";
import { type Question, questions } from "../../services/profiles/missing.ts";
import { sectionNames } from "../../services/profiles/schema.ts";
import { icon, linkButton, postForm } from "../components.ts";
import { ago } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { isAnswered } from "../profile/answered.ts";
import { firstOpen, guidePath } from "../profile/guide.ts";
import { loadStored } from "../profile/saving.ts";

export function homePages({ get }: Pages): readonly Route[] {
  return [get("/me", "signed-in", home)];
}

async function home(page: SignedIn) {
  const { t } = page;
  const { profile } = await loadStored(page);
  const open = firstOpen(profile);
  const asked = questions(profile, page.now);
  const parts = ["identity", ...sectionNames] as const;
  const answered = parts.filter((part) => isAnswered(profile, part)).length;
  const name = profile.identity.preferred_name ?? profile.identity.given_names;
  const missing = [
    ...new Set(
      asked.filter(({ kind, priority }) => kind === "unanswered" && priority < 3).map(({ section }) => section),
    ),
  ];
  const stale = asked.filter(({ kind }) => kind === "still-true");
  const body = html`<h1>${name === undefined ? t.home.helloPlain : t.home.hello(name)}</h1>
<section class="card progress" aria-labelledby="progress-title">
<h2 id="progress-title">${t.home.complete(answered, parts.length)}</h2>
<progress max="${parts.length}" value="${answered}" aria-labelledby="progress-title"></progress>
${missing.length === 0 && stale.length === 0 ? html`<p>${t.home.allDone}</p>` : empty}
${open === undefined ? empty : html`<p>${linkButton(guidePath(open), answered === 0 ? t.home.start : t.home.goOn, { icon: "pen" })}</p>${answered === 0 ? html`<p class="hint">${t.home.startText}</p>` : empty}`}
${missing.length === 0 ? empty : html`<h3>${t.home.missing}</h3><ul class="chips">${missing.map((section) => chip(section, asked, t))}</ul>`}
${stale.length === 0 ? empty : stillTrue(page, stale)}
</section>
<h2>${t.home.actions}</h2>
<ul class="tiles">${tiles(page)}</ul>`;
  return page.view({ title: t.home.title, body, section: "home" });
}

function chip(section: Question["section"], asked: readonly Question[], t: SignedIn["t"]): Html {
  const vital = asked.some((question) => question.section === section && question.priority === 1);
  return html`<li><a class="chip" href="/me/profile/${section}">${icon(section)}<span>${t.sections[section].title}${vital ? html` <span class="tag">${t.home.required}</span>` : empty}</span></a></li>`;
}

function stillTrue(page: SignedIn, stale: readonly Question[]): Html {
  const { t, csrf, language } = page;
  return html`<h3>${t.home.stale}</h3><p class="hint">${t.home.staleHint}</p><ul class="plain-list">${stale
    .slice(0, 10)
    .map(
      ({ section, text, item_id, age_months = 0 }) => html`<li class="still">
<span><strong>${text ?? t.sections[section].title}</strong> <span class="age">${ago(age_months * 2_629_800, language, t)}</span></span>
${postForm(
  { action: `/me/profile/${section}/confirm`, csrf, className: "inline" },
  html`<input type="hidden" name="from" value="home"><input type="hidden" name="item" value="${item_id ?? ""}">
<button type="submit" class="secondary">${icon("check")}<span>${t.profile.stillTrue}</span><span class="visually-hidden">: ${text ?? t.sections[section].title}</span></button>`,
)}
<a href="/me/profile/${section}">${t.profile.edit}<span class="visually-hidden">: ${text ?? t.sections[section].title}</span></a></li>`,
    )}</ul>`;
}

function tiles({ t: { home: words } }: SignedIn): readonly Html[] {
  const all = [
    ["/me/profile", "pen", words.editProfile, words.editProfileText],
    ["/me/rescuer-view", "eye", words.rescuerView, words.rescuerViewText],
    ["/me/position", "position", words.sendPosition, words.sendPositionText],
    ["/me/card", "card", words.card, words.cardText],
    ["/me/access-log", "search", words.accessLog, words.accessLogText],
    ["/me/history", "clock", words.history, words.historyText],
    ["/me/import", "upload", words.importTitle, words.importText],
    ["/me/export", "download", words.exportTitle, words.exportText],
    ["/me/account", "lock", words.account, words.accountText],
    ["/me/delete", "trash", words.deleteTitle, words.deleteText],
  ] as const;
  return all.map(
    ([href, name, title, text]) =>
      html`<li><a class="tile" href="${href}">${icon(name)}<span><strong>${title}</strong><small>${text}</small></span></a></li>`,
  );
}
