/** Account and security: language, password, second factor, where one is signed in; and the end of it all, with a receipt. */
import type { Route } from "rouage";
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
  textField,
} from "../components.ts";
import { date, dateTime } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import type { Dictionary } from "../i18n/dictionary.ts";
import { asLanguage } from "../language.ts";
import type { Pages, SignedIn } from "../page.ts";
import { qrCode } from "../qr.ts";
import { fieldErrors } from "../violations.ts";
import { records, textOf, timeOf } from "./records.ts";
import { failing } from "./register.ts";

export function accountPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/account", "signed-in", (page) => accountView(page, {})),
    post("/me/account/language", "signed-in", changeLanguage),
    post("/me/account/password", "signed-in", changePassword),
    post("/me/account/sessions", "signed-in", signOutEverywhere),
    post("/me/account/mfa", "signed-in", startMfa),
    post("/me/account/mfa/confirm", "signed-in", confirmMfa),
    post("/me/account/mfa/stop", "signed-in", stopMfa),
    get("/me/delete", "signed-in", (page) => deleteView(page, {})),
    post("/me/delete/profile", "signed-in", deleteProfile),
    post("/me/delete/account", "signed-in", deleteAccount),
  ];
}

interface Account {
  readonly email?: string;
  readonly phone?: string;
  readonly created?: string | number;
  readonly created_at?: string | number;
  readonly language?: string;
}

async function accountView(page: SignedIn, errors: FieldErrors) {
  const { t, api, session } = page;
  const words = t.account;
  const [account, sessions] = await Promise.all([
    api.data<Account>("accounts", "GET", "/v1/me"),
    api.data<unknown>("accounts", "GET", "/v1/me/sessions"),
  ]);
  const body = html`<h1>${words.title}</h1>${errorSummary(t, errors)}
${session.account.roles.includes("mfa-pending") ? message("warn", html`<p>${words.mfaRequired}</p>`) : empty}
<section class="card"><dl class="facts-list">
<div><dt>${words.email}</dt><dd>${account.email ?? session.account.email}</dd></div>
<div><dt>${words.phone}</dt><dd>${account.phone ?? "–"}</dd></div>
<div><dt>${words.created}</dt><dd>${date(account.created ?? account.created_at, page.language)}</dd></div></dl></section>
${mfaPart(page, errors)}${passwordPart(page, errors)}${languagePart(page)}${sessionsPart(page, sessions)}
<p>${linkButton("/me/delete", words.deleteLink, { kind: "secondary", icon: "trash" })}</p>`;
  return page.view({ title: words.title, body, width: "narrow", section: "account", ...failing(errors) });
}

function languagePart({ t, csrf, language }: SignedIn): Html {
  return html`<section class="card"><h2>${t.account.language}</h2>${postForm(
    { action: "/me/account/language", csrf },
    selectField(
      {
        name: "language",
        label: t.account.languageText,
        value: language,
        autocomplete: "language",
        choices: [
          ["fr", "Français"],
          ["en", "English"],
        ],
      },
      {},
    ),
    button(t.form.save, { kind: "secondary" }),
  )}</section>`;
}

async function changeLanguage(page: SignedIn) {
  const language = asLanguage(page.form.text("language"));
  if (language === undefined) return accountView(page, { language: page.t.violations.invalid });
  await page.api.request("accounts", "PATCH", "/v1/me", { language });
  page.forgetSession();
  return page.redirect("/me/account", "language", [page.cookies.set("lang", language, { maxAge: 31_536_000 })]);
}

function passwordPart({ t, csrf }: SignedIn, errors: FieldErrors): Html {
  return html`<section class="card"><h2>${t.account.password}</h2>${postForm(
    { action: "/me/account/password", csrf },
    textField(
      {
        name: "current",
        label: t.account.current,
        type: "password",
        autocomplete: "current-password",
        required: true,
        maxLength: 256,
      },
      errors,
    ),
    textField(
      {
        name: "password",
        label: t.form.newPassword,
        hint: t.form.passwordHint,
        type: "password",
        autocomplete: "new-password",
        required: true,
        maxLength: 256,
      },
      errors,
    ),
    button(t.account.change, { kind: "secondary" }),
  )}</section>`;
}

