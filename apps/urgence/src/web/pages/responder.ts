/** The responder's pages: look a person up in two taps, see what matters, and what one has looked up. */
import type { Route } from "rouage";
import { lookupReasons } from "../../services/access/lookup-request.ts";
import type { EmergencyView } from "../../services/profiles/emergency-view.ts";
import { toE164 } from "../../shared/phone.ts";
import { ApiFailure } from "../api.ts";
import {
  button,
  errorSummary,
  type FieldErrors,
  icon,
  linkButton,
  message,
  postForm,
  selectField,
  textField,
} from "../components.ts";
import { emergencyBody } from "../emergency.ts";
import { dateTime } from "../format.ts";
import { empty, html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { pageLinks, pageQuery } from "../paging.ts";
import { fieldErrors } from "../violations.ts";
import { reasonLabel, records, textOf, timeOf } from "./records.ts";
import { failing } from "./register.ts";

export function responderPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/responder", "responder", shift),
    get("/responder/lookup", "responder", (page) => lookupView(page, {})),
    post("/responder/lookup", "responder", lookup),
  ];
}

async function shift(page: SignedIn) {
  const { t, language } = page;
  const { data, next } = await page.api.read("access", `/v1/lookups${pageQuery(page.query)}`);
  const entries = records(data);
  const body = html`<h1>${t.responder.title}</h1><p class="lead">${t.responder.lead}</p>
<p>${linkButton("/responder/lookup", t.responder.lookup, { icon: "search" })}</p>
<h2>${t.responder.recent}</h2>
${
  entries.length === 0
    ? html`<p class="muted">${t.responder.noRecent}</p>`
    : html`<ol class="log">${entries.map((entry) => {
        const found = entry.outcome === "shown" ? t.responder.found : t.responder.notFoundShort;
        return html`<li class="card"><p><strong>${textOf(entry.incident) ?? "–"}</strong> · ${reasonLabel(textOf(entry.reason), t) ?? "–"} · ${found}</p><p class="age">${dateTime(timeOf(entry), language)}</p></li>`;
      })}</ol>`
}${pageLinks("/responder", page.query, next, t)}`;
  return page.view({ title: t.responder.title, body, section: "lookups" });
}

async function lookup(page: SignedIn) {
  const { form, t, session } = page;
  const identifier = form.text("identifier");
  const [reason, incident, birthYear] = [form.text("reason"), form.text("incident"), form.text("birth_year")];
  const errors: Record<string, string> = {};
  if (identifier === "") errors.identifier = t.violations.required;
  if (reason === "") errors.reason = t.violations.required;
  if (incident === "") errors.incident = t.violations.required;
  if (birthYear !== "" && !/^\d{4}$/.test(birthYear)) errors.birth_year = t.violations.number;
  if (Object.keys(errors).length > 0) return lookupView(page, errors);
  const target = readIdentifier(identifier, page.phoneCountry);
  if (target === undefined) return lookupView(page, { identifier: t.violations.phone });
  const body = { ...target, reason, incident, ...(birthYear === "" ? {} : { birth_year: Number(birthYear) }) };
  try {
    return emergencyPage(page, await page.api.data<Answer>("access", "POST", "/v1/lookup", body));
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    if (asksBirthYear(error)) return lookupView(page, { birth_year: t.responder.secondFact }, true);
    if (error.status === 404)
      return lookupView(page, { identifier: `${t.responder.notFound} ${t.responder.notFoundText}` });
    if (error.status === 401 && session !== undefined) throw error;
    const fieldOf = (name: string) =>
      name === "phone" || name === "card"
        ? "identifier"
        : ["reason", "incident", "birth_year"].find((known) => known === name);
    const shown = fieldErrors(error, t, fieldOf);
    return lookupView(page, shown.incident === undefined ? shown : { ...shown, incident: t.violations.incident });
  }
}

function asksBirthYear({ violations }: ApiFailure): boolean {
  return violations.some(({ code }) => code === "second-fact-required");
}

/** A phone number, or what is on a card: its address or its code alone. */
export function readIdentifier(
  typed: string,
  country: string,
): { readonly phone: string } | { readonly card: string } | undefined {
  const address = /\/e\/([\w-]{8,128})(?:[?#].*)?$/.exec(typed)?.[1];
  if (address !== undefined) return { card: address };
  const phone = toE164(typed, country);
  if (phone !== undefined) return { phone };
  return /^[\w-]{16,128}$/.test(typed) ? { card: typed } : undefined;
}

interface Answer {
  readonly audit: string;
  /** Null: an account without a profile. */
  readonly view: EmergencyView | null;
  readonly position: unknown;
  /** Services that did not answer in time. */
  readonly unavailable?: readonly string[];
}

function lookupView(page: SignedIn, errors: FieldErrors, secondFact = false) {
  const { t, form, csrf } = page;
  const words = t.responder;
  const card = page.query.get("card") ?? "";
  const incident = form.text("incident") || (page.query.get("incident") ?? "");
  const open = secondFact || form.text("birth_year") !== "" || errors.birth_year !== undefined;
  const year = textField(
    {
      name: "birth_year",
      label: words.birthYear,
      hint: words.birthYearHint,
      value: form.text("birth_year"),
      inputmode: "numeric",
      maxLength: 4,
      className: "short",
    },
    errors,
  );
  const body = html`<h1>${words.lookupTitle}</h1>${errorSummary(t, errors)}
${postForm(
  { action: "/responder/lookup", csrf, className: "card lookup" },
  textField(
    {
      name: "identifier",
      label: words.identifier,
      hint: words.identifierHint,
      value: form.text("identifier") || card,
      inputmode: "tel",
      autocomplete: "off",
      required: true,
      maxLength: 300,
      className: "large",
      autofocus: Object.keys(errors).length === 0,
    },
    errors,
  ),
  textField(
    {
      name: "incident",
      label: words.incident,
      hint: words.incidentHint,
      value: incident,
      autocomplete: "off",
      required: true,
      maxLength: 64,
    },
    errors,
  ),
  selectField(
    {
      name: "reason",
      label: words.reason,
      value: form.text("reason") || "unconscious",
      choices: lookupReasons.map((reason) => [reason, t.log.reasons[reason]] as const),
    },
    errors,
  ),
  open ? year : html`<details><summary>${words.birthYear}</summary>${year}</details>`,
  button(words.submit, { icon: "search" }),
)}
<p class="muted small">${words.recorded}</p>`;
  return page.view({ title: words.lookupTitle, body, width: "narrow", section: "lookup", ...failing(errors) });
}

function emergencyPage(page: SignedIn, { view, position, audit, unavailable = [] }: Answer) {
  const { t, language, now, form } = page;
  const next = `/responder/lookup?incident=${encodeURIComponent(form.text("incident"))}`;
  const body = html`${unavailable.length === 0 ? empty : message("warn", html`<p>${t.view.unavailable}</p>`)}
${emergencyBody({ view, position, language, t, now })}
<p class="actions no-print">${linkButton(next, t.responder.another, { icon: "search" })}
<button type="button" class="secondary" data-print hidden>${icon("print")}<span>${t.view.print}</span></button></p>
<p class="muted small">${t.view.audit(audit)}</p>`;
  return page.view({ title: t.view.title, body, width: "wide", section: "lookup", compact: true });
}
