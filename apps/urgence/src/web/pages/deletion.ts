/** Erasing the profile, or everything, with a receipt. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import {
  back,
  button,
  checkbox,
  errorSummary,
  type FieldErrors,
  icon,
  linkButton,
  postForm,
  textField,
} from "../components.ts";
import { dateTime } from "../format.ts";
import { empty, type Html, html } from "../html.ts";
import type { Dictionary } from "../i18n/dictionary.ts";
import type { Pages, SignedIn } from "../page.ts";
import { fieldErrors } from "../violations.ts";
import { isWrongSecret } from "./account-view.ts";
import { textOf } from "./records.ts";
import { failing } from "./register.ts";

export function deletionPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/delete", "signed-in", (page) => deleteView(page, {})),
    post("/me/delete/profile", "signed-in", deleteProfile),
    post("/me/delete/account", "signed-in", deleteAccount),
  ];
}

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
    await page.forgetSession();
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
