/** Who the person is: names, birth, languages, and a photo. */
import type { Profile } from "../../services/profiles/schema.ts";
import { checkbox, type FieldErrors, fieldId, selectField, textField } from "../components.ts";
import { attribute, empty, type Html, html } from "../html.ts";
import type { Language } from "../language.ts";
import type { SignedIn } from "../page.ts";
import { photoLimit, readPhoto } from "../profile/photo.ts";
import { loadStored, type StoredProfile, savePart } from "../profile/saving.ts";
import { isoDate, languageCodes, typedDate, typedLanguages } from "../profile/typed.ts";
import { fieldErrors } from "../violations.ts";
import { editorPage, type Showing, savedPage } from "./profile-frame.ts";

const names = ["given_names", "family_name", "preferred_name", "birth_date", "sex", "languages"] as const;
type Values = Readonly<Record<(typeof names)[number], string>> & {
  /** Data URL of the photo that saving would keep or set; empty: none. */
  readonly photo: string;
};

interface Editing extends Showing {
  readonly values: Values;
}

export function identityValues({ identity }: Profile, language: Language): Values {
  const { languages = [], photo = "", ...rest } = identity;
  const values = Object.fromEntries(names.map((name) => [name, (rest as Record<string, unknown>)[name] ?? ""]));
  return {
    ...values,
    birth_date: typedDate(identity.birth_date ?? "", language),
    languages: typedLanguages(languages, language),
    photo,
  } as Values;
}

export async function saveIdentity(page: SignedIn) {
  const { form, t } = page;
  const stored = await loadStored(page);
  const { photo, fault } = await chosenPhoto(page, stored);
  const unknown = form.has("birth_unknown");
  const typed = Object.fromEntries(names.map((name) => [name, form.text(name)])) as Omit<Values, "photo">;
  const values = { ...typed, birth_date: unknown ? "unknown" : typed.birth_date, photo };
  if (fault !== undefined) return identityEditor(page, { values, errors: { photo: t.violations[fault] } });
  const identity = {
    ...Object.fromEntries(names.map((name) => [name, values[name] === "" ? null : values[name]])),
    birth_date: values.birth_date === "" ? null : isoDate(values.birth_date, page.language),
    languages: values.languages === "" ? null : languageCodes(values.languages),
    photo: photo === "" ? null : photo,
  };
  try {
    const changed = await savePart(page, "identity", identity);
    return changed === undefined ? savedPage(page, "identity", stored) : identityEditor(page, { values, changed });
  } catch (error) {
    const fieldOf = (name: string) => [...names, "photo"].find((known) => name.startsWith(`identity.${known}`));
    return identityEditor(page, { values, errors: fieldErrors(error, t, fieldOf) });
  }
}

/** A new file, else none where that was asked for, else the one of a form that was shown again, else the stored one. */
async function chosenPhoto({ form }: SignedIn, { profile }: StoredProfile) {
  const file = await form.file("photo");
  const read = file === undefined ? undefined : readPhoto(file);
  if (read !== undefined && "url" in read) return { photo: read.url, fault: undefined };
  const kept = form.has("photo_kept") ? form.secret("photo_kept") : (profile.identity.photo ?? "");
  const photo = form.has("photo_remove") || !/^data:image\/(jpeg|png|webp);base64,/.test(kept) ? "" : kept;
  return { photo, fault: read?.fault };
}

export function identityEditor(page: SignedIn, editing: Editing) {
  return editorPage(page, "identity", editing, true, fields(page, editing));
}

function fields(page: SignedIn, { values, errors = {}, stored }: Editing): Html {
  const { t } = page;
  const unknown = values.birth_date === "unknown";
  const sexes = ["female", "male", "other", "unknown"] as const;
  const text = (name: (typeof names)[number], further: object) =>
    textField({ name, label: t.fields[name], value: values[name], maxLength: 200, ...further }, errors);
  const birth = {
    hint: t.fields.birth_dateHint,
    value: unknown ? "" : values.birth_date,
    autocomplete: "bday",
    maxLength: 10,
    className: "short",
  };
  return html`${text("given_names", { autocomplete: "given-name" })}
${text("family_name", { autocomplete: "family-name" })}
${text("preferred_name", { label: `${t.fields.preferred_name} (${t.form.optional})`, autocomplete: "nickname" })}
${text("birth_date", birth)}
${checkbox("birth_unknown", t.fields.birth_unknown, unknown)}
${selectField(
  {
    name: "sex",
    label: t.fields.sex,
    value: values.sex,
    choices: [["", t.form.unspecified], ...sexes.map((sex) => [sex, t.choices[sex]] as const)],
  },
  errors,
)}
${text("languages", { hint: t.fields.languagesHint })}
${photoField(page, values.photo, errors, stored === undefined)}`;
}

function photoField({ t }: SignedIn, photo: string, errors: FieldErrors, again: boolean): Html {
  const words = t.profile;
  const id = fieldId("photo");
  const error = errors.photo;
  const described = [`${id}-hint`, error === undefined ? "" : `${id}-error`].join(" ").trim();
  return html`<div class="field photo${error === undefined ? "" : " invalid"}" data-photo="${photoLimit}" data-resized="${words.photoResized}">
<label for="${id}">${words.photo} (${t.form.optional})</label>
<p class="hint" id="${id}-hint">${words.photoHint}</p>
${error === undefined ? empty : html`<p class="error" id="${id}-error">${error}</p>`}
${photo === "" ? empty : html`<img src="${photo}" alt="${words.photoNow}" width="96" height="96">`}
${again ? html`<input type="hidden" name="photo_kept" value="${photo}">` : empty}
<input type="file" id="${id}" name="photo" accept="image/jpeg,image/png,image/webp" aria-describedby="${described}"${attribute("aria-invalid", error === undefined ? undefined : "true")}>
<p class="hint" role="status"></p>
${photo === "" ? empty : checkbox("photo_remove", words.photoRemove, false)}</div>`;
}