async function changePassword(page: SignedIn) {
  const { form, t, api } = page;
  const [current, password] = [form.secret("current"), form.secret("password")];
  const errors: Record<string, string> = {};
  if (current === "") errors.current = t.violations.required;
  if (password === "") errors.password = t.violations.required;
  if (Object.keys(errors).length > 0) return accountView(page, errors);
  try {
    await api.request("accounts", "POST", "/v1/me/password", { current, password });
  } catch (error) {
    if (isWrongSecret(error)) return accountView(page, { current: t.violations.current });
    const fieldOf = (name: string) => (name === "current" || name === "password" ? name : undefined);
    return accountView(page, fieldErrors(error, t, fieldOf));
  }
  page.forgetSession();
  return page.redirect("/signin/", "passwordChanged", [page.cookies.clear("session")]);
}

/** A wrong password or code is not an expired session: those answer with the number of missing or invalid credentials. */
function isWrongSecret(error: unknown): error is ApiFailure {
  return error instanceof ApiFailure && (error.status === 401 || error.status === 403);
}

function sessionsPart({ t, csrf, language }: SignedIn, sessions: unknown): Html {
  return html`<section class="card"><h2>${t.account.sessions}</h2>
<ul class="plain-list">${records(sessions).map(
    (entry) =>
      html`<li>${t.account.session(dateTime(timeOf({ ...entry, at: entry.created ?? entry.created_at ?? entry.at }), language))}${entry.current === true ? html` <span class="tag">${t.account.thisSession}</span>` : empty}</li>`,
  )}</ul>${postForm({ action: "/me/account/sessions", csrf }, button(t.account.signOutAll, { kind: "secondary" }))}</section>`;
}

async function signOutEverywhere(page: SignedIn) {
  await page.api.request("accounts", "DELETE", "/v1/sessions?all=true");
  page.forgetSession();
  return page.redirect("/signin/", "signedOutAll", [page.cookies.clear("session")]);
}

// Second factor

function mfaPart({ t, csrf, session }: SignedIn, errors: FieldErrors): Html {
  const words = t.account;
  if (!session.account.mfa) {
    return html`<section class="card"><h2>${words.mfa}</h2><p>${words.mfaOff}</p>${postForm({ action: "/me/account/mfa", csrf }, button(words.mfaStart, { icon: "shield" }))}</section>`;
  }
  return html`<section class="card"><h2>${words.mfa}</h2><p class="said none">${icon("shield")}<span>${words.mfaOn}</span></p>
<details${errors.mfa_password === undefined && errors.mfa_code === undefined ? empty : html` open`}><summary>${words.mfaStop}</summary>${postForm(
    { action: "/me/account/mfa/stop", csrf },
    textField(
      {
        name: "mfa_password",
        label: t.account.current,
        type: "password",
        autocomplete: "current-password",
        required: true,
      },
      errors,
    ),
    textField(
      {
        name: "mfa_code",
        label: t.form.otp,
        hint: t.form.otpHint,
        autocomplete: "one-time-code",
        inputmode: "numeric",
        required: true,
        maxLength: 32,
        className: "code",
      },
      errors,
    ),
    button(words.mfaStop, { kind: "danger" }),
  )}</details></section>`;
}

interface Enrolment {
  readonly secret: string;
  readonly uri: string;
}

async function startMfa(page: SignedIn) {
  const { secret, uri } = await page.api.data<Enrolment>("accounts", "POST", "/v1/me/mfa", {});
  return enrolView(page, { secret, uri }, {});
}

async function confirmMfa(page: SignedIn) {
  const { form, t } = page;
  const code = form.text("code").replace(/\s/g, "");
  const enrolment = { secret: form.text("secret"), uri: form.text("uri") };
  if (code === "") return enrolView(page, enrolment, { code: t.violations.required });
  try {
    const answer = await page.api.data<unknown>("accounts", "PUT", "/v1/me/mfa", { code });
    page.forgetSession();
    return recoveryView(page, answer);
  } catch (error) {
    if (!(error instanceof ApiFailure) || ![400, 401, 403, 422].includes(error.status)) throw error;
    return enrolView(page, enrolment, { code: t.violations.otp });
  }
}

