/** What the editors of all parts have in common: frame, steps of the guide, and both versions where one was overtaken. */
import { back, button, errorSummary, type FieldErrors, icon, linkButton, postForm } from "../components.ts";
import { empty, type Html, html } from "../html.ts";
import type { SignedIn } from "../page.ts";
import { afterStep, isGuided, stepLine } from "../profile/guide.ts";
import { type Part, type StoredProfile, sameVersion, versionFields } from "../profile/saving.ts";
import { partSummary } from "../profile/summary.ts";
import { failing } from "./register.ts";

/** State in which an editor is shown. */
export interface Showing {
  readonly errors?: FieldErrors;
  /** Shown for the first time: what the form is filled from. */
  readonly stored?: StoredProfile;
  /** Somebody else saved this part meanwhile: what they saved. */
  readonly changed?: StoredProfile;
}

/** What every editor has around its fields. */
export function editorPage(
  page: SignedIn,
  part: Part,
  { errors = {}, stored, changed }: Showing,
  multipart: boolean,
  fields: Html,
) {
  const { t, csrf } = page;
  const words = t.sections[part];
  const guided = isGuided(page, part);
  const version = changed ?? stored;
  const label = changed !== undefined ? t.profile.changedMine : guided ? t.form.saveAndGoOn : t.form.save;
  const leave = guided && version !== undefined ? afterStep(part, version.profile) : "/me/profile";
  const body = html`${back(guided ? "/me" : "/me/profile", guided ? t.home.title : t.profile.title)}${guided ? stepLine(page, part) : empty}<h1>${words.title}</h1>${errorSummary(t, errors)}${changed === undefined ? html`<p class="lead">${words.lead}</p>` : overtaken(page, part, changed)}
${postForm(
  { action: `/me/profile/${part}`, csrf, className: "card editor", guard: true, multipart },
  html`<button type="submit" name="action" value="save" class="visually-hidden" tabindex="-1" aria-hidden="true">${label}</button>`,
  version === undefined ? sameVersion(page) : versionFields(version, part),
  guided ? html`<input type="hidden" name="guide" value="1">` : empty,
  fields,
  html`<p class="actions">${button(label, { name: "action", value: "save" })}<a class="button secondary" href="${leave}">${guided ? t.form.skip : t.form.cancel}</a></p>`,
)}`;
  const failed = changed === undefined ? failing(errors) : { status: 409, failed: true };
  return page.view({ title: words.title, body, section: "profile", compact: guided, ...failed });
}

/** What is saved now, beside the form with what was typed: nothing is lost, and nothing overwritten unseen. */
function overtaken(page: SignedIn, part: Part, { profile }: StoredProfile): Html {
  const { t } = page;
  return html`<div class="notice warn" role="alert" id="summary" tabindex="-1">${icon("warning")}<div><h2>${t.profile.changedTitle}</h2><p>${t.profile.changedText}</p></div></div>
<section class="card" aria-labelledby="now"><h2 id="now">${t.profile.changedNow}</h2>${partSummary(page, part, profile)}
<p>${linkButton("/me/profile", t.profile.changedTheirs, { kind: "secondary" })}</p></section>`;
}

export function savedPage(page: SignedIn, part: Part, { profile }: StoredProfile) {
  return page.redirect(isGuided(page, part) ? afterStep(part, profile) : "/me/profile", "saved");
}
