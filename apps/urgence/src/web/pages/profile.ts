/** The person's profile: the overview by sections, one editor a section, and the page a rescuer would get. */
import type { Route } from "rouage";
import { ServiceError } from "rouage";
import type { EmergencyView } from "../../services/profiles/emergency-view.ts";
import { aged } from "../../services/profiles/emergency-view.ts";
import {
  freshProfile,
  itemText,
  type Profile,
  type Section,
  type SectionName,
  sectionNames,
} from "../../services/profiles/schema.ts";
import { toE164 } from "../../shared/phone.ts";
import { ApiFailure, isRecord } from "../api.ts";
import {
  back,
  button,
  checkbox,
  errorSummary,
  type FieldErrors,
  icon,
  linkButton,
  message,
  postForm,
  selectField,
  textArea,
  textField,
} from "../components.ts";
import { emergencyBody } from "../emergency.ts";
import { ago, date } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import type { Language } from "../language.ts";
import type { Page, Pages, SignedIn } from "../page.ts";
import { blankRow, saveButton, sectionEditor } from "../profile/editor.ts";
import { itemFields } from "../profile/fields.ts";
import { buildSection, parseSection, rowsOf, type SectionForm, splitLanguages } from "../profile/parse.ts";
import { fieldErrors } from "../violations.ts";
import { failing } from "./register.ts";

export function profilePages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/profile", "signed-in", overview),
    get("/me/rescuer-view", "signed-in", rescuerView),
    get("/me/profile/{section}", "signed-in", async (page) => showEditor(page, await loadProfile(page))),
    post("/me/profile/{section}", "signed-in", save),
    post("/me/profile/{section}/confirm", "signed-in", stillTrue),
  ];
}

export async function loadProfile(page: SignedIn): Promise<Profile> {
  const stored = await page.api.find<Profile>("profiles", "/v1/me/profile");
  return { ...freshProfile(), ...stored };
}

type Part = SectionName | "identity" | "what_matters";
const parts: readonly Part[] = ["identity", ...sectionNames, "what_matters"];

function partOf(page: Page): Part {
  const part = parts.find((known) => known === page.params.section);
  if (part === undefined) throw new ServiceError("route-not-found");
  return part;
}

/** Writes some parts; the API merges them with the rest. */
export async function writeParts(page: SignedIn, data: Readonly<Record<string, unknown>>): Promise<void> {
  try {
    await page.api.request("profiles", "PATCH", "/v1/me/profile", { data });
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status !== 404) throw error;
    await page.api.request("profiles", "PUT", "/v1/me/profile", { data: withoutNulls(data) });
  }
}

/** In a patch, null takes a field away; in a first profile there is nothing to take away. */
function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutNulls(member)]));
}

// The overview

async function overview(page: SignedIn) {
  const { t } = page;
  const profile = await loadProfile(page);
  const body = html`<h1>${t.profile.title}</h1><p class="lead">${t.profile.lead}</p>
<p>${linkButton("/me/rescuer-view", t.profile.rescuerView, { kind: "secondary", icon: "eye" })}</p>
<div class="cards">${parts.map((part) => partCard(page, profile, part))}</div>`;
  return page.view({ title: t.profile.title, body, section: "profile" });
}

function partCard(page: SignedIn, profile: Profile, part: Part): Html {
  const { t } = page;
  const words = t.sections[part];
  const answered = isAnswered(profile, part);
  const content =
    part === "identity"
      ? html`<p>${identityLine(profile, page.language) || t.profile.empty}</p>`
      : part === "what_matters"
        ? html`<p class="clamp">${profile.what_matters ?? t.profile.empty}</p>`
        : sectionSummary(page, part, profile[part]);
  return html`<section class="card part${answered ? "" : " open"}" aria-labelledby="part-${part}">
<h2 id="part-${part}">${icon(part)}<span>${words.title}</span></h2>
${content}
<p class="actions"><a class="button secondary" href="/me/profile/${part}">${answered ? t.profile.edit : t.profile.answer}<span class="visually-hidden">: ${words.title}</span></a></p>
${part === "identity" || part === "what_matters" ? empty : confirmForm(page, profile[part], part)}
</section>`;
}

export function isAnswered(profile: Profile, part: Part): boolean {
  if (part === "identity") return identityLine(profile) !== "";
  if (part === "what_matters") return profile.what_matters !== undefined;
  return profile[part].statement !== "no-information";
}

