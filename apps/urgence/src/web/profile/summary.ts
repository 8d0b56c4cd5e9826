/** A part of the profile in a few lines, as the overview shows it. */
import { aged } from "../../services/profiles/emergency-view.ts";
import { itemText, type Profile, type Section, type SectionName } from "../../services/profiles/schema.ts";
import { ago } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import type { SignedIn } from "../page.ts";
import { identityLine } from "./answered.ts";
import type { Part } from "./saving.ts";

export function partSummary(page: SignedIn, part: Part, profile: Profile): Html {
  const { t } = page;
  if (part === "identity") {
    const { photo } = profile.identity;
    return html`<p class="who-line">${photo === undefined ? empty : html`<img src="${photo}" alt="" width="48" height="48">`}<span>${identityLine(profile, page.language) || t.profile.empty}</span></p>`;
  }
  if (part === "what_matters") return html`<p class="clamp">${profile.what_matters ?? t.profile.empty}</p>`;
  return sectionSummary(page, part, profile[part]);
}

function sectionSummary({ t, now, language }: SignedIn, name: SectionName, section: Section): Html {
  if (section.statement !== "listed") {
    const text = section.statement === "none-known" ? t.sections[name].none : t.statements[section.statement];
    return html`<p class="${section.statement === "no-information" ? "muted" : ""}">${text}</p>`;
  }
  return html`<ul class="plain-list">${section.items.map(
    (item) =>
      html`<li>${itemText(item) || t.sections[name].title}${aged(item.confirmed_at, now).stale ? html` <span class="tag warn">${ago((now - Date.parse(item.confirmed_at)) / 1000, language, t)}</span>` : empty}</li>`,
  )}</ul>`;
}
