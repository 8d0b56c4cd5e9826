/** The API's violations as messages at fields, in the language of the page. */
import { ApiFailure, type ApiViolation } from "./api.ts";
import type { FieldErrors } from "./components.ts";
import type { Dictionary } from "./i18n/dictionary.ts";

/** Which form field a violation's name belongs to; undefined: none, the message is about the form. */
export type FieldOf = (name: string) => string | undefined;

/** Messages for a refused form; rethrows what is not about its contents. */
export function fieldErrors(error: unknown, t: Dictionary, fieldOf: FieldOf): FieldErrors {
  if (!(error instanceof ApiFailure) || ![400, 409, 422].includes(error.status)) throw error;
  const errors: Record<string, string> = {};
  for (const violation of error.violations) {
    const field = fieldOf(violation.name.replace(/^data\./, "")) ?? "";
    errors[field] ??= describe(violation, field, t);
  }
  return Object.keys(errors).length === 0 ? { "": t.violations.invalid } : errors;
}

/** Violations whose names are the form's own field names, with the API's aliases. */
export function sameNames(...names: readonly string[]): FieldOf {
  return (name) => (name === "phoneNumber" ? "phone" : names.includes(name) ? name : undefined);
}

function describe({ code, name }: ApiViolation, field: string, { violations: words }: Dictionary): string {
  const leaf = field.split(".").at(-1) ?? "";
  if (code === "required" || code === "missing" || code === "min-length") {
    return leaf === "password" ? words.passwordShort : words.required;
  }
  if (leaf === "email") return words.email;
  if (leaf === "phone") return words.phone;
  if (leaf === "code" && !name.includes("items")) return words.code;
  if (leaf === "password") return /short|length/.test(code) ? words.passwordShort : words.passwordWeak;
  if (code === "max-length" || code === "max-items") return words.tooLong;
  if (["birth_date", "since", "date", "due_date"].includes(leaf)) return words.date;
  if (leaf === "languages") return words.language;
  if (/minimum|maximum|range|number/.test(code)) return words.number;
  return words.invalid;
}