function enrolView(page: SignedIn, { secret, uri }: Enrolment, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.account;
  const body = html`${back("/me/account", words.title)}<h1>${words.mfa}</h1>${errorSummary(t, errors)}<p class="lead">${words.mfaScan}</p>
<div class="card enrol">${uri.startsWith("otpauth://") && uri.length < 800 ? qrCode(uri, words.mfaQr) : empty}
<p>${words.mfaSecret}<br><code class="figure break">${secret.replace(/(.{4})/g, "$1 ").trim()}</code></p>
${postForm(
  { action: "/me/account/mfa/confirm", csrf },
  html`<input type="hidden" name="secret" value="${secret}"><input type="hidden" name="uri" value="${uri}">`,
  textField(
    {
      name: "code",
      label: t.form.otp,
      autocomplete: "one-time-code",
      inputmode: "numeric",
      required: true,
      maxLength: 10,
      className: "code",
    },
    errors,
  ),
  button(words.mfaConfirm),
)}</div>`;
  return page.view({ title: words.mfa, body, width: "narrow", section: "account", ...failing(errors) });
}

function recoveryView(page: SignedIn, answer: unknown) {
  const { t } = page;
  const words = t.account;
  const list = isRecord(answer) ? (answer.recovery_codes ?? answer.codes) : answer;
  const codes = Array.isArray(list) ? list.filter((code) => typeof code === "string") : [];
  const body = html`<h1>${words.recoveryTitle}</h1><p class="lead">${words.recoveryText}</p>
<ul class="card codes">${codes.map((code) => html`<li><code class="figure">${code}</code></li>`)}</ul>
<p class="actions"><button type="button" class="secondary" data-print hidden>${icon("print")}<span>${t.view.print}</span></button>${linkButton("/start", words.recoveryDone)}</p>`;
  return page.view({ title: words.recoveryTitle, body, width: "narrow", section: "account" });
}

async function stopMfa(page: SignedIn) {
  const { form, t } = page;
  const [password, code] = [form.secret("mfa_password"), form.text("mfa_code").replace(/\s/g, "")];
  const errors: Record<string, string> = {};
  if (password === "") errors.mfa_password = t.violations.required;
  if (code === "") errors.mfa_code = t.violations.required;
  if (Object.keys(errors).length > 0) return accountView(page, errors);
  try {
    await page.api.request("accounts", "DELETE", "/v1/me/mfa", { password, code });
  } catch (error) {
    if (isWrongSecret(error)) return accountView(page, { mfa_code: t.violations.otp });
    return accountView(
      page,
      fieldErrors(error, t, (name) => `mfa_${name}`),
    );
  }
  page.forgetSession();
  return page.redirect("/signin/", "mfaOff", [page.cookies.clear("session")]);
}

// The end

function deleteView(page: SignedIn, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.deletePage;
  const body = html`${back("/me", t.home.title)}<h1>${words.title}</h1>${errorSummary(t, errors)}
<p>${linkButton("/me/export", words.exportFirst, { kind: "secondary", icon: "download" })}</p>
<section class="card"><h2>${words.profileTitle}</h2><p>${words.profileText}</p>
${postForm({ action: "/me/delete/profile", csrf }, confirmBox("confirm_profile", words.confirm, errors), button(words.profileButton, { kind: "danger" }))}</section>
<section class="card danger-zone"><h2>${words.accountTitle}</h2><p>${words.accountText}</p>
${postForm(
  { action: "/me/delete/account", csrf },
  textField(
    {
      name: "password",
      label: words.password,
      type: "password",
      autocomplete: "current-password",
      required: true,
      maxLength: 256,
    },
    errors,
  ),
  page.session.account.mfa
    ? textField(
        {
          name: "totp",
          label: t.form.otp,
          hint: t.form.otpHint,
          autocomplete: "one-time-code",
          inputmode: "numeric",
          required: true,
          maxLength: 32,
          className: "code",
        },
        errors,
      )
    : empty,
  confirmBox("confirm_account", words.confirm, errors),
  button(words.accountButton, { kind: "danger", icon: "trash" }),
)}</section>`;
  return page.view({ title: words.title, body, width: "narrow", section: "account", ...failing(errors) });
}

