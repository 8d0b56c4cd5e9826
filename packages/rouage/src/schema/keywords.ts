/**
 * What each JSON Schema keyword means to a client: the stable `code` of its violation and a sentence. One table, so that codes
 * never depend on the validating library.
 */

export interface KeywordMeaning {
  /** Kebab-case, stable for ever. */
  readonly code: string;
  readonly describe: (params: Readonly<Record<string, unknown>>) => string;
}

export const keywords: Readonly<Record<string, KeywordMeaning>> = {
  type: { code: "type", describe: ({ type }) => `Must be ${article(type)}` },
  required: { code: "required", describe: () => "Required" },
  additionalProperties: { code: "unknown-field", describe: () => "Unknown field" },
  unevaluatedProperties: { code: "unknown-field", describe: () => "Unknown field" },
  boolean: { code: "unknown-field", describe: () => "Unknown field" },
  unevaluatedItems: { code: "unknown-item", describe: () => "Unknown item" },
  anyOf: { code: "any-of", describe: () => "Must match at least one of the forms allowed" },
  oneOf: { code: "one-of", describe: () => "Must match exactly one of the forms allowed" },
  not: { code: "not", describe: () => "Must not have this form" },
  if: { code: "condition", describe: () => "Does not fit together with the other fields" },
  const: { code: "const", describe: ({ allowedValue }) => `Must be ${JSON.stringify(allowedValue)}` },
  enum: { code: "enum", describe: ({ allowedValues }) => `Must be one of ${list(allowedValues)}` },
  format: { code: "format", describe: ({ format }) => `Must be a valid ${format}` },
  pattern: { code: "pattern", describe: ({ pattern }) => `Must match the pattern ${pattern}` },
  minLength: { code: "min-length", describe: ({ limit }) => `Must have at least ${plural(limit, "character")}` },
  maxLength: { code: "max-length", describe: ({ limit }) => `Must have at most ${plural(limit, "character")}` },
  minimum: { code: "minimum", describe: ({ limit }) => `Must be ${limit} or more` },
  maximum: { code: "maximum", describe: ({ limit }) => `Must be ${limit} or less` },
  exclusiveMinimum: { code: "exclusive-minimum", describe: ({ limit }) => `Must be more than ${limit}` },
  exclusiveMaximum: { code: "exclusive-maximum", describe: ({ limit }) => `Must be less than ${limit}` },
  multipleOf: { code: "multiple-of", describe: ({ multipleOf }) => `Must be a multiple of ${multipleOf}` },
  minItems: { code: "min-items", describe: ({ limit }) => `Must have at least ${plural(limit, "item")}` },
  maxItems: { code: "max-items", describe: ({ limit }) => `Must have at most ${plural(limit, "item")}` },
  contains: { code: "contains", describe: () => "Must contain the items asked for" },
  uniqueItems: { code: "unique-items", describe: () => "Must not contain an item twice" },
  minProperties: { code: "min-properties", describe: ({ limit }) => `Must have at least ${plural(limit, "field")}` },
  maxProperties: { code: "max-properties", describe: ({ limit }) => `Must have at most ${plural(limit, "field")}` },
  propertyNames: { code: "field-name", describe: () => "Has a field whose name is not allowed" },
  dependentRequired: {
    code: "dependent-required",
    describe: ({ dependencies }) => `Must come together with ${list(dependencies)}`,
  },
  dependencies: {
    code: "dependent-required",
    describe: ({ dependencies }) => `Must come together with ${list(dependencies)}`,
  },
  "~refine": { code: "refine", describe: ({ message }) => String(message) },
};

function article(type: unknown): string {
  const names = Array.isArray(type) ? type : [type];
  return names
    .map((name) => (name === "null" ? "null" : `${/^[aeiou]/.test(String(name)) ? "an" : "a"} ${name}`))
    .join(" or ");
}

function plural(count: unknown, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function list(values: unknown): string {
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)).join(", ") : "the values allowed";
}
