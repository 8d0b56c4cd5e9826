/** Creating an account and confirming its address. Never tells whether an account exists. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import { button, errorSummary, type FieldErrors, postForm, textField } from "../components.ts";
import { type Html, html } from "../html.ts";
import { forwardJson } from "../json-forward.ts";
import type { Page, Pages } from "../page.ts";
import { fieldErrors, sameNames } from "../violations.ts";

export function registerPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/signup/", "everyone", (page) => signupView(page, {})),
    post("/signup/", "everyone", signup, {
      json: (request, call, correlated) => forwardJson(request, call, correlated, "accounts", "POST", "/v1/accounts"),
    }),
    get("/confirm", "everyone", (page) => confirmView(page, page.query.get("email") ?? "", {})),
    post("/confirm", "everyone", confirm),
    post("/confirm/resend", "everyone", resend),
  ];
}

async function signup(page: Page) {
  const { form, t, language } = page;
  const [email, phone, password] = [form.text("email"), form.text("phone"), form.secret("password")];
  const errors: Record<string, string> = {};
  if (email === "") errors.email = t.violations.required;
  if (phone === "") errors.phone = t.violations.required;
  if (password === "") errors.password = t.violations.required;
  if (Object.keys(errors).length > 0) return signupView(page, errors);
  try {
    await page.service.request("accounts", "POST", "/v1/accounts", { email, phone, password, language });
  } catch (error) {
    return signupView(page, fieldErrors(error, t, sameNames("email", "phone", "password")));
  }
  return page.redirect(`/confirm?email=${encodeURIComponent(email)}`);
}

function signupView(page: Page, errors: FieldErrors) {
  const { t, form, csrf } = page;
  const body = html`<h1>${t.signup.title}</h1>${errorSummary(t, errors)}<p class="lead">${t.signup.lead}</p>
${postForm(
  { action: "/signup/", csrf, className: "card" },
  textField(
    {
      name: "email",
      label: t.form.email,
      hint: t.form.emailHint,
      type: "email",
      value: form.text("email"),
      autocomplete: "email",
      inputmode: "email",
      required: true,
      maxLength: 254,
    },
    errors,
  ),
  textField(
    {
      name: "phone",
      label: t.form.phone,
      hint: t.form.phoneHint,
      type: "tel",
      value: form.text("phone"),
      autocomplete: "tel",
      inputmode: "tel",
      required: true,
      maxLength: 30,
    },
    errors,
  ),
  textField(
    {
      name: "password",
      label: t.form.password,
      hint: t.form.passwordHint,
      type: "password",
      autocomplete: "new-password",
      required: true,
      maxLength: 256,
    },
    errors,
  ),
  html`<p class="small">${t.signup.consent} <a href="/privacy">${t.site.privacy}</a></p>`,
  button(t.signup.submit),
)}
<p>${t.signup.have} <a href="/signin/">${t.signin.submit}</a></p>`;
  return page.view({ title: t.signup.title, body, width: "narrow", ...failing(errors) });
}

async function confirm(page: Page) {
  const { form, t } = page;
  const [email, code] = [form.text("email"), form.text("code").replace(/\s/g, "")];
  const errors: Record<string, string> = {};
  if (email === "") errors.email = t.violations.required;
  if (code === "") errors.code = t.violations.required;
  if (Object.keys(errors).length > 0) return confirmView(page, email, errors);
  try {
    await page.service.request("accounts", "POST", "/v1/accounts/verify", { email, code });
  } catch (error) {
    return confirmView(page, email, codeErrors(error, page));
  }
  return page.redirect(`/signin/?email=${encodeURIComponent(email)}`, "verified");
}

/** A wrong code is 400, 401, 404 or 410, depending on what is wrong with it: to the person it is one thing. */
export function codeErrors(error: unknown, { t }: Page, ...fields: readonly string[]): FieldErrors {
  if (!(error instanceof ApiFailure)) throw error;
  if ([401, 403, 404, 410].includes(error.status)) return { code: t.violations.code };
  const errors = fieldErrors(error, t, sameNames("email", "code", ...fields));
  return errors[""] === undefined ? errors : { code: t.violations.code };
}

async function resend(page: Page) {
  const email = page.form.text("email");
  if (email === "") return confirmView(page, email, { email: page.t.violations.required });
  try {
    await page.service.request("accounts", "POST", "/v1/accounts/verify/resend", { email });
  } catch (error) {
    return confirmView(page, email, fieldErrors(error, page.t, sameNames("email")));
  }
  return confirmView(page, email, {}, page.t.done.codeSent);
}

function confirmView(page: Page, email: string, errors: FieldErrors, notice?: string) {
  const { t, csrf } = page;
  const given = email !== "" && errors.email === undefined;
  const emailPart: Html = given
    ? html`<input type="hidden" name="email" value="${email}">`
    : textField(
        { name: "email", label: t.form.email, type: "email", value: email, autocomplete: "email", required: true },
        errors,
      );
  const body = html`<h1>${t.confirm.title}</h1>${errorSummary(t, errors)}
${notice === undefined ? "" : html`<p class="notice good" role="status">${notice}</p>`}
<p class="lead">${given ? t.confirm.lead(email) : t.confirm.leadPlain}</p>
${postForm(
  { action: "/confirm", csrf, className: "card" },
  emailPart,
  textField(
    {
      name: "code",
      label: t.form.code,
      autocomplete: "one-time-code",
      inputmode: "numeric",
      required: true,
      maxLength: 64,
      className: "code",
    },
    errors,
  ),
  button(t.confirm.submit),
)}
${given ? postForm({ action: "/confirm/resend", csrf }, html`<p class="muted">${t.confirm.none}</p>`, html`<input type="hidden" name="email" value="${email}">`, button(t.confirm.resend, { kind: "secondary" })) : ""}`;
  return page.view({ title: t.confirm.title, body, width: "narrow", ...failing(errors) });
}

/** Status and title of a form that is shown again. */
export function failing(errors: FieldErrors): { readonly status?: number; readonly failed?: boolean } {
  return Object.keys(errors).length === 0 ? {} : { status: 400, failed: true };
}
