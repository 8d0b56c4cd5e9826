/**
 * The emergency view as HTML, for a rescuer with seconds and for the person who checks what rescuers see. Red band first; "no
 * information" never looks like "none known"; every fact has its age and origin.
 */
import {
  type EmergencyView,
  emergencyView,
  type ViewItem,
  type ViewSection,
} from "../services/profiles/emergency-view.ts";
import { bloodGroupText, freshProfile, itemText, type SectionName } from "../services/profiles/schema.ts";
import { isRecord } from "./api.ts";
import { icon } from "./components.ts";
import { date, dateTime, languageName, number, phoneNumber, since } from "./format.ts";
import { empty, type Html, html, sentence } from "./html.ts";
import type { Dictionary } from "./i18n/dictionary.ts";
import type { Language } from "./language.ts";
import { choiceLabel } from "./profile/fields.ts";

export interface EmergencyOptions {
  /** Null: no profile at all. */
  readonly view: EmergencyView | null;
  /** What the positions service answers; read defensively. */
  readonly position: unknown;
  readonly language: Language;
  readonly t: Dictionary;
  readonly now: number;
}

type Shown = Omit<EmergencyOptions, "view"> & { readonly view: EmergencyView };

/** Sections in the order in which a rescuer reads them; contacts and position have their own places. */
const vital = ["allergies", "medications", "conditions", "devices"] as const;
const further = ["pregnancy", "directives", "disabilities", "operations", "vaccinations"] as const;

export function emergencyBody({ view: given, ...rest }: EmergencyOptions): Html {
  const view = given ?? emergencyView(freshProfile(), { now: rest.now });
  const options: Shown = { ...rest, view };
  const { t, language } = options;
  const answered = further.filter((name) => !isUnanswered(view.sections[name]));
  return html`<article class="emergency">
${who(options)}
${band(options)}
${view.has_profile ? empty : html`<p class="notice warn">${icon("warning")}<span>${t.view.noProfile}</span></p>`}
<div class="columns vital">${vital.map((name) => section(name, options))}</div>
<div class="columns">${positionPart(options)}${people(options)}</div>
<div class="columns">${answered.map((name) => section(name, options))}${whatMatters(options)}${unanswered(options)}</div>
${view.pregnancy_expired === true ? html`<p class="muted">${t.view.pregnancyExpired}</p>` : empty}
<p class="muted small">${view.updated_at === undefined ? empty : html`${sentence(t.view.updated, dateTime(view.updated_at, language))} · `}${sentence(t.view.generated, dateTime(view.generated_at, language))}</p>
</article>`;
}

function who({ view, t, language }: Shown): Html {
  const { identity } = view;
  const facts = [
    identity.age_years === undefined
      ? t.view.ageUnknown
      : `${identity.age_approximate === true ? `${t.view.about} ` : ""}${t.view.years(identity.age_years)}`,
    identity.sex === undefined ? undefined : choiceLabel(identity.sex, t),
    identity.birth_date === undefined || identity.birth_date === "unknown"
      ? undefined
      : date(identity.birth_date, language),
  ].filter((fact) => fact !== undefined);
  const languages = identity.languages ?? [];
  const full = [identity.given_names, identity.family_name].filter(Boolean).join(" ");
  return html`<header class="who">
${identity.photo === undefined ? empty : html`<img src="${identity.photo}" alt="" width="72" height="72">`}
<div><h1>${identity.name ?? t.view.unknownName}</h1>
<p>${full !== "" && full !== identity.name ? html`${full} · ` : empty}${facts.join(" · ")}</p>
${languages.length === 0 ? empty : html`<p class="small">${t.view.speaks(languages.map((code) => languageName(code, language)).join(", "))}</p>`}</div>
${blood(view, t)}
</header>`;
}

function blood({ sections }: EmergencyView, t: Dictionary): Html {
  const group = sections.blood_group.items[0];
  if (group === undefined) return html`<p class="blood unknown small">${t.view.bloodUnknown}</p>`;
  return html`<p class="blood"><strong>${bloodGroupText(group.abo, group.rhesus).replace("-", "−")}</strong><span>${t.view.bloodNotice}</span></p>`;
}

export function band({
  view,
  t,
  language,
  now,
}: Pick<Shown, "t" | "language" | "now"> & { readonly view: Pick<EmergencyView, "red_band"> }): Html {
  if (view.red_band.length === 0) {
    return html`<section class="band none" aria-labelledby="band"><h2 id="band">${t.band.title}</h2><p>${t.band.none} ${t.band.noneNot}</p></section>`;
  }
  return html`<section class="band" aria-labelledby="band"><h2 id="band">${icon("warning")}<span>${t.band.title}</span></h2>
<ul>${view.red_band.map((entry) => {
    const seen = since(entry.confirmed_at, now, language, t);
    return html`<li><span class="kind">${bandLabel(entry.kind, t)}</span> <strong>${entry.text}</strong>${entry.detail === undefined ? empty : html` <span class="detail">${entry.detail}</span>`} <span class="age">${entry.derived ? `${t.band.derived} · ` : ""}${seen}</span>${entry.stale ? html` <span class="tag warn">${t.view.stale}</span>` : empty}</li>`;
  })}</ul></section>`;
}

