/** Signing in, with the second step where the account has one, and out. Also the way back in for a forgotten password. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import { button, errorSummary, type FieldErrors, postForm, textField } from "../components.ts";
import { html } from "../html.ts";
import { forwardJson } from "../json-forward.ts";
import { localPath, type Page, type Pages, type SignedIn } from "../page.ts";
import { fieldErrors, sameNames } from "../violations.ts";
import { codeErrors, failing } from "./register.ts";

export function signinPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/signin/", "everyone", (page) =>
      page.session === undefined
        ? signinView(page, {})
        : page.redirect(localPath(page.query.get("next"), homeOf(page.session.account.roles))),
    ),
    post("/signin/", "everyone", signin, {
      json: (request, call, correlated) => forwardJson(request, call, correlated, "accounts", "POST", "/v1/sessions"),
    }),
    get("/start", "signed-in", (page) => page.redirect(homeOf(page.session.account.roles))),
    post("/signout", "signed-in", signout),
    get("/forgot", "everyone", (page) => forgotView(page, {})),
    post("/forgot", "everyone", forgot),
    get("/reset", "everyone", (page) => resetView(page, page.query.get("email") ?? "", {})),
    post("/reset", "everyone", reset),
  ];
}

interface NewSession {
  readonly cookie: string;
}

async function signin(page: Page) {
  const { form, t } = page;
  const step = form.text("step");
  if (step !== "") return secondStep(page, step);
  const [email, password, totp] = [form.text("email"), form.secret("password"), form.text("totp").replace(/\s/g, "")];
  const errors: Record<string, string> = {};
  if (email === "") errors.email = t.violations.required;
  if (password === "") errors.password = t.violations.required;
  if (Object.keys(errors).length > 0) return signinView(page, errors);
  try {
    const body = { email, password, ...(totp === "" ? {} : { totp }), ...client(page) };
    return begin(page, await page.service.data<NewSession>("accounts", "POST", "/internal/browser-sessions", body));
  } catch (error) {
    const asked = stepOf(error);
    if (asked !== undefined) return stepView(page, asked, totp === "" ? {} : { totp: t.violations.otp });
    if (!(error instanceof ApiFailure) || ![400, 401, 403].includes(error.status)) throw error;
    return signinView(page, { email: t.violations.credentials });
  }
}

/** The password was right: now the code of the app, or a recovery code. */
async function secondStep(page: Page, step: string) {
  const { form, t } = page;
  const [code, recovery] = [form.text("totp").replace(/\s/g, ""), form.text("recovery").replace(/\s/g, "")];
  if (code === "" && recovery === "") return stepView(page, step, { totp: t.violations.required });
  try {
    const body = { step, totp: recovery === "" ? code : recovery, ...client(page) };
    const path = "/internal/browser-sessions/second-step";
    return begin(page, await page.service.data<NewSession>("accounts", "POST", path, body));
  } catch (error) {
    if (!(error instanceof ApiFailure) || ![400, 401, 403].includes(error.status)) throw error;
    if (!("totp" in error.details)) return signinView(page, { email: t.violations.stepExpired });
    const wrong = recovery === "" ? { totp: t.violations.otp } : { recovery: t.violations.recovery };
    return stepView(page, step, wrong);
  }
}

/** The program that signs in, for the list of devices. */
function client({ request }: Page): { readonly client?: string } {
  const name = request.header("user-agent")?.slice(0, 1000);
  return name === undefined ? {} : { client: name };
}

/** The sealed note of a right password, when only the second factor is missing. */
function stepOf(error: unknown): string | undefined {
  const step = error instanceof ApiFailure && error.status === 401 ? error.details.step : undefined;
  return typeof step === "string" && error instanceof ApiFailure && "totp" in error.details ? step : undefined;
}

function begin(page: Page, { cookie }: NewSession) {
  const cookies = [page.cookies.set("session", cookie), page.cookies.clear("csrf")];
  return page.redirect(localPath(page.form.text("next"), "/start"), undefined, cookies);
}

/** A responder's work begins with the lookup, a person's with the profile. */
export function homeOf(roles: readonly string[]): string {
  if (roles.includes("responder")) return "/responder/lookup";
  return roles.includes("mfa-pending") ? "/me/account" : "/me";
}

function nextPath({ form, query }: Page): string {
  return localPath(form.text("next") || query.get("next"), "");
}

function stepView(page: Page, step: string, errors: FieldErrors) {
  const { t, form, csrf } = page;
  const next = nextPath(page);
  const code = textField(
    {
      name: "totp",
      label: t.form.otp,
      hint: t.form.otpDigits,
      autocomplete: "one-time-code",
      inputmode: "numeric",
      maxLength: 32,
      className: "code",
      autofocus: Object.keys(errors).length === 0,
    },
    errors,
  );
  const recovery = textField(
    { name: "recovery", label: t.form.recovery, hint: t.form.recoveryHint, autocomplete: "off", maxLength: 64 },
    errors,
  );
  const body = html`<h1>${t.signin.otpTitle}</h1>${errorSummary(t, errors)}<p class="lead">${t.signin.otpLead}</p>
${postForm(
  { action: "/signin/", csrf, className: "card" },
  html`<input type="hidden" name="step" value="${step}"><input type="hidden" name="email" value="${form.text("email")}">`,
  next === "" ? "" : html`<input type="hidden" name="next" value="${next}">`,
  code,
  html`<details${errors.recovery === undefined ? "" : html` open`}><summary>${t.form.recoveryOpen}</summary>${recovery}</details>`,
  button(t.signin.submit),
)}
<p class="links"><a href="/signin/">${t.signin.startOver}</a></p>`;
  const failed = failing(errors);
  return page.view({
    title: t.signin.otpTitle,
    body,
    width: "narrow",
    ...failed,
    ...(failed.failed ? { status: 401 } : {}),
  });
}

