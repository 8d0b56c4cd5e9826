/** The level 0 card as HTML: only what the person made public, readable by whoever found them. */
import type { CardView } from "../services/profiles/card-view.ts";
import type { EmergencyView } from "../services/profiles/emergency-view.ts";
import { bloodGroupText, type SectionName, sectionNames } from "../services/profiles/schema.ts";
import { icon, message } from "./components.ts";
import { band, phoneLink } from "./emergency.ts";
import { languageName } from "./format.ts";
import { empty, type Html, html } from "./html.ts";
import type { Page } from "./page.ts";
import { records, textOf } from "./pages/records.ts";
import { choiceLabel } from "./profile/fields.ts";

type Loose = Readonly<Record<string, unknown>>;

export function publicCard(card: CardView, page: Page): Html {
  const { t } = page;
  const present = sectionNames.filter((name) => card.sections[name] !== undefined);
  const mayAlert = (["alerts", "allergies", "medications", "devices"] as const).some((name) =>
    card.parts.includes(name),
  );
  return html`<article class="emergency public">${header(card, page)}
<p>${t.card.publicLead}</p>
${card.red_band.length > 0 || mayAlert ? band({ ...page, view: { red_band: card.red_band } }) : empty}
${card.parts.length === 0 ? html`<p class="muted">${t.card.publicNothing}</p>` : empty}
<div class="columns">${present.map((name) => sectionPart(name, card.sections[name], page))}</div>
${card.what_matters === undefined ? empty : html`<section class="facts"><h2>${icon("what_matters")}<span>${t.sections.what_matters.title}</span></h2><p class="typed">${card.what_matters}</p></section>`}
${message("info", html`<p>${t.card.told}</p><p><a href="/signin/?next=/responder/lookup">${t.card.publicMore}</a></p>`)}</article>`;
}

function header({ identity, initials }: CardView, { t, language }: Page): Html {
  if (identity === undefined)
    return html`<h1>${t.card.publicTitle}${initials === undefined ? "" : ` – ${initials}`}</h1>`;
  const facts = [
    identity.age_years === undefined ? undefined : t.view.years(identity.age_years),
    identity.sex === undefined ? undefined : choiceLabel(identity.sex, t),
    identity.languages === undefined || identity.languages.length === 0
      ? undefined
      : t.view.speaks(identity.languages.map((code) => languageName(code, language)).join(", ")),
  ].filter((fact) => fact !== undefined);
  return html`<header class="who">${identity.photo === undefined ? empty : html`<img src="${identity.photo}" alt="" width="72" height="72">`}<div><h1>${identity.name ?? initials ?? t.view.unknownName}</h1><p>${facts.join(" · ")}</p></div></header>`;
}

function sectionPart(
  name: SectionName,
  section: EmergencyView["sections"][SectionName] | undefined,
  { t }: Page,
): Html {
  if (section === undefined) return empty;
  const items = records(section.items);
  const said = section.statement === "none-known" ? t.sections[name].none : t.statements[section.statement];
  return html`<section class="facts" aria-labelledby="p-${name}"><h2 id="p-${name}">${icon(name)}<span>${t.sections[name].short}</span></h2>
${items.length > 0 ? html`<ul>${items.map((item) => html`<li>${itemPart(item, name, t)}</li>`)}</ul>` : html`<p>${said}</p>`}</section>`;
}

function itemPart(item: Loose, name: SectionName, t: Page["t"]): Html {
  const label = (field: string) =>
    textOf(item[field]) === undefined ? undefined : choiceLabel(String(item[field]), t);
  const abo = textOf(item.abo);
  const group = abo === undefined ? undefined : bloodGroupText(abo, textOf(item.rhesus)).replace("-", "−");
  const title = textOf(item.text) ?? textOf(item.name) ?? group ?? t.sections[name].title;
  const kind = label("kind");
  const facts = [
    kind === title ? undefined : kind,
    abo === undefined ? undefined : t.view.bloodNotice,
    label("severity"),
    textOf(item.reaction),
    textOf(item.dose),
    textOf(item.relation),
    textOf(item.communication),
  ].filter((fact) => fact !== undefined);
  const phone = textOf(item.phone);
  return html`<strong>${title}</strong>${facts.length === 0 ? empty : html` <span class="detail">${facts.join(" · ")}</span>`}${phone === undefined ? empty : phoneLink(phone, t)}`;
}
