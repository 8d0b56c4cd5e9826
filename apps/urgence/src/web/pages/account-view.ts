/** The account page as it is shown, also again when something on it was refused. */
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
import type { SignedIn } from "../page.ts";
import { emailPart, mfaPart, phonePart } from "./account-parts.ts";
import { sessionsPart } from "./account-sessions.ts";
import { failing } from "./register.ts";

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

interface Account {
  readonly email?: string;
  readonly phone?: string | null;
  readonly created?: string;
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

/** A wrong password or code is not an expired session: those answer with the number of missing or invalid credentials. */
export function isWrongSecret(error: unknown): error is ApiFailure {
  return error instanceof ApiFailure && (error.status === 401 || error.status === 403);
}
