/** How the person is reached: another phone number, or another address that a code confirms. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import { back, button, errorSummary, type FieldErrors, postForm, textField } from "../components.ts";
import { html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { fieldErrors, sameNames } from "../violations.ts";
import { accountView, isWrongSecret } from "./account-view.ts";
import { failing } from "./register.ts";

export function reachPages({ get, post }: Pages): readonly Route[] {
  return [
    post("/me/account/phone", "signed-in", changePhone),
    post("/me/account/email", "signed-in", changeEmail),
    get("/me/account/email", "signed-in", (page) => codeView(page, {})),
    post("/me/account/email/confirm", "signed-in", confirmEmail),
  ];
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
  await page.forgetSession();
  return page.redirect("/me/account", "emailChanged");
}
