/** The person's profile: the overview by parts, "still true", and the page a rescuer would get. */
import { type Route, ServiceError } from "rouage";
import { aged, type EmergencyView } from "../../services/profiles/emergency-view.ts";
import type { Profile, Section, SectionName } from "../../services/profiles/schema.ts";
import { back, icon, linkButton, message, postForm } from "../components.ts";
import { emergencyBody } from "../emergency.ts";
import { empty, type Html, html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { isAnswered } from "../profile/answered.ts";
import { changePart, loadStored, type Part, parts } from "../profile/saving.ts";
import { partSummary } from "../profile/summary.ts";
import { partOf, saveEditor, showEditor } from "./profile-editors.ts";

/** Room for a photo straight from a camera, so that one that is too large can be told so. */
const editorLimit = 8 * 1024 * 1024;

export function profilePages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/profile", "signed-in", overview),
    get("/me/rescuer-view", "signed-in", rescuerView),
    get("/me/profile/{section}", "signed-in", showEditor),
    post("/me/profile/{section}", "signed-in", saveEditor, { bodyLimit: editorLimit }),
    post("/me/profile/{section}/confirm", "signed-in", stillTrue),
  ];
}

async function overview(page: SignedIn) {
  const { t } = page;
  const { profile } = await loadStored(page);
  const body = html`<h1>${t.profile.title}</h1><p class="lead">${t.profile.lead}</p>
<p>${linkButton("/me/rescuer-view", t.profile.rescuerView, { kind: "secondary", icon: "eye" })}</p>
<div class="cards">${parts.map((part) => partCard(page, profile, part))}</div>`;
  return page.view({ title: t.profile.title, body, section: "profile" });
}

function partCard(page: SignedIn, profile: Profile, part: Part): Html {
  const { t } = page;
  const words = t.sections[part];
  const answered = isAnswered(profile, part);
  return html`<section class="card part${answered ? "" : " open"}" aria-labelledby="part-${part}">
<h2 id="part-${part}">${icon(part)}<span>${words.title}</span></h2>
${partSummary(page, part, profile)}
<p class="actions"><a class="button secondary" href="/me/profile/${part}">${answered ? t.profile.edit : t.profile.answer}<span class="visually-hidden">: ${words.title}</span></a></p>
${part === "identity" || part === "what_matters" ? empty : confirmForm(page, profile[part], part)}
</section>`;
}

/** Offered when something in the section has not been confirmed for long. */
function confirmForm({ t, csrf, now }: SignedIn, section: Section, name: SectionName): Html {
  if (!isStale(section, now)) return empty;
  return postForm(
    { action: `/me/profile/${name}/confirm`, csrf, className: "inline" },
    html`<button type="submit" class="secondary">${icon("check")}<span>${t.profile.stillTrue}</span><span class="visually-hidden">: ${t.sections[name].title}</span></button>`,
  );
}

function isStale(section: Section, now: number): boolean {
  if (section.statement === "no-information") return false;
  const times = section.items.map((item) => item.confirmed_at);
  if (section.statement !== "listed" && section.confirmed_at !== undefined) times.push(section.confirmed_at);
  return times.some((time) => aged(time, now).stale);
}

async function stillTrue(page: SignedIn) {
  const part = partOf(page);
  if (part === "identity" || part === "what_matters") throw new ServiceError("route-not-found");
  const asked = page.form.text("item");
  const outcome = await changePart(page, part, (profile) => {
    const { statement, items } = profile[part];
    const confirmed = items.map((item) => (asked === "" || asked === item.id ? without(item) : item));
    return { statement, items: confirmed, confirmed_at: null };
  });
  if (outcome === "busy") throw new ServiceError("unavailable");
  return page.redirect(page.form.text("from") === "home" ? "/me" : "/me/profile", "confirmed");
}

/** Left out, the server confirms it now. */
function without(item: Section["items"][number]): object {
  const { confirmed_at: _, confirmed_by: __, ...content } = item;
  return content;
}

async function rescuerView(page: SignedIn) {
  const { t, session } = page;
  const [view, position] = await Promise.all([
    page.service.data<EmergencyView>("profiles", "GET", `/internal/people/${session.account.id}/emergency-view`),
    page.service.find("positions", `/internal/people/${session.account.id}/position`),
  ]);
  const body = html`${back("/me", t.home.title)}${message("info", html`<p><strong>${t.view.ownTitle}.</strong> ${t.view.ownLead}</p>`, "eye")}
${emergencyBody({ view, position, language: page.language, t, now: page.now })}`;
  return page.view({ title: t.view.ownTitle, body, width: "wide", section: "home" });
}
