/** Account and security: how to reach the person, password, second factor, devices, language. */
import type { Route } from "rouage";
import { asLanguage } from "../language.ts";
import type { Pages, SignedIn } from "../page.ts";
import { fieldErrors } from "../violations.ts";
import { accountView, isWrongSecret } from "./account-view.ts";

export function accountPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/account", "signed-in", (page) => accountView(page, {})),
    post("/me/account/language", "signed-in", changeLanguage),
    post("/me/account/password", "signed-in", changePassword),
  ];
}

async function changeLanguage(page: SignedIn) {
  const language = asLanguage(page.form.text("language"));
  if (language === undefined) return accountView(page, { language: page.t.violations.invalid });
  await page.api.request("accounts", "PATCH", "/v1/me", { language });
  await page.forgetSession();
  return page.redirect("/me/account", "language", [page.cookies.set("lang", language, { maxAge: 31_536_000 })]);
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
  await page.forgetSession();
  return page.redirect(`/signin/?email=${encodeURIComponent(page.session.account.email)}`, "passwordChanged", [
    page.cookies.clear("session"),
  ]);
}
