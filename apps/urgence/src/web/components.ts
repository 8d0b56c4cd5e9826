/** The small parts pages are made of: icons, fields with their errors, buttons, messages. */
import { assetPath } from "./assets.ts";
import { attribute, empty, type Html, type HtmlPart, html, trusted } from "./html.ts";
import type { Dictionary } from "./i18n/dictionary.ts";

/** A symbol of `assets/icons.svg`; decoration only, the words beside it say the same. */
export function icon(name: string): Html {
  return html`<svg class="icon" aria-hidden="true" focusable="false"><use href="${assetPath("icons.svg")}#${name}"></use></svg>`;
}

/** Messages by field name; the empty name is about the form as a whole. */
export type FieldErrors = Readonly<Record<string, string>>;

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string | undefined;
  readonly value?: string | undefined;
  readonly type?: "text" | "email" | "tel" | "password" | "date" | "number" | "search" | undefined;
  readonly autocomplete?: string | undefined;
  readonly inputmode?: "numeric" | "tel" | "decimal" | "email" | undefined;
  readonly required?: boolean;
  readonly maxLength?: number | undefined;
  readonly autofocus?: boolean;
  readonly className?: string;
  readonly lang?: string;
}

export function textField(field: Field, errors: FieldErrors): Html {
  return wrap(
    field,
    errors,
    (shared) =>
      html`<input type="${field.type ?? "text"}" value="${field.value ?? ""}"${shared}${attribute("autocomplete", field.autocomplete)}${attribute("inputmode", field.inputmode)}${field.type === "number" ? trusted(' step="any"') : empty}>`,
  );
}

export function textArea(field: Field & { readonly rows?: number }, errors: FieldErrors): Html {
  return wrap(
    field,
    errors,
    (shared) => html`<textarea rows="${field.rows ?? 3}"${shared}>${field.value ?? ""}</textarea>`,
  );
}

export type Choice = readonly [value: string, label: string, hint?: string];

export function selectField(field: Field & { readonly choices: readonly Choice[] }, errors: FieldErrors): Html {
  const options = field.choices.map(
    ([value, label]) =>
      html`<option value="${value}"${value === (field.value ?? "") ? trusted(" selected") : empty}>${label}</option>`,
  );
  return wrap(field, errors, (shared) => html`<select${shared}>${options}</select>`);
}

/** One choice of several, as large targets. */
export function radioGroup(field: Field & { readonly choices: readonly Choice[] }, errors: FieldErrors): Html {
  const error = errors[field.name];
  const id = fieldId(field.name);
  const choices = field.choices.map(
    (
      [value, label, hint],
      index,
    ) => html`<label class="choice"><input type="radio" name="${field.name}" value="${value}"${attribute("id", index === 0 ? id : undefined)}${value === field.value ? trusted(" checked") : empty}>
<span>${label}${hint === undefined ? empty : html`<small>${hint}</small>`}</span></label>`,
  );
  return html`<fieldset class="field${error === undefined ? "" : " invalid"}"${attribute("aria-describedby", error === undefined ? undefined : `${id}-error`)}>
<legend>${field.label}</legend>
${field.hint === undefined ? empty : html`<p class="hint">${field.hint}</p>`}
${error === undefined ? empty : html`<p class="error" id="${id}-error">${error}</p>`}
${choices}</fieldset>`;
}

export function checkbox(name: string, label: string, checked: boolean, value = "on", hint?: string): Html {
  return html`<label class="choice"><input type="checkbox" name="${name}" value="${value}" id="${fieldId(`${name}-${value}`)}"${checked ? trusted(" checked") : empty}><span>${label}${hint === undefined ? empty : html`<small>${hint}</small>`}</span></label>`;
}

/** The element a message about `name` points to. */
export function fieldId(name: string): string {
  return `f-${name.replace(/[^\w-]/g, "-")}`;
}

