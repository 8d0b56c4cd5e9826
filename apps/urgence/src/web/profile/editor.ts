/** The editor of one section as HTML: what the person says, and the rows of what they list. */
import type { SectionName } from "../../services/profiles/schema.ts";
import { checkbox, type FieldErrors, icon, radioGroup, selectField, textArea, textField } from "../components.ts";
import { empty, type Html, html, trusted } from "../html.ts";
import type { Dictionary } from "../i18n/dictionary.ts";
import { choiceLabel, type ItemField, itemFields, singleSections } from "./fields.ts";
import { isBlank, type Row, type SectionForm } from "./parse.ts";

export interface EditorOptions {
  readonly name: SectionName;
  readonly t: Dictionary;
  readonly errors: FieldErrors;
}

export function sectionEditor(form: SectionForm, options: EditorOptions): Html {
  const { name, t, errors } = options;
  const words = t.sections[name];
  const single = singleSections.has(name);
  const rows = form.rows.length === 0 ? [blankRow(0)] : form.rows;
  return html`${radioGroup(
    {
      name: "statement",
      label: t.profile.statement,
      value: form.statement,
      choices: [
        ["listed", words.listed],
        ["none-known", words.none],
        ["no-information", t.profile.noInformation, t.profile.noInformationHint],
        ["declined", t.profile.declined],
      ],
    },
    errors,
  )}
<div class="rows${rows.some((row) => !isBlank(row)) && form.statement !== "listed" ? " shown" : ""}" data-rows>
${rows.map((row, position) => rowFields(row, position + 1, options, !single))}
${single ? empty : html`<template data-row-template>${rowFields({ ...blankRow(0), index: Number.NaN }, 0, options, true)}</template>`}
${single ? empty : html`<p>${addButton(t)}</p>`}
</div>`;
}

function addButton(t: Dictionary): Html {
  return html`<button type="submit" class="secondary" name="action" value="add" data-add>${icon("plus")}<span>${t.form.addAnother}</span></button>`;
}

export const blankRow = (index: number): Row => ({ index, id: "", values: {} });

function rowFields(row: Row, number: number, { name, t, errors }: EditorOptions, removable: boolean): Html {
  const index = Number.isNaN(row.index) ? "{index}" : String(row.index);
  const field = (item: ItemField) =>
    itemField(item, `items.${index}.${item.name}`, row.values[item.name] ?? "", t, errors);
  const fields = itemFields[name];
  const more = fields.filter((item) => item.more === true);
  const open = more.some(
    (item) => (row.values[item.name] ?? "") !== "" || errors[`items.${index}.${item.name}`] !== undefined,
  );
  const label = singleSections.has(name)
    ? t.sections[name].title
    : `${t.sections[name].add} ${number === 0 ? "" : number}`;
  return html`<fieldset class="row" data-row><legend>${label}</legend>
<input type="hidden" name="items.${index}.id" value="${row.id}">
${fields.filter((item) => item.more !== true).map(field)}
${more.length === 0 ? empty : html`<details${open ? trusted(" open") : empty}><summary>${t.profile.more}</summary>${more.map(field)}</details>`}
${removable ? html`<p class="remove"><button type="submit" class="plain danger-text" name="action" value="remove-${index}" data-remove>${icon("trash")}<span>${t.form.remove}</span><span class="visually-hidden"> ${label}</span></button></p>` : empty}
</fieldset>`;
}

function itemField(field: ItemField, name: string, value: string, t: Dictionary, errors: FieldErrors): Html {
  const label = field.required === true ? t.fields[field.label] : `${t.fields[field.label]} (${t.form.optional})`;
  const shared = {
    name,
    label,
    value,
    hint: field.hint === undefined ? undefined : t.fields[field.hint],
    maxLength: field.maxLength,
  };
  switch (field.kind) {
    case "area":
      return textArea({ ...shared, rows: 2 }, errors);
    case "check":
      return checkbox(name, t.fields[field.label], value !== "");
    case "choice": {
      const choices = (field.choices ?? []).map((choice) => [choice, choiceLabel(choice, t)] as const);
      return selectField({ ...shared, choices: [["", t.form.unspecified], ...choices] }, errors);
    }
    case "date":
      return textField({ ...shared, maxLength: 10, className: "short" }, errors);
    case "phone":
      return textField({ ...shared, type: "tel", inputmode: "tel", maxLength: 30 }, errors);
    default:
      return textField(shared, errors);
  }
}