function signinView(page: Page, errors: FieldErrors) {
  const { t, form, csrf, query } = page;
  const next = nextPath(page);
  const responder = next.startsWith("/responder");
  const title = responder ? t.signin.responderTitle : t.signin.title;
  const email = form.text("email") || (query.get("email") ?? "").slice(0, 254);
  const body = html`<h1>${title}</h1>${errorSummary(t, errors)}
${responder ? html`<p class="lead">${t.signin.responderLead}</p>` : ""}
${postForm(
  { action: "/signin/", csrf, className: "card" },
  next === "" ? "" : html`<input type="hidden" name="next" value="${next}">`,
  textField(
    {
      name: "email",
      label: t.form.email,
      type: "email",
      value: email,
      autocomplete: "username",
      inputmode: "email",
      required: true,
      maxLength: 254,
    },
    errors,
  ),
  textField(
    {
      name: "password",
      label: t.form.password,
      type: "password",
      autocomplete: "current-password",
      required: true,
      maxLength: 256,
    },
    errors,
  ),
  responder
    ? textField(
        {
          name: "totp",
          label: t.form.otp,
          hint: t.form.otpDigits,
          autocomplete: "one-time-code",
          inputmode: "numeric",
          maxLength: 32,
          className: "code",
        },
        errors,
      )
    : "",
  button(t.signin.submit),
)}
<p class="links"><a href="/forgot">${t.signin.forgot}</a>${responder ? "" : html` <a href="/signup/">${t.signin.create}</a>`}</p>`;
  const failed = failing(errors);
  return page.view({ title, body, width: "narrow", ...failed, ...(failed.failed ? { status: 401 } : {}) });
}

async function signout(page: SignedIn) {
  await page.forgetSession();
  await page.service.request("accounts", "DELETE", "/internal/browser-sessions", { cookie: page.sessionCookie });
  return page.redirect("/signin/", "signedOut", [page.cookies.clear("session")]);
}

async function forgot(page: Page) {
  const email = page.form.text("email");
  if (email === "") return forgotView(page, { email: page.t.violations.required });
  try {
    await page.service.request("accounts", "POST", "/v1/passwords/reset", { email });
  } catch (error) {
    return forgotView(page, fieldErrors(error, page.t, sameNames("email")));
  }
  return page.redirect(`/reset?email=${encodeURIComponent(email)}`);
}

function forgotView(page: Page, errors: FieldErrors) {
  const { t, csrf, form } = page;
  const body = html`<h1>${t.forgot.title}</h1>${errorSummary(t, errors)}<p class="lead">${t.forgot.lead}</p>
${postForm(
  { action: "/forgot", csrf, className: "card" },
  textField(
    {
      name: "email",
      label: t.form.email,
      type: "email",
      value: form.text("email"),
      autocomplete: "email",
      required: true,
      maxLength: 254,
    },
    errors,
  ),
  button(t.forgot.submit),
)}`;
  return page.view({ title: t.forgot.title, body, width: "narrow", ...failing(errors) });
}

async function reset(page: Page) {
  const { form, t } = page;
  const [email, code, password] = [form.text("email"), form.text("code").replace(/\s/g, ""), form.secret("password")];
  const errors: Record<string, string> = {};
  if (email === "") errors.email = t.violations.required;
  if (code === "") errors.code = t.violations.required;
  if (password === "") errors.password = t.violations.required;
  if (Object.keys(errors).length > 0) return resetView(page, email, errors);
  try {
    await page.service.request("accounts", "POST", "/v1/passwords/reset/confirm", { email, code, password });
  } catch (error) {
    return resetView(page, email, codeErrors(error, page, "password"));
  }
  return page.redirect(`/signin/?email=${encodeURIComponent(email)}`, "reset");
}

function resetView(page: Page, email: string, errors: FieldErrors) {
  const { t, csrf, form } = page;
  const body = html`<h1>${t.forgot.resetTitle}</h1>${errorSummary(t, errors)}<p class="lead">${t.forgot.resetLead}</p>
${postForm(
  { action: "/reset", csrf, className: "card" },
  textField(
    {
      name: "email",
      label: t.form.email,
      type: "email",
      value: email,
      autocomplete: "username",
      required: true,
      maxLength: 254,
    },
    errors,
  ),
  textField(
    {
      name: "code",
      label: t.form.code,
      value: form.text("code"),
      autocomplete: "one-time-code",
      inputmode: "numeric",
      required: true,
      maxLength: 64,
      className: "code",
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
  button(t.forgot.resetSubmit),
)}`;
  return page.view({ title: t.forgot.resetTitle, body, width: "narrow", ...failing(errors) });
}
