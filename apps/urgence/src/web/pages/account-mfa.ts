/** The second factor: setting up an authenticator app, recovery codes, and switching it off. */
import type { Route } from "rouage";
import { ApiFailure, isRecord } from "../api.ts";
import { back, button, errorSummary, type FieldErrors, icon, linkButton, postForm, textField } from "../components.ts";
import { empty, html } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { qrCode } from "../qr.ts";
import { fieldErrors } from "../violations.ts";
import { accountView, isWrongSecret } from "./account-view.ts";
import { failing } from "./register.ts";

export function mfaPages({ post }: Pages): readonly Route[] {
  return [
    post("/me/account/mfa", "signed-in", startMfa),
    post("/me/account/mfa/confirm", "signed-in", confirmMfa),
    post("/me/account/mfa/stop", "signed-in", stopMfa),
  ];
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
    await page.forgetSession();
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
  await page.forgetSession();
  return page.redirect("/signin/", "mfaOff", [page.cookies.clear("session")]);
}
