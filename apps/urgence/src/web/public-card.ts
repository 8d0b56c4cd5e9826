/** The level 0 card as HTML: only what the person made public, readable by whoever found them. */

import { bloodGroupText, type SectionName, sectionNames } from "../services/profiles/schema.ts";
import { isRecord } from "./api.ts";
import { icon, message } from "./components.ts";
import { phoneLink } from "./emergency.ts";
import { date } from "./format.ts";
import { empty, type Html, html } from "./html.ts";
import type { Page } from "./page.ts";
import { records, textOf } from "./pages/records.ts";
import { choiceLabel } from "./profile/fields.ts";

type Loose = Readonly<Record<string, unknown>>;

/** `card`: `{identity?, what_matters?, [section]: {statement, items}}`, directly or under `public`. */
export function publicCard(card: Loose, page: Page): Html {
  const { t } = page;
  const shown = [card.public, card.profile, card].find(isRecord) ?? {};
  const sections = isRecord(shown.sections) ? shown.sections : shown;
  const present = sectionNames.filter((name) => isRecord(sections[name]));
  const matters = textOf(shown.what_matters);
  const identity = isRecord(shown.identity) ? identityPart(shown.identity, page) : html`<h1>${t.card.publicTitle}</h1>`;
  return html`<article class="emergency public">${identity}
<p class="lead">${t.card.publicLead}</p>
${present.length === 0 && matters === undefined && !isRecord(shown.identity) ? html`<p class="muted">${t.card.publicNothing}</p>` : empty}
<div class="columns">${present.map((name) => sectionPart(name, sections[name] as Loose, page))}</div>
${matters === undefined ? empty : html`<section class="facts"><h2>${icon("what_matters")}<span>${t.sections.what_matters.title}</span></h2><p class="typed">${matters}</p></section>`}
${message("info", html`<p>${t.card.told}</p><p><a href="/signin/?next=/responder/lookup">${t.card.publicMore}</a></p>`)}</article>`;
}

function identityPart(identity: Loose, { t, language }: Page): Html {
  const full = [identity.given_names, identity.family_name].filter(textOf).join(" ");
  const name = textOf(identity.name) ?? textOf(identity.preferred_name) ?? (full === "" ? t.view.unknownName : full);
  const birth = textOf(identity.birth_date);
  return html`<header class="who"><div><h1>${name}</h1><p>${[full === name ? undefined : textOf(full), birth === undefined || birth === "unknown" ? undefined : date(birth, language)].filter((part) => part !== undefined).join(" · ")}</p></div></header>`;
}

function sectionPart(name: SectionName, section: Loose, { t }: Page): Html {
  const danger = name === "alerts";
  const statement = textOf(section.statement) ?? "listed";
  const items = records(section.items);
  return html`<section class="${danger && items.length > 0 ? "band" : "facts"}" aria-labelledby="p-${name}"><h2 id="p-${name}">${icon(name)}<span>${t.sections[name].short}</span></h2>
${items.length > 0 ? html`<ul>${items.map((item) => html`<li>${itemPart(item, name, t)}</li>`)}</ul>` : html`<p>${statementText(statement, t)}</p>`}</section>`;
}

function statementText(statement: string, t: Page["t"]): string {
  return Object.hasOwn(t.statements, statement)
    ? t.statements[statement as keyof Page["t"]["statements"]]
    : t.statements["no-information"];
}

function itemPart(item: Loose, name: SectionName, t: Page["t"]): Html {
  const abo = textOf(item.abo);
  const kind = textOf(item.kind);
  const title =
    textOf(item.text) ??
    textOf(item.name) ??
    (abo === undefined ? t.sections[name].title : bloodGroupText(abo, textOf(item.rhesus)).replace("-", "−"));
  const facts = [
    kind === undefined || choiceLabel(kind, t) === title ? undefined : choiceLabel(kind, t),
    abo === undefined ? undefined : t.view.bloodNotice,
    textOf(item.severity) === undefined ? undefined : choiceLabel(textOf(item.severity) ?? "", t),
    textOf(item.reaction),
    textOf(item.dose),
    textOf(item.relation),
    textOf(item.communication),
  ].filter((fact) => fact !== undefined);
  const phone = textOf(item.phone);
  return html`<strong>${title}</strong>${facts.length === 0 ? empty : html` <span class="detail">${facts.join(" · ")}</span>`}${phone === undefined ? empty : phoneLink(phone, t)}`;
}
