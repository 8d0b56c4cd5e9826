/** What the readers of single resource types share: the bundle, what was found, and the small readings they all do. */

import { partialDateOf } from "../dates.ts";
import { fieldExtension } from "../fhir-export/values.ts";
import type { Code } from "../schema.ts";
import { type BundleIndex, codings, conceptText } from "./bundle.ts";
import { absence, absenceInWords } from "./codes.ts";
import type { Found } from "./findings.ts";
import { at, type Node, nodes, prose } from "./json.ts";

export interface Reading {
  readonly index: BundleIndex;
  readonly found: Found;
  /** Sections of the Composition that list this resource, by the names of `sectionsByLoinc`. */
  sectionsOf(resource: Node): ReadonlySet<string>;
  /** Date of the document; undefined for a bundle without one. */
  readonly documentDate: string | undefined;
  /** Devices that a statement of use refers to. */
  readonly usedDevices: ReadonlySet<Node>;
  readonly now: number;
}

/** A reader takes one resource; what it can't use it leaves with a reason. */
export type Reader = (resource: Node, source: string, reading: Reading) => void;

/** `{key: value}` without the undefined ones. */
export function present<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** Value of one of our own extensions. */
export function field(element: unknown, name: string): unknown {
  const extension = nodes(at(element, "extension")).find((entry) => at(entry, "url") === `${fieldExtension}${name}`);
  return at(extension, "valueString") ?? at(extension, "valueBoolean") ?? at(extension, "valueCode");
}

/** Whether our own export wrote this element: then its fields say everything, and what FHIR says beside them is derived. */
export const isOurs = (element: unknown): boolean =>
  nodes(at(element, "extension")).some((entry) => String(at(entry, "url")).startsWith(fieldExtension));

/** `value` when it is one of the choices. */
export function oneOf<const T extends readonly string[]>(choices: T, value: unknown): T[number] | undefined {
  return choices.find((choice) => choice === value);
}

/** Text and code of a concept; the text of our own export wins, because it is what the person typed. */
export function named(concept: unknown, resource?: unknown): { text: string; code?: Code } | undefined {
  const text = prose(field(resource, "text"), 500) ?? conceptText(concept);
  if (text === undefined) return undefined;
  // A code whose words differ from the text only helps those who read codes: the first one is kept.
  const code = codings(concept)[0];
  return code === undefined ? { text } : { text, code };
}

export function note(resource: unknown): string | undefined {
  return prose(at(nodes(at(resource, "note"))[0], "text")) ?? prose(field(resource, "note"));
}

/** When a resource's content was last said to be true, as an instant; the document's date where it says nothing. */
export function saidAt(resource: Node, { documentDate, now, index }: Reading): string {
  const candidates = [
    field(resource, "confirmed_at"),
    documentDate,
    at(resource, "recordedDate"),
    at(resource, "dateAsserted"),
    at(resource, "authoredOn"),
    at(resource, "effectiveDateTime"),
    at(resource, "occurrenceDateTime"),
    at(resource, "performedDateTime"),
    at(resource, "performedPeriod", "start"),
    at(resource, "meta", "lastUpdated"),
    at(index.bundle, "timestamp"),
  ];
  for (const candidate of candidates) {
    const time = instant(candidate);
    if (time !== undefined && time <= now) return new Date(time).toISOString();
  }
  return new Date(now).toISOString();
}

function instant(value: unknown): number | undefined {
  const date = partialDateOf(value);
  if (typeof value !== "string" || date === undefined) return undefined;
  const time = Date.parse(value.length > 10 ? value : date);
  return Number.isNaN(time) ? undefined : time;
}

/** A past date for a profile; dates in the future are left out. */
export function pastDate(value: unknown, { now }: Reading): string | undefined {
  const date = partialDateOf(value);
  return date !== undefined && Date.parse(date) <= now ? date : undefined;
}

/** `onset[x]` as a partial date. */
export function onset(resource: Node, reading: Reading): string | undefined {
  return pastDate(at(resource, "onsetDateTime") ?? at(resource, "onsetPeriod", "start"), reading);
}

/** Handles a code that stands for "none known" or "no information"; true when it did. */
export function absent(concept: unknown, resource: Node, source: string, reading: Reading): boolean {
  const { found } = reading;
  const coded = codings(concept).map((coding) => absence(coding));
  const meaning = coded.find((one) => one !== undefined) ?? absenceInWords(conceptText(concept) ?? "");
  if (meaning === undefined) return false;
  if (meaning.kind === "statement") {
    found.say(meaning.section, source, meaning.statement, saidAt(resource, reading));
  } else {
    found.warn(`The document says "${meaning.text}". That covers a part of the section, so it was not taken over.`);
    found.leave(source, "Statement", `"${meaning.text}" is about a part of the section only`);
  }
  return true;
}

/** Whether a record says of itself that it is wrong. */
export function disowned(resource: Node): boolean {
  const codes = [...codings(at(resource, "verificationStatus")).map(({ code }) => code), at(resource, "status")];
  return codes.some((code) => code === "entered-in-error" || code === "refuted");
}
