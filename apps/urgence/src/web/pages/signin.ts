/** Signing in, with the second step where the account has one, and out. Also the way back in for a forgotten password. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import { button, errorSummary, type FieldErrors, message, postForm, textField } from "../components.ts";
import { html } from "../html.ts";
import { forwardJson } from "../json-forward.ts";
import { localPath, type Page, type Pages, type SignedIn } from "../page.ts";
import { fieldErrors, sameNames } from "../violations.ts";
import { codeErrors, failing } from "./register.ts";

export function signinPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/signin/", "everyone", (page) =>
      page.session === undefined
        ? signinView(page, {}, false)
        : page.redirect(localPath(page.query.get("next"), homeOf(page.session.account.roles))),
    ),
    post("/signin/", "everyone", signin, {
      json: (request, call, requestId) => forwardJson(request, call, requestId, "accounts", "POST", "/v1/sessions"),
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
  const [email, password, totp] = [form.text("email"), form.secret("password"), form.text("totp").replace(/\s/g, "")];
  const asked = form.has("totp");
  const optional = localPath(form.text("next"), "").startsWith("/responder");
  const errors: Record<string, string> = {};
  if (email === "") errors.email = t.violations.required;
  if (password === "") errors.password = t.violations.required;
  if (asked && totp === "" && !optional) errors.totp = t.violations.required;
  if (Object.keys(errors).length > 0) return signinView(page, errors, asked);
  let made: NewSession;
  try {
    const client = page.request.header("user-agent")?.slice(0, 1000);
    const body = { email, password, ...(totp === "" ? {} : { totp }), ...(client === undefined ? {} : { client }) };
    made = await page.service.data<NewSession>("accounts", "POST", "/internal/browser-sessions", body);
  } catch (error) {
    if (!(error instanceof ApiFailure) || ![400, 401, 403].includes(error.status)) throw error;
    if ("totp" in error.details) return signinView(page, totp === "" ? {} : { totp: t.violations.otp }, true);
    return signinView(page, { email: t.violations.credentials }, asked);
  }
  const cookies = [page.cookies.set("session", made.cookie), page.cookies.clear("csrf")];
  return page.redirect(localPath(form.text("next"), "/start"), undefined, cookies);
}

/** A responder's work begins with the lookup, a person's with the profile. */
export function homeOf(roles: readonly string[]): string {
  if (roles.includes("responder")) return "/responder/lookup";
  return roles.includes("mfa-pending") ? "/me/account" : "/me";
}

function signinView(page: Page, errors: FieldErrors, secondStep: boolean) {
  const { t, form, csrf } = page;
  const next = localPath(form.text("next") || page.query.get("next"), "");
  const responder = next.startsWith("/responder");
  const otp = secondStep || responder;
  const title = secondStep ? t.signin.otpTitle : responder ? t.signin.responderTitle : t.signin.title;
  const body = html`<h1>${title}</h1>${errorSummary(t, errors)}
${secondStep ? message("info", html`<p>${t.signin.otpLead}</p>`) : responder ? html`<p class="lead">${t.signin.responderLead}</p>` : ""}
${postForm(
  { action: "/signin/", csrf, className: "card" },
  next === "" ? "" : html`<input type="hidden" name="next" value="${next}">`,
  textField(
    {
      name: "email",
      label: t.form.email,
      type: "email",
      value: form.text("email"),
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
  otp
    ? textField(
        {
          name: "totp",
          label: t.form.otp,
          hint: t.form.otpHint,
          autocomplete: "one-time-code",
          inputmode: "numeric",
          required: secondStep,
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
  page.forgetSession();
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
  return resetView(page, email, {});
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
  return page.redirect("/signin/", "reset");
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
