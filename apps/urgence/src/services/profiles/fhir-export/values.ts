/** Small FHIR values: references, concepts, extensions, narrative. */
import type { Code } from "../schema.ts";

/** A FHIR element or resource under construction. */
export interface Fhir {
  readonly [key: string]: unknown;
}

/** Prefix of the extensions for what FHIR has no element for. */
export const fieldExtension = "urn:urgence:field:";

export const reference = (url: string) => ({ reference: url });

export const coding = (system: string, code: string, display?: string) =>
  display === undefined ? { system, code } : { system, code, display };

/** The person's words, with their code when there is one. */
export function concept(text: string, code?: Code): Fhir {
  return code === undefined ? { text } : { coding: [code], text };
}

/** `{extension: […]}` with the fields that have a value; `{}` when none has. */
export function extensions(fields: Readonly<Record<string, string | boolean | undefined>>): Fhir {
  const list = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const url = `${fieldExtension}${name}`;
    return [typeof value === "boolean" ? { url, valueBoolean: value } : { url, valueString: value }];
  });
  return list.length === 0 ? {} : { extension: list };
}

/** `{key: value}` of the defined ones. */
export function defined(fields: Fhir): Fhir {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

export const annotations = (note: string | undefined) => (note === undefined ? {} : { note: [{ text: note }] });

/** Generated narrative: a list of lines, escaped. */
export function narrative(lines: readonly string[]): Fhir {
  const items = lines.map((line) => `<li>${escaped(line)}</li>`).join("");
  const div = `<div xmlns="http://www.w3.org/1999/xhtml"><ul>${items === "" ? "<li>-</li>" : items}</ul></div>`;
  return { status: "generated", div };
}

/** XHTML text: markup escaped, characters that XML does not allow left out. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[&<>"']/g, (character) => entities[character] ?? "")
    .replace(/(?![\t\n])[\p{Cc}\uFFFE\uFFFF]/gu, "");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
