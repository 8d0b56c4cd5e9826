/** Importing a patient summary: upload, see what was understood and what was not, then save. */
import type { Route } from "rouage";
import { type Item, itemText, type SectionName, sectionNames } from "../../services/profiles/schema.ts";
import { ApiFailure, isRecord } from "../api.ts";
import { back, button, errorSummary, type FieldErrors, fieldId, icon, message, postForm } from "../components.ts";
import { attribute, empty, type Html, html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { records, textOf } from "./records.ts";
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
    const answer = await page.api.data("profiles", "POST", "/v1/me/import", document);
    return previewView(page, answer, JSON.stringify(document));
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
  await page.api.request("profiles", "POST", "/v1/me/import?save=true", document);
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

function previewView(page: SignedIn, answer: unknown, document: string) {
  const { t, csrf } = page;
  const words = t.importPage;
  const result = isRecord(answer) ? answer : {};
  const profile = isRecord(result.profile) ? result.profile : {};
  const found = sectionNames
    .map((name) => ({ name, items: itemsOf(profile[name]) }))
    .filter(({ items }) => items.length > 0);
  const count = found.reduce((sum, { items }) => sum + items.length, 0);
  const body = html`${back("/me/import", words.title)}<h1>${words.title}</h1>
<section class="card" aria-labelledby="understood"><h2 id="understood">${icon("check")}<span>${words.understoodCount(count)}</span></h2>
<p class="hint">${words.adds}</p>
${identityPart(profile.identity, page)}
${found.map(({ name, items }) => html`<h3>${t.sections[name].title}</h3><ul>${items.map((item) => html`<li>${itemText(item) || t.sections[name].title}</li>`)}</ul>`)}</section>
${notUnderstood(result, page)}
${postForm(
  { action: "/me/import/save", csrf },
  html`<input type="hidden" name="document" value="${document}">`,
  html`<p class="actions">${button(words.save)}<a class="button secondary" href="/me/import">${t.form.cancel}</a></p>`,
)}`;
  return page.view({ title: words.title, body, section: "home" });
}

function itemsOf(section: unknown): readonly Item<SectionName>[] {
  return isRecord(section) ? (records(section.items) as unknown as readonly Item<SectionName>[]) : [];
}

function identityPart(identity: unknown, { t }: SignedIn): Html {
  if (!isRecord(identity)) return empty;
  const line = [identity.given_names, identity.family_name, identity.birth_date].filter(textOf).join(" · ");
  return line === "" ? empty : html`<h3>${t.sections.identity.title}</h3><p>${line}</p>`;
}

function notUnderstood(result: Readonly<Record<string, unknown>>, { t }: SignedIn): Html {
  const words = t.importPage;
  const lost = [result.not_understood, result.skipped, result.ignored].find(Array.isArray) as
    | readonly unknown[]
    | undefined;
  if (lost === undefined || lost.length === 0) return message("good", html`<p>${words.nothingLost}</p>`);
  const line = (entry: unknown) =>
    isRecord(entry)
      ? [entry.what, entry.resource, entry.path, entry.text, entry.reason].filter(textOf).join(" – ")
      : String(entry);
  return html`<section class="card" aria-labelledby="lost"><h2 id="lost">${icon("warning")}<span>${words.notUnderstood}</span></h2>
<p>${words.notUnderstoodText}</p><ul>${lost.slice(0, 200).map((entry) => html`<li>${line(entry)}</li>`)}</ul></section>`;
}