function identityLine({ identity }: Profile, language: Language = "en"): string {
  const name = [identity.preferred_name ?? identity.given_names, identity.family_name].filter(Boolean).join(" ");
  const birth = identity.birth_date === "unknown" ? undefined : identity.birth_date;
  return [name, birth === undefined ? "" : date(birth, language)].filter((part) => part !== "").join(" · ");
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

/** Offered when something in the section has not been confirmed for long. */
export function confirmForm({ t, csrf, now }: SignedIn, section: Section, name: SectionName): Html {
  if (!isStale(section, now)) return empty;
  return postForm(
    { action: `/me/profile/${name}/confirm`, csrf, className: "inline" },
    html`<button type="submit" class="secondary">${icon("check")}<span>${t.profile.stillTrue}</span><span class="visually-hidden">: ${t.sections[name].title}</span></button>`,
  );
}

export function isStale(section: Section, now: number): boolean {
  if (section.statement === "no-information") return false;
  const times = section.items.map((item) => item.confirmed_at);
  if (section.statement !== "listed" && section.confirmed_at !== undefined) times.push(section.confirmed_at);
  return times.some((time) => aged(time, now).stale);
}

// One section

function showEditor(page: SignedIn, profile: Profile) {
  const part = partOf(page);
  if (part === "identity") return identityEditor(page, identityValues(profile), {});
  if (part === "what_matters") return whatMattersEditor(page, profile.what_matters ?? "", {});
  const rows = rowsOf(profile[part], part);
  const statement = page.query.get("add") === "1" ? "listed" : profile[part].statement;
  const form: SectionForm = { statement, rows, action: { kind: "save" } };
  return editorView(page, part, form, {});
}

async function save(page: SignedIn) {
  const part = partOf(page);
  if (part === "identity") return saveIdentity(page);
  if (part === "what_matters") return saveWhatMatters(page);
  const { form, t } = page;
  const parsed = parseSection(form, part);
  if (parsed.action.kind === "add") {
    const next = Math.max(-1, ...parsed.rows.map((row) => row.index)) + 1;
    return editorView(page, part, { ...parsed, rows: [...parsed.rows, blankRow(next)] }, {});
  }
  if (parsed.action.kind === "remove") {
    const { index } = parsed.action;
    return editorView(page, part, { ...parsed, rows: parsed.rows.filter((row) => row.index !== index) }, {});
  }
  const profile = await loadProfile(page);
  const parsePhone = (typed: string) => toE164(typed, page.phoneCountry);
  const { section, errors, indexes } = buildSection(part, parsed, { stored: profile[part], t, parsePhone });
  if (Object.keys(errors).length > 0) return editorView(page, part, parsed, errors);
  try {
    await writeParts(page, { [part]: section });
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 412)
      return editorView(page, part, parsed, { "": t.profile.changed });
    return editorView(page, part, parsed, fieldErrors(error, t, itemFieldOf(part, indexes)));
  }
  return page.redirect("/me/profile", "saved");
}

/** `medications.items.1.dose` of the saved section → the field of the row it was typed in. */
function itemFieldOf(part: SectionName, indexes: readonly number[]) {
  return (name: string): string | undefined => {
    const match = new RegExp(`^${part}\\.items\\.(\\d+)\\.(\\w+)`).exec(name);
    const row = indexes[Number(match?.[1])];
    if (row !== undefined && itemFields[part].some((field) => field.name === match?.[2]))
      return `items.${row}.${match?.[2]}`;
    return name.startsWith(part) ? "statement" : undefined;
  };
}

function editorView(page: SignedIn, part: SectionName, form: SectionForm, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.sections[part];
  const body = html`${back("/me/profile", t.profile.title)}<h1>${words.title}</h1>${errorSummary(t, errors)}<p class="lead">${words.lead}</p>
${postForm(
  { action: `/me/profile/${part}`, csrf, className: "card editor", guard: true },
  html`<button type="submit" name="action" value="save" class="visually-hidden" tabindex="-1" aria-hidden="true">${t.form.save}</button>`,
  sectionEditor(form, { name: part, t, errors }),
  html`<p class="actions">${saveButton(t)}<a class="button secondary" href="/me/profile">${t.form.cancel}</a></p>`,
)}`;
  return page.view({ title: words.title, body, section: "profile", ...failing(errors) });
}

async function stillTrue(page: SignedIn) {
  const part = partOf(page);
  if (part === "identity" || part === "what_matters") throw new ServiceError("route-not-found");
  const profile = await loadProfile(page);
  const { statement, items } = profile[part];
  const asked = page.form.text("item");
  const confirmed = items.map((item) => (asked === "" || asked === item.id ? without(item) : item));
  await writeParts(page, { [part]: { statement, items: confirmed, confirmed_at: null } });
  return page.redirect(page.form.text("from") === "home" ? "/me" : "/me/profile", "confirmed");
}

/** Left out, the server confirms it now. */
function without(item: Section["items"][number]): object {
  const { confirmed_at: _, confirmed_by: __, ...content } = item;
  return content;
}

// Identity, and what matters

