/** Parts of the account page that other pages act on: second factor, phone number, e-mail address. */
import { button, type FieldErrors, icon, postForm, textField } from "../components.ts";
import { empty, type Html, html } from "../html.ts";
import type { SignedIn } from "../page.ts";

export function mfaPart({ t, csrf, session }: SignedIn, errors: FieldErrors): Html {
  const words = t.account;
  if (!session.account.mfa) {
    return html`<section class="card"><h2>${words.mfa}</h2><p>${words.mfaOff}</p>${postForm({ action: "/me/account/mfa", csrf }, button(words.mfaStart, { icon: "shield" }))}</section>`;
  }
  return html`<section class="card"><h2>${words.mfa}</h2><p class="said none">${icon("shield")}<span>${words.mfaOn}</span></p>
<details${errors.mfa_password === undefined && errors.mfa_code === undefined ? empty : html` open`}><summary>${words.mfaStop}</summary>${postForm(
    { action: "/me/account/mfa/stop", csrf },
    textField(
      {
        name: "mfa_password",
        label: t.account.current,
        type: "password",
        autocomplete: "current-password",
        required: true,
      },
      errors,
    ),
    textField(
      {
        name: "mfa_code",
        label: t.form.otp,
        hint: t.form.otpHint,
        autocomplete: "one-time-code",
        inputmode: "numeric",
        required: true,
        maxLength: 32,
        className: "code",
      },
      errors,
    ),
    button(words.mfaStop, { kind: "danger" }),
  )}</details></section>`;
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

function folded(summary: string, open: boolean, form: Html): Html {
  return html`<details${open ? html` open` : empty}><summary>${summary}</summary>${form}</details>`;
}