function confirmBox(name: string, label: string, errors: FieldErrors): Html {
  return html`<div class="field${errors[name] === undefined ? "" : " invalid"}" id="f-${name}" tabindex="-1">${errors[name] === undefined ? empty : html`<p class="error">${errors[name]}</p>`}${checkbox(name, label, false)}</div>`;
}

async function deleteProfile(page: SignedIn) {
  if (!page.form.has("confirm_profile")) return deleteView(page, { confirm_profile: page.t.deletePage.confirmNeeded });
  try {
    await page.api.request("profiles", "DELETE", "/v1/me/profile");
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status !== 404) throw error;
  }
  return page.redirect("/me", "profileDeleted");
}

async function deleteAccount(page: SignedIn) {
  const { form, t } = page;
  const [password, totp] = [form.secret("password"), form.text("totp").replace(/\s/g, "")];
  const errors: Record<string, string> = {};
  if (password === "") errors.password = t.violations.required;
  if (page.session.account.mfa && totp === "") errors.totp = t.violations.required;
  if (!form.has("confirm_account")) errors.confirm_account = t.deletePage.confirmNeeded;
  if (Object.keys(errors).length > 0) return deleteView(page, errors);
  try {
    const receipt = await page.api.data<Receipt>("accounts", "DELETE", "/v1/me", {
      password,
      ...(totp === "" ? {} : { totp }),
    });
    page.forgetSession();
    return receiptView(page, receipt);
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    // A service is away: the erasure is on record and goes on by itself.
    const pending = textOf(error.details.receipt);
    if (pending !== undefined) return receiptView(page, { id: pending, state: "running", at: null, counts: {} });
    if ("totp" in error.details) return deleteView(page, { totp: t.violations.otp });
    if (isWrongSecret(error)) return deleteView(page, { password: t.violations.current });
    return deleteView(
      page,
      fieldErrors(error, t, () => "password"),
    );
  }
}

interface Receipt {
  readonly id: string;
  readonly state: "running" | "done";
  readonly at: string | null;
  readonly counts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

function receiptView(page: SignedIn, { id, state, at, counts }: Receipt) {
  const { t, language } = page;
  const words = t.deletePage;
  const rows = receiptRows(counts, t);
  const title = state === "done" ? words.receiptTitle : words.runningTitle;
  const body = html`<h1>${title}</h1><p class="lead">${state === "done" ? words.receiptLead : words.runningLead}</p>
<section class="card receipt"><dl class="facts-list">
<div><dt>${words.receiptNumber}</dt><dd><code class="break">${id}</code></dd></div>
<div><dt>${words.receiptDate}</dt><dd>${dateTime(at ?? page.now, language)}</dd></div></dl>
${
  rows.length === 0
    ? empty
    : html`<h2>${words.receiptWhat}</h2>
<table><thead><tr><th scope="col">${words.receiptService}</th><th scope="col">${words.receiptItem}</th><th scope="col">${words.receiptCount}</th></tr></thead>
<tbody>${rows.map(([service, item, count]) => html`<tr><th scope="row">${service}</th><td>${item}</td><td class="figure">${count}</td></tr>`)}</tbody></table>`
}</section>
<p class="actions"><button type="button" class="secondary" data-print hidden>${icon("print")}<span>${t.view.print}</span></button>${linkButton("/", t.errors.home)}</p>`;
  return page.farewell({ title, body, width: "narrow" });
}

/** What went, by service, as rows. */
function receiptRows(
  counts: Receipt["counts"],
  { deletePage: words }: Dictionary,
): readonly (readonly [string, string, number])[] {
  const label = (names: Readonly<Record<string, string>>, key: string) =>
    Object.hasOwn(names, key) ? (names[key] ?? key) : key.replaceAll("_", " ");
  return Object.entries(counts).flatMap(([service, items]) =>
    Object.entries(items).flatMap(([item, count]) =>
      typeof count === "number" && count > 0
        ? [[label(words.services, service), label(words.items, item), count] as const]
        : [],
    ),
  );
}