const identityNames = ["given_names", "family_name", "preferred_name", "birth_date", "sex", "languages"] as const;
type IdentityValues = Readonly<Record<(typeof identityNames)[number], string>>;

function identityValues({ identity }: Profile): IdentityValues {
  const { languages = [], ...rest } = identity;
  const values = Object.fromEntries(identityNames.map((name) => [name, (rest as Record<string, unknown>)[name] ?? ""]));
  return { ...values, languages: languages.join(", ") } as IdentityValues;
}

async function saveIdentity(page: SignedIn) {
  const { form, t } = page;
  const values = Object.fromEntries(identityNames.map((name) => [name, form.text(name)])) as IdentityValues;
  const unknown = form.has("birth_unknown");
  const identity = {
    ...Object.fromEntries(identityNames.map((name) => [name, values[name] === "" ? null : values[name]])),
    birth_date: unknown ? "unknown" : values.birth_date === "" ? null : values.birth_date,
    languages: values.languages === "" ? null : splitLanguages(values.languages),
  };
  try {
    await writeParts(page, { identity });
  } catch (error) {
    const fieldOf = (name: string) => identityNames.find((known) => name.startsWith(`identity.${known}`));
    return identityEditor(
      page,
      { ...values, birth_date: unknown ? "unknown" : values.birth_date },
      fieldErrors(error, t, fieldOf),
    );
  }
  return page.redirect("/me/profile", "saved");
}

function identityEditor(page: SignedIn, values: IdentityValues, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.sections.identity;
  const unknown = values.birth_date === "unknown";
  const sexes = ["female", "male", "other", "unknown"] as const;
  const body = html`${back("/me/profile", t.profile.title)}<h1>${words.title}</h1>${errorSummary(t, errors)}<p class="lead">${words.lead}</p>
${postForm(
  { action: "/me/profile/identity", csrf, className: "card", guard: true },
  textField(
    {
      name: "given_names",
      label: t.fields.given_names,
      value: values.given_names,
      autocomplete: "given-name",
      maxLength: 200,
    },
    errors,
  ),
  textField(
    {
      name: "family_name",
      label: t.fields.family_name,
      value: values.family_name,
      autocomplete: "family-name",
      maxLength: 200,
    },
    errors,
  ),
  textField(
    {
      name: "preferred_name",
      label: `${t.fields.preferred_name} (${t.form.optional})`,
      value: values.preferred_name,
      autocomplete: "nickname",
      maxLength: 200,
    },
    errors,
  ),
  textField(
    {
      name: "birth_date",
      label: t.fields.birth_date,
      hint: t.fields.birth_dateHint,
      value: unknown ? "" : values.birth_date,
      autocomplete: "bday",
      maxLength: 10,
      className: "short",
    },
    errors,
  ),
  checkbox("birth_unknown", `${t.fields.birth_date}: ${t.choices.unknown}`, unknown),
  selectField(
    {
      name: "sex",
      label: t.fields.sex,
      value: values.sex,
      choices: [["", t.form.unspecified], ...sexes.map((sex) => [sex, t.choices[sex]] as const)],
    },
    errors,
  ),
  textField(
    {
      name: "languages",
      label: t.fields.languages,
      hint: t.fields.languagesHint,
      value: values.languages,
      maxLength: 200,
    },
    errors,
  ),
  html`<p class="actions">${button(t.form.save)}<a class="button secondary" href="/me/profile">${t.form.cancel}</a></p>`,
)}`;
  return page.view({ title: words.title, body, section: "profile", ...failing(errors) });
}

async function saveWhatMatters(page: SignedIn) {
  const typed = page.form.text("what_matters");
  try {
    await writeParts(page, { what_matters: typed === "" ? null : typed });
  } catch (error) {
    return whatMattersEditor(
      page,
      typed,
      fieldErrors(error, page.t, () => "what_matters"),
    );
  }
  return page.redirect("/me/profile", "saved");
}

function whatMattersEditor(page: SignedIn, value: string, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.sections.what_matters;
  const body = html`${back("/me/profile", t.profile.title)}<h1>${words.title}</h1>${errorSummary(t, errors)}<p class="lead">${words.lead}</p>
${postForm(
  { action: "/me/profile/what_matters", csrf, className: "card", guard: true },
  textArea(
    {
      name: "what_matters",
      label: t.fields.what_matters,
      hint: t.fields.what_mattersHint,
      value,
      maxLength: 4000,
      rows: 8,
    },
    errors,
  ),
  html`<p class="actions">${button(t.form.save)}<a class="button secondary" href="/me/profile">${t.form.cancel}</a></p>`,
)}`;
  return page.view({ title: words.title, body, section: "profile", ...failing(errors) });
}

// What a rescuer sees

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
