/** Importing a patient summary: upload, see what was understood and what was not, then save. */
import type { Route } from "rouage";
import type { ImportPreview } from "../../services/profiles/import/import.ts";
import { ApiFailure, isRecord } from "../api.ts";
import { back, button, errorSummary, type FieldErrors, fieldId, icon, message, postForm } from "../components.ts";
import { date, languageName } from "../format.ts";
import { attribute, empty, type HtmlPart, html } from "../html.ts";
import type { Dictionary } from "../i18n/dictionary.ts";
import type { Pages, SignedIn } from "../page.ts";
import { choiceLabel } from "../profile/fields.ts";
import { loadStored } from "../profile/saving.ts";
import { textOf } from "./records.ts";
import { failing } from "./register.ts";

/** Largest document, in bytes. */
const documentLimit = 1_000_000;

export function importPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/import", "signed-in", (page) => uploadView(page, {})),
    post("/me/import", "signed-in", preview, { bodyLimit: documentLimit + 20_000 }),
    post("/me/import/save", "signed-in", save, { bodyLimit: 4 * documentLimit }),
  ];
}

async function preview(page: SignedIn) {
  const { t, form } = page;
  const file = await form.file("document");
  if (file === undefined) return uploadView(page, { document: t.importPage.none });
  if (file.bytes.length > documentLimit) return uploadView(page, { document: t.importPage.tooLarge });
  const text = decode(file.bytes);
  const document = text === undefined ? undefined : parse(text);
  if (text === undefined || document === undefined) return uploadView(page, { document: t.importPage.unreadable });
  try {
    return await previewView(page, document);
  } catch (error) {
    if (error instanceof ApiFailure && [400, 413, 415, 422].includes(error.status)) {
      return uploadView(page, { document: t.importPage.unreadable });
    }
    throw error;
  }
}

async function save(page: SignedIn) {
  const document = parse(page.form.secret("document"));
  if (document === undefined) return uploadView(page, { document: page.t.importPage.unreadable });
  const version = /^"\d{1,15}"$/.exec(page.form.text("version"))?.[0];
  try {
    const precondition = version === undefined ? undefined : { "if-match": version };
    await page.api.request("profiles", "POST", "/v1/me/import?save=true", document, precondition);
  } catch (error) {
    // Changed since the preview: shown anew, so that nothing is saved that was not seen.
    if (error instanceof ApiFailure && error.status === 412) return previewView(page, document, true);
    throw error;
  }
  return page.redirect("/me/profile", "imported");
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function uploadView(page: SignedIn, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.importPage;
  const id = fieldId("document");
  const body = html`${back("/me", t.home.title)}<h1>${words.title}</h1>${errorSummary(t, errors)}<p class="lead">${words.lead}</p>
${postForm(
  { action: "/me/import", csrf, multipart: true, className: "card" },
  html`<div class="field${errors.document === undefined ? "" : " invalid"}"><label for="${id}">${words.file}</label>
${errors.document === undefined ? empty : html`<p class="error" id="${id}-error">${errors.document}</p>`}
<input type="file" id="${id}" name="document" accept=".json,application/json,application/fhir+json" required${attribute("aria-describedby", errors.document === undefined ? undefined : `${id}-error`)}></div>`,
  button(words.preview, { icon: "upload" }),
)}`;
  return page.view({ title: words.title, body, width: "narrow", section: "home", ...failing(errors) });
}

async function previewView(page: SignedIn, document: object, changed = false) {
  const { t, csrf } = page;
  const words = t.importPage;
  const { etag } = await loadStored(page);
  const preview = await page.api.data<ImportPreview>("profiles", "POST", "/v1/me/import", document);
  const { understood, not_understood, conflicts, warnings } = preview;
  const bySection = Map.groupBy(understood, ({ section }) => section);
  const body = html`${back("/me/import", words.title)}<h1>${words.title}</h1>${changed ? html`<div class="notice warn" role="alert" id="summary" tabindex="-1">${icon("warning")}<p>${words.changed}</p></div>` : empty}
${warnings.length === 0 ? empty : message("warn", html`<p><strong>${words.warnings}</strong></p><ul lang="en">${warnings.map((warning) => html`<li>${warning}</li>`)}</ul>`)}
<section class="card" aria-labelledby="understood"><h2 id="understood">${icon("check")}<span>${words.understoodCount(understood.length)}</span></h2>
<p class="hint">${words.adds}</p>
${[...bySection].map(([section, entries]) => html`<h3>${sectionTitle(section, page)}</h3><ul>${entries.map(({ text }) => html`<li>${section === "identity" ? identityFact(text, page) : text}</li>`)}</ul>`)}</section>
${conflicts.length === 0 ? empty : html`<section class="card" aria-labelledby="conflicts"><h2 id="conflicts">${icon("info")}<span>${words.conflicts}</span></h2><p>${words.conflictsText}</p><ul>${conflicts.map((conflict) => html`<li><strong>${sectionTitle(String(conflict.section), page)}</strong> ${saidIn(conflict, page)}</li>`)}</ul></section>`}
${
  not_understood.length === 0
    ? message("good", html`<p>${words.nothingLost}</p>`)
    : html`<section class="card" aria-labelledby="lost"><h2 id="lost">${icon("warning")}<span>${words.notUnderstood}</span></h2>
<p>${words.notUnderstoodText}</p><ul lang="en">${not_understood.slice(0, 200).map(({ source, reason }) => html`<li>${source}: ${reason}</li>`)}</ul></section>`
}
${postForm(
  { action: "/me/import/save", csrf },
  html`<input type="hidden" name="document" value="${JSON.stringify(document)}"><input type="hidden" name="version" value="${etag ?? ""}">`,
  html`<p class="actions">${button(words.save)}<a class="button secondary" href="/me/import">${t.form.cancel}</a></p>`,
)}`;
  return page.view({ title: words.title, body, section: "home", ...(changed ? { status: 409 } : {}) });
}

/** `birth_date: 1972-05-01` in the reader's words. */
function identityFact(text: string, page: SignedIn): HtmlPart {
  const [, field = "", value = ""] = /^(\w+): ([\s\S]*)$/.exec(text) ?? [];
  const { fields } = page.t;
  if (!Object.hasOwn(fields, field)) return text;
  return html`<strong>${String(fields[field as keyof typeof fields])}</strong> ${identityValue(field, value, page)}`;
}

function identityValue(field: string, value: string, { t, language }: SignedIn): string {
  if (field === "sex") return choiceLabel(value, t);
  if (field === "birth_date") return date(value, language);
  if (field !== "languages") return value;
  return value
    .split(",")
    .map((code) => languageName(code, language))
    .join(", ");
}

function saidIn({ section, field, imported }: ImportPreview["conflicts"][number], page: SignedIn): string {
  if (section !== "identity") return said(imported);
  return identityValue(String(field), Array.isArray(imported) ? imported.join(",") : said(imported), page);
}

/** The words of what a document says, whether an item or a single value. */
function said(value: unknown): string {
  return (isRecord(value) ? (textOf(value.text) ?? textOf(value.name)) : textOf(value)) ?? "–";
}

function sectionTitle(section: string, { t }: SignedIn): string {
  return Object.hasOwn(t.sections, section) ? t.sections[section as keyof Dictionary["sections"]].title : section;
}