function wrap(field: Field, errors: FieldErrors, control: (shared: Html) => Html): Html {
  const id = fieldId(field.name);
  const error = errors[field.name];
  const described = [field.hint === undefined ? "" : `${id}-hint`, error === undefined ? "" : `${id}-error`]
    .filter((part) => part !== "")
    .join(" ");
  const shared = html` id="${id}" name="${field.name}"${attribute("required", field.required)}${attribute("maxlength", field.maxLength)}${attribute("autofocus", field.autofocus)}${attribute("lang", field.lang)}${attribute("aria-describedby", described === "" ? undefined : described)}${attribute("aria-invalid", error === undefined ? undefined : "true")}`;
  return html`<div class="field${error === undefined ? "" : " invalid"}${field.className === undefined ? "" : ` ${field.className}`}">
<label for="${id}">${field.label}</label>
${field.hint === undefined ? empty : html`<p class="hint" id="${id}-hint">${field.hint}</p>`}
${error === undefined ? empty : html`<p class="error" id="${id}-error">${error}</p>`}
${control(shared)}</div>`;
}

/** What has to be put right, linked to the fields; announced and focused when the page opens. */
export function errorSummary(t: Dictionary, errors: FieldErrors): Html {
  const entries = Object.entries(errors);
  if (entries.length === 0) return empty;
  return html`<div class="notice bad" role="alert" id="summary" tabindex="-1">${icon("warning")}<div><h2>${t.form.summary}</h2><ul>${entries.map(
    ([name, message]) =>
      html`<li>${name === "" ? message : html`<a href="#${fieldId(name)}">${withLabel(name, message, t)}</a>`}</li>`,
  )}</ul></div></div>`;
}

/** "Please fill in this field" says nothing away from its field: there the field is named. */
function withLabel(name: string, message: string, t: Dictionary): string {
  if (message !== t.violations.required) return message;
  const leaf = name.split(".").at(-1) ?? "";
  const own = name.startsWith("items.") ? {} : formLabels(t);
  const labels: Readonly<Record<string, string>> = { ...t.fields, text: t.form.description, ...own };
  return Object.hasOwn(labels, leaf) ? t.form.named(labels[leaf] ?? "", message) : message;
}

function formLabels({ form, account, responder }: Dictionary): Readonly<Record<string, string>> {
  const { email, phone, password, code, otp } = form;
  const { identifier, reason, incident } = responder;
  const secrets = { current: account.current, email_password: account.current, mfa_password: account.current };
  return {
    email,
    phone,
    password,
    code,
    totp: otp,
    mfa_code: otp,
    new_email: account.emailNew,
    ...secrets,
    identifier,
    reason,
    incident,
  };
}

/** A form that is sent to this site with its token. */
export function postForm(
  options: {
    readonly action: string;
    readonly csrf: string;
    readonly multipart?: boolean;
    readonly className?: string;
    /** True: leaving with unsaved changes asks first. */
    readonly guard?: boolean;
  },
  ...body: readonly HtmlPart[]
): Html {
  return html`<form method="post" action="${options.action}" novalidate${attribute("enctype", options.multipart === true ? "multipart/form-data" : undefined)}${attribute("class", options.className)}${attribute("data-guard", options.guard)}>
<input type="hidden" name="_csrf" value="${options.csrf}">
${body}</form>`;
}

export function button(
  label: string,
  options: {
    readonly name?: string;
    readonly value?: string;
    readonly kind?: "primary" | "secondary" | "danger" | "plain";
    readonly icon?: string;
  } = {},
): Html {
  return html`<button type="submit" class="${options.kind ?? "primary"}"${attribute("name", options.name)}${attribute("value", options.value)}>${options.icon === undefined ? empty : icon(options.icon)}<span>${label}</span></button>`;
}

export function linkButton(
  href: string,
  label: string,
  options: { readonly kind?: "primary" | "secondary" | "danger"; readonly icon?: string } = {},
): Html {
  return html`<a class="button ${options.kind ?? "primary"}" href="${href}">${options.icon === undefined ? empty : icon(options.icon)}<span>${label}</span></a>`;
}

export function back(href: string, label: string): Html {
  return html`<p class="back"><a href="${href}">${icon("back")}<span>${label}</span></a></p>`;
}

export function message(
  kind: "good" | "warn" | "bad" | "info",
  body: HtmlPart,
  iconName = kind === "good" ? "check" : kind === "info" ? "info" : "warning",
): Html {
  return html`<div class="notice ${kind}">${icon(iconName)}<div>${body}</div></div>`;
}