function bandLabel(kind: string, t: Dictionary): string {
  return Object.hasOwn(t.band, kind) ? t.band[kind as keyof Dictionary["band"]] : t.band.other;
}

function section(name: (typeof vital)[number] | (typeof further)[number], options: Shown): Html {
  const { view, t } = options;
  const part = view.sections[name] as ViewSection;
  return html`<section class="facts" aria-labelledby="s-${name}"><h2 id="s-${name}">${icon(name)}<span>${t.sections[name].short}</span></h2>
${part.statement === "listed" ? html`<ul>${part.items.map((item) => html`<li>${itemBody(item, name, options)}</li>`)}</ul>` : statement(part, name, options)}</section>`;
}

function isUnanswered(part: ViewSection): boolean {
  return part.statement === "no-information" && !isMasked(part);
}

/** What nobody has answered beside the vital sections, together: it must be seen, not scrolled over. */
function unanswered({ view, t }: Shown): Html {
  const names = further.filter((name) => isUnanswered(view.sections[name]));
  if (names.length === 0) return empty;
  return html`<section class="facts" aria-labelledby="s-unanswered"><h2 id="s-unanswered">${icon("question")}<span>${t.view.noInformation}</span></h2>
<p class="said unknown">${icon("question")}<span>${names.map((name) => t.sections[name].short).join(", ")} – ${t.view.noInformationText}</span></p></section>`;
}

/** Restricted by the person: announced, not shown. */
function isMasked(part: ViewSection & { readonly masked?: boolean; readonly restricted?: boolean }): boolean {
  return part.masked === true || part.restricted === true;
}

/** Three answers that must never be taken for one another: they differ in words, icon and shape, not only in colour. */
function statement(part: ViewSection, name: SectionName, options: Shown): Html {
  const { t } = options;
  if (isMasked(part)) return html`<p class="said declined">${icon("lock")}<strong>${t.view.masked}</strong></p>`;
  if (part.statement === "none-known") {
    const since =
      part.confirmed_at === undefined
        ? empty
        : html` <span class="age">${age({ confirmed_at: part.confirmed_at, stale: part.stale === true }, options)}</span>`;
    return html`<p class="said none">${icon("check")}<span><strong>${t.view.noneOf[name]}</strong>${since}</span></p>`;
  }
  if (part.statement === "declined")
    return html`<p class="said declined">${icon("lock")}<strong>${t.view.declined}</strong></p>`;
  return html`<p class="said unknown">${icon("question")}<span><strong>${t.view.noInformation}</strong> – ${t.view.noInformationText}</span></p>`;
}

function itemBody(item: ViewItem, name: SectionName, options: Shown): Html {
  const { t, language } = options;
  const loose: Readonly<Record<string, unknown>> = { ...item };
  const word = (field: string) => (typeof loose[field] === "string" ? (loose[field] as string) : undefined);
  const label = (field: string) => (word(field) === undefined ? undefined : choiceLabel(word(field) ?? "", t));
  const day = word("since") ?? word("date") ?? word("due_date");
  const title = itemText(item) || t.sections[name].title;
  const kind = label("kind");
  const facts = [
    kind === title ? undefined : kind,
    word("status") === "active" ? undefined : label("status"),
    label("severity"),
    word("reaction"),
    word("dose"),
    word("frequency"),
    word("route"),
    word("model"),
    word("mri_safety") === "unknown" ? undefined : label("mri_safety"),
    word("communication"),
    word("location"),
    word("name") === title ? undefined : word("name"),
    loose.anticoagulant === true ? t.band.anticoagulant : undefined,
    day === undefined ? undefined : date(day, language),
    word("note"),
  ].filter((fact) => fact !== undefined);
  const phone = word("phone");
  return html`<strong>${title}</strong>${facts.length === 0 ? empty : html` <span class="detail">${facts.join(" · ")}</span>`}${phone === undefined ? empty : html` ${phoneLink(phone, t)}`} <span class="age">${age(item, options)}</span>`;
}

function age(
  item: { readonly confirmed_at: string; readonly stale: boolean; readonly confirmed_by?: string },
  { t, language, now }: Pick<EmergencyOptions, "t" | "language" | "now">,
): Html {
  const origin =
    item.confirmed_by === undefined
      ? undefined
      : t.view.origin[item.confirmed_by as keyof Dictionary["view"]["origin"]];
  const when = since(item.confirmed_at, now, language, t);
  return html`${origin ?? t.view.confirmed} ${when}${item.stale ? html` <span class="tag warn">${t.view.stale}</span>` : empty}`;
}

