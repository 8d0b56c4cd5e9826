/** The section editor's form, read into a section of the profile. Keeps what the form does not show. */
import type { Item, Section, SectionName, Statement } from "../../services/profiles/schema.ts";
import { statements } from "../../services/profiles/schema.ts";
import type { Form } from "../forms.ts";
import type { Dictionary } from "../i18n/dictionary.ts";
import type { Language } from "../language.ts";
import { choiceLabel, type ItemField, itemFields } from "./fields.ts";
import { isoDate, languageCodes, typedDate, typedLanguages } from "./typed.ts";

/** A row of the form as it was typed, by field name. */
export interface Row {
  /** Its place in the form, which names its fields: `items.3.text`. */
  readonly index: number;
  readonly id: string;
  readonly values: Readonly<Record<string, string>>;
}

export interface SectionForm {
  readonly statement: Statement;
  readonly rows: readonly Row[];
  /** Which button was pressed. */
  readonly action: { readonly kind: "save" | "add" } | { readonly kind: "remove"; readonly index: number };
}

const maxRows = 120;

export function parseSection(form: Form, name: SectionName): SectionForm {
  const rows: Row[] = [];
  for (let index = 0; index < maxRows; index++) {
    if (!form.has(`items.${index}.id`)) continue;
    const values = itemFields[name].map((field) => [field.name, form.text(`items.${index}.${field.name}`)] as const);
    rows.push({ index, id: form.text(`items.${index}.id`), values: Object.fromEntries(values) });
  }
  const statement = statements.find((known) => known === form.text("statement")) ?? "no-information";
  return { statement, rows, action: parseAction(form.text("action")) };
}

function parseAction(action: string): SectionForm["action"] {
  const index = /^remove-(\d{1,3})$/.exec(action)?.[1];
  if (index !== undefined) return { kind: "remove", index: Number(index) };
  return { kind: action === "add" ? "add" : "save" };
}

/** Stored items as rows, for the first showing. */
export function rowsOf(section: Section, name: SectionName, language: Language): readonly Row[] {
  return section.items.map((item, index) => {
    const values = itemFields[name].map(
      (field) => [field.name, shown(field, (item as Record<string, unknown>)[field.name], language)] as const,
    );
    return { index, id: item.id, values: Object.fromEntries(values) };
  });
}

function shown({ kind }: ItemField, value: unknown, language: Language): string {
  if (value === true) return "on";
  if (Array.isArray(value)) return typedLanguages(value.map(String), language);
  if (typeof value !== "string") return "";
  return kind === "date" ? typedDate(value, language) : value;
}

export const isBlank = (row: Row): boolean => Object.values(row.values).every((value) => value === "");

/** The number in E.164, or undefined when it is none. */
export type ParsePhone = (typed: string) => string | undefined;

export interface BuildOptions {
  readonly stored: Section;
  readonly t: Dictionary;
  readonly language: Language;
  readonly parsePhone: ParsePhone;
}

/**
 * The section to save. A row keeps the fields of its stored item that the form does not show (codes, confirmations); the server sees
 * by comparing whether it changed.
 */
export function buildSection(
  name: SectionName,
  { statement, rows }: SectionForm,
  { stored, t, language, parsePhone }: BuildOptions,
): {
  readonly section: object;
  readonly errors: Readonly<Record<string, string>>;
  readonly indexes: readonly number[];
} {
  const errors: Record<string, string> = {};
  const filled = rows.filter((row) => !isBlank(row));
  if (statement === "listed" && filled.length === 0) errors.statement = t.profile.needsEntry;
  if (statement !== "listed" && filled.length > 0) errors.statement = t.profile.stillEntries;
  const known = new Map(stored.items.map((item) => [item.id, item as Item]));
  const items = filled.map((row) => {
    const previous = known.get(row.id);
    const hidden = previous === undefined ? {} : without(previous, itemFields[name]);
    // The code belonged to the words that it was given for.
    if (previous !== undefined && "text" in previous && previous.text !== row.values.text && "code" in hidden)
      delete hidden.code;
    const values = itemFields[name].map((field) => [field.name, value(field, row)] as const);
    return { ...hidden, ...Object.fromEntries(values.filter(([, entry]) => entry !== undefined)) };
  });
  const kept =
    stored.statement === statement && stored.confirmed_at !== undefined ? { confirmed_at: stored.confirmed_at } : {};
  return { section: { statement, items, ...kept }, errors, indexes: filled.map((row) => row.index) };

  function value(field: ItemField, row: Row): unknown {
    const path = `items.${row.index}.${field.name}`;
    const typed = row.values[field.name] ?? "";
    if (field.kind === "check") return typed === "" ? undefined : true;
    if (typed === "") {
      const kind = row.values.kind ?? "";
      // "Pacemaker" chosen and nothing typed: the choice's own words say it.
      if (field.name === "text" && kind !== "" && kind !== "other") return choiceLabel(kind, t);
      if (field.required === true) errors[path] = t.violations.required;
      return undefined;
    }
    if (field.kind === "phone") {
      const phone = parsePhone(typed);
      if (phone === undefined) errors[path] = t.violations.phone;
      return phone;
    }
    if (field.kind === "date") return isoDate(typed, language);
    return field.kind === "languages" ? languageCodes(typed) : typed;
  }
}

function without(item: Item, fields: readonly ItemField[]): Record<string, unknown> {
  const shownNames = new Set(fields.map((field) => field.name));
  return Object.fromEntries(Object.entries(item).filter(([name]) => !shownNames.has(name)));
}
