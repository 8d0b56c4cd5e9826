/** Reads the attributes of an AML message one by one, and remembers everything that is wrong with them. */
import type { AmlProblem } from "./message.ts";

export type AmlAttributes = ReadonlyMap<string, string>;

export interface AttributeReader {
  readonly problems: readonly AmlProblem[];
  readonly missing: readonly AmlProblem[];
  has(name: string): boolean;
  text(name: string): string | undefined;
  /** A decimal number within the limits; undefined when absent or wrong (then a problem is noted). */
  number(name: string, minimum: number, maximum: number): number | undefined;
  required(name: string, minimum: number, maximum: number): number;
  /** Notes that the attribute has no usable value. */
  problem(name: string, description: string): undefined;
  absent(name: string): void;
}

/** Longest message, and most attributes, that are looked at. */
export const amlLimit = 8192;
export const attributeLimit = 100;

export function attributeReader(attributes: AmlAttributes): AttributeReader {
  const problems: AmlProblem[] = [];
  const missing: AmlProblem[] = [];
  const reader: AttributeReader = {
    problems,
    missing,
    has: (name) => attributes.has(name),
    text: (name) => attributes.get(name),
    number(name, minimum, maximum) {
      const value = attributes.get(name);
      return value === undefined ? undefined : checked(reader, name, value, minimum, maximum);
    },
    required(name, minimum, maximum) {
      if (!attributes.has(name)) reader.absent(name);
      return reader.number(name, minimum, maximum) ?? Number.NaN;
    },
    problem(name, description) {
      problems.push({ attribute: name, description });
      return undefined;
    },
    absent(name) {
      missing.push({ attribute: name, description: "is missing" });
    },
  };
  return reader;
}

/** A number of an attribute that holds several. */
export function checked(
  reader: AttributeReader,
  name: string,
  value: string,
  minimum: number,
  maximum: number,
): number | undefined {
  const number = decimal(value);
  if (number === undefined) return reader.problem(name, "is not a decimal number");
  if (number < minimum || number > maximum) return reader.problem(name, `must lie between ${minimum} and ${maximum}`);
  return number;
}

/** `key=value` pairs between semicolons; blanks around them and empty ones don't matter, the first of equal names wins. */
export function smsAttributes(body: string): AmlAttributes | undefined {
  const attributes = new Map<string, string>();
  const parts = body.split(";");
  if (parts.length > attributeLimit) return undefined;
  for (const part of parts) {
    const equals = part.indexOf("=");
    if (equals < 0) continue;
    const name = part.slice(0, equals).trim().toLowerCase();
    const value = part.slice(equals + 1).trim();
    if (name !== "" && value !== "" && !attributes.has(name)) attributes.set(name, value);
  }
  return attributes;
}

function decimal(value: string): number | undefined {
  return /^[+-]?\d{1,15}(\.\d{0,15})?$/.test(value) ? Number(value) + 0 : undefined;
}

/** What the letter of `pm` or `ls`, or the word of `location_source`, says; "none" when the handset found no position. */
export function sourceOf(method: string | undefined): "gnss" | "wifi" | "cell" | "unknown" | "none" {
  switch (method?.trim().toLowerCase()) {
    case "g":
    case "gps":
    case "gnss":
      return "gnss";
    case "w":
    case "wifi":
    case "wi-fi":
      return "wifi";
    case "c":
    case "cell":
      return "cell";
    case "n":
    case "none":
      return "none";
    default:
      return "unknown";
  }
}
