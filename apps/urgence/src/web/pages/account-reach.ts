/** How the person is reached: another phone number, or another address that a code confirms. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import { back, button, errorSummary, type FieldErrors, postForm, textField } from "../components.ts";
import { empty, type Html, html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { fieldErrors, sameNames } from "../violations.ts";
import { accountView, isWrongSecret } from "./account.ts";
import { failing } from "./register.ts";

export function reachPages({ get, post }: Pages): readonly Route[] {
  return [
    post("/me/account/phone", "signed-in", changePhone),
    post("/me/account/email", "signed-in", changeEmail),
    get("/me/account/email", "signed-in", (page) => codeView(page, {})),
    post("/me/account/email/confirm", "signed-in", confirmEmail),
  ];
}

function folded(summary: string, open: boolean, form: Html): Html {
  return html`<details${open ? html` open` : empty}><summary>${summary}</summary>${form}</details>`;
}

export function phonePart({ t, csrf, form }: SignedIn, errors: FieldErrors): Html {
  const field = textField(
    {
      name: "phone",
      label: t.account.phoneNew,
      hint: t.form.phoneHint,
      type: "tel",
      value: form.text("phone"),
      autocomplete: "tel",
      inputmode: "tel",
      required: true,
      maxLength: 30,
    },
    errors,
  );
  const change = postForm({ action: "/me/account/phone", csrf }, field, button(t.form.save, { kind: "secondary" }));
  return folded(t.account.phoneChange, errors.phone !== undefined, change);
}

async function changePhone(page: SignedIn) {
  const { form, t, api } = page;
  const phone = form.text("phone");
  if (phone === "") return accountView(page, { phone: t.violations.required });
  try {
    await api.request("accounts", "PATCH", "/v1/me", { phone });
  } catch (error) {
    return accountView(page, fieldErrors(error, t, sameNames("phone")));
  }
  return page.redirect("/me/account", "phoneChanged");
}

export function emailPart({ t, csrf, form }: SignedIn, errors: FieldErrors): Html {
  const address = {
    name: "new_email",
    label: t.account.emailNew,
    type: "email",
    value: form.text("new_email"),
    autocomplete: "email",
    inputmode: "email",
    required: true,
    maxLength: 254,
  } as const;
  const password = {
    name: "email_password",
    label: t.account.current,
    type: "password",
    autocomplete: "current-password",
    required: true,
    maxLength: 256,
  } as const;
  const code = {
    name: "email_totp",
    label: t.form.otp,
    hint: t.form.otpHint,
    autocomplete: "one-time-code",
    required: true,
    maxLength: 64,
    className: "code",
  } as const;
  const change = postForm(
    { action: "/me/account/email", csrf },
    html`<p class="hint">${t.account.emailChangeText}</p>`,
    textField(address, errors),
    textField(password, errors),
    errors.email_totp === undefined ? empty : textField(code, errors),
    button(t.form.continue, { kind: "secondary" }),
  );
  const open = [address, password, code].some(({ name }) => errors[name] !== undefined);
  return folded(t.account.emailChange, open, change);
}

async function changeEmail(page: SignedIn) {
  const { form, t, api } = page;
  const [email, password, totp] = [form.text("new_email"), form.secret("email_password"), form.text("email_totp")];
  const errors: Record<string, string> = {};
  if (email === "") errors.new_email = t.violations.required;
  if (password === "") errors.email_password = t.violations.required;
  if (Object.keys(errors).length > 0) return accountView(page, errors);
  try {
    const body = { email, password, ...(totp === "" ? {} : { totp: totp.replace(/\s/g, "") }) };
    await api.request("accounts", "POST", "/v1/me/email", body);
  } catch (error) {
    // A session from before the second factor: it is asked for here.
    if (error instanceof ApiFailure && "totp" in error.details)
      return accountView(page, { email_totp: totp === "" ? t.violations.required : t.violations.otp });
    if (isWrongSecret(error)) return accountView(page, { email_password: t.violations.current });
    const fields: Readonly<Record<string, string>> = { email: "new_email", password: "email_password" };
    const shown = fieldErrors(error, t, (name) => fields[name]);
    return accountView(page, shown.new_email === undefined ? shown : { ...shown, new_email: t.violations.email });
  }
  return page.redirect("/me/account/email", "emailCodeSent");
}

function codeView(page: SignedIn, errors: FieldErrors) {
  const { t, csrf } = page;
  const words = t.account;
  const code = textField(
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
  );
  const body = html`${back("/me/account", words.title)}<h1>${words.emailCodeTitle}</h1>${errorSummary(t, errors)}<p class="lead">${words.emailCodeLead}</p>
${postForm({ action: "/me/account/email/confirm", csrf, className: "card" }, code, button(t.confirm.submit))}`;
  return page.view({ title: words.emailCodeTitle, body, width: "narrow", section: "account", ...failing(errors) });
}

async function confirmEmail(page: SignedIn) {
  const { form, t, api } = page;
  const code = form.text("code").replace(/\s/g, "");
  if (code === "") return codeView(page, { code: t.violations.required });
  try {
    await api.request("accounts", "POST", "/v1/me/email/confirm", { code });
  } catch (error) {
    if (!(error instanceof ApiFailure) || ![400, 401, 403, 404, 410].includes(error.status)) throw error;
    return codeView(page, { code: t.violations.code });
  }
  page.forgetSession();
  return page.redirect("/me/account", "emailChanged");
}