function people(options: Shown): Html {
  const { view, t, language } = options;
  const { contacts, gp } = view.sections;
  const spoken = (entry: ViewItem<"contacts"> | ViewItem<"gp">) =>
    "languages" in entry ? (entry.languages ?? []).map((code) => languageName(code, language)) : [];
  const person = (entry: ViewItem<"contacts"> | ViewItem<"gp">, what: string | undefined) =>
    html`<li><strong>${entry.name}</strong> <span class="detail">${[what, ...spoken(entry)].filter((fact) => fact !== undefined).join(" · ")}</span>${entry.phone === undefined ? empty : phoneLink(entry.phone, t)}</li>`;
  return html`<section class="facts" aria-labelledby="s-contacts"><h2 id="s-contacts">${icon("contacts")}<span>${t.sections.contacts.title}</span></h2>
${contacts.statement === "listed" ? html`<ul class="people">${contacts.items.map((entry) => person(entry, entry.relation))}</ul>` : statement(contacts as ViewSection, "contacts", options)}
${gp.statement === "listed" ? html`<ul class="people">${gp.items.map((entry) => person(entry, t.sections.gp.short))}</ul>` : empty}</section>`;
}

/** The href is built from digits only, whatever was stored. */
export function phoneLink(phone: string, t: Dictionary): Html {
  return html`<a class="call-link" href="tel:${phone.replace(/[^\d+]/g, "")}">${icon("phone")}<span><span class="visually-hidden">${t.view.call} </span>${phoneNumber(phone)}</span></a>`;
}

function positionPart(options: Shown): Html {
  const { position, t } = options;
  const known = readPosition(position);
  return html`<section class="facts" aria-labelledby="s-position"><h2 id="s-position">${icon("position")}<span>${t.view.position}</span></h2>
${known === undefined ? html`<p class="muted">${t.view.noPosition}</p>` : positionBody(known, options)}</section>`;
}

export interface KnownPosition {
  readonly longitude: number;
  readonly latitude: number;
  readonly accuracy: number | undefined;
  readonly source: string;
  readonly fixTime: string;
  readonly authenticated: boolean;
  readonly origin: string | undefined;
}

/** A position as the API gives it, whether alone or with an envelope; undefined for anything else. */
export function readPosition(value: unknown): KnownPosition | undefined {
  if (!isRecord(value)) return undefined;
  if (isRecord(value.position)) return readPosition(value.position);
  const [longitude, latitude] = Array.isArray(value.coordinates) ? (value.coordinates as readonly unknown[]) : [];
  if (typeof longitude !== "number" || typeof latitude !== "number") return undefined;
  return {
    longitude,
    latitude,
    accuracy: typeof value.accuracy === "number" ? value.accuracy : undefined,
    source: typeof value.source === "string" ? value.source : "unknown",
    fixTime: typeof value.fix_time === "string" ? value.fix_time : "",
    authenticated: value.authenticated !== false,
    origin: typeof value.origin === "string" ? value.origin : undefined,
  };
}

const staleFixSeconds = 300;

export function positionBody(
  position: KnownPosition,
  { t, language, now }: Pick<EmergencyOptions, "t" | "language" | "now">,
): Html {
  const seconds = (now - Date.parse(position.fixTime)) / 1000;
  const coordinates = `${position.latitude.toFixed(5)}, ${position.longitude.toFixed(5)}`;
  const radius = position.accuracy === undefined ? "" : `;u=${Math.round(position.accuracy)}`;
  const source = Object.hasOwn(t.view.source, position.source)
    ? t.view.source[position.source as keyof Dictionary["view"]["source"]]
    : t.view.source.unknown;
  const sender =
    position.origin === "aml" ? t.view.sentBy.aml : position.origin === "person" ? t.view.sentBy.person : undefined;
  const facts = [
    position.accuracy === undefined ? t.view.accuracyUnknown : t.view.accuracy(number(position.accuracy, language)),
    // Who sent it says enough where the device did not say how it measured.
    position.source === "unknown" && sender !== undefined ? undefined : source,
    sender,
    position.authenticated ? undefined : t.view.unproven,
  ].filter((fact) => fact !== undefined);
  return html`<p class="where"><strong class="figure">${coordinates}</strong> <span class="age">${since(position.fixTime, now, language, t)}</span></p>
<p class="detail">${facts.join(" · ")}</p>
<p data-stale="${staleFixSeconds - Math.round(seconds)}"${seconds > staleFixSeconds ? empty : html` hidden`}><span class="tag warn">${t.view.staleFix}</span></p>
<p><a class="button secondary" href="geo:${position.latitude},${position.longitude}${radius}">${icon("position")}<span>${t.view.openMap}</span></a></p>`;
}

function whatMatters({ view, t }: Shown): Html {
  if (view.what_matters === undefined) return empty;
  return html`<section class="facts" aria-labelledby="s-matters"><h2 id="s-matters">${icon("what_matters")}<span>${t.sections.what_matters.title}</span></h2><p class="typed">${view.what_matters}</p></section>`;
}
