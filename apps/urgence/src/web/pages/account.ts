/** Account and security: how to reach the person, password, second factor, devices, language. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import {
  button,
  errorSummary,
  type FieldErrors,
  linkButton,
  message,
  postForm,
  selectField,
  textField,
} from "../components.ts";
import { date, phoneNumber } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import { asLanguage } from "../language.ts";
import type { Pages, SignedIn } from "../page.ts";
import { fieldErrors } from "../violations.ts";
import { mfaPart } from "./account-mfa.ts";
import { emailPart, phonePart } from "./account-reach.ts";
import { sessionsPart } from "./account-sessions.ts";
import { failing } from "./register.ts";

export function accountPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/account", "signed-in", (page) => accountView(page, {})),
    post("/me/account/language", "signed-in", changeLanguage),
    post("/me/account/password", "signed-in", changePassword),
  ];
}

interface Account {
  readonly email?: string;
  readonly phone?: string | null;
  readonly created?: string;
}

export async function accountView(page: SignedIn, errors: FieldErrors) {
  const { t, api, session } = page;
  const words = t.account;
  const [account, sessions] = await Promise.all([
    api.data<Account>("accounts", "GET", "/v1/me"),
    api.data<unknown>("accounts", "GET", "/v1/me/sessions"),
  ]);
  const phone = account.phone ?? undefined;
  const body = html`<h1>${words.title}</h1>${errorSummary(t, errors)}
${session.account.roles.includes("mfa-pending") ? message("warn", html`<p>${words.mfaRequired}</p>`) : empty}
<section class="card"><dl class="facts-list">
<div><dt>${words.email}</dt><dd>${account.email ?? session.account.email}</dd></div>
<div><dt>${words.phone}</dt><dd>${phone === undefined ? "–" : phoneNumber(phone)}</dd></div>
<div><dt>${words.created}</dt><dd>${date(account.created, page.language)}</dd></div></dl>
${phonePart(page, errors)}${emailPart(page, errors)}</section>
${mfaPart(page, errors)}${passwordPart(page, errors)}${sessionsPart(page, sessions)}${languagePart(page)}
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
  return html`<section class="card"><h2>${t.account.password}</h2><p class="hint">${t.account.passwordText}</p>${postForm(
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
  return page.redirect(`/signin/?email=${encodeURIComponent(page.session.account.email)}`, "passwordChanged", [
    page.cookies.clear("session"),
  ]);
}

/** A wrong password or code is not an expired session: those answer with the number of missing or invalid credentials. */
export function isWrongSecret(error: unknown): error is ApiFailure {
  return error instanceof ApiFailure && (error.status === 401 || error.status === 403);
}
