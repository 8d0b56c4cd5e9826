/** Reads the annotations of a schema that have an effect: `default`, `readOnly`, `writeOnly`, and the formats it uses. */
import type { TObject } from "typebox";

/** Path to a field, through plain objects only. */
export type AnnotatedPath = readonly string[];

export interface Annotations {
  readonly readOnly: readonly AnnotatedPath[];
  readonly writeOnly: readonly AnnotatedPath[];
  /** Where defaults occur: nowhere, on top-level fields only, or deeper too. */
  readonly defaults: "none" | "top" | "nested";
  readonly formats: ReadonlySet<string>;
  /** Annotated places whose annotation could not be honoured (inside a union, a list, a map). */
  readonly misplaced: readonly string[];
}

export function readAnnotations(schema: TObject): Annotations {
  const found = {
    readOnly: [] as AnnotatedPath[],
    writeOnly: [] as AnnotatedPath[],
    defaults: "none" as Annotations["defaults"],
    formats: new Set<string>(),
    misplaced: [] as string[],
  };
  visit(schema, [], true);
  return found;

  function visit(node: unknown, path: AnnotatedPath, certain: boolean): void {
    if (typeof node !== "object" || node === null) return;
    const keywords = keywordsOf(node);
    if ("default" in keywords && found.defaults !== "nested") found.defaults = path.length > 1 ? "nested" : "top";
    if (typeof keywords.format === "string") found.formats.add(keywords.format);
    if (keywords.readOnly === true && path.length > 0) {
      if (certain) found.readOnly.push(path);
      else found.misplaced.push(`readOnly at ${path.join(".")}`);
    }
    if (keywords.writeOnly === true && path.length > 0) {
      if (certain) found.writeOnly.push(path);
      else found.misplaced.push(`writeOnly at ${path.join(".")}`);
    }
    for (const [name, inner] of entriesOf(keywords.properties)) visit(inner, [...path, name], certain);
    visit(keywords.items, [...path, "items"], false);
    for (const keyword of uncertain)
      for (const [, inner] of entriesOf(keywords[keyword])) visit(inner, [...path, keyword], false);
    visit(keywords.additionalProperties, [...path, "additionalProperties"], false);
    visit(keywords.not, [...path, "not"], false);
  }
}

/** Keywords below which it depends on the value whether a schema applies. */
const uncertain = ["anyOf", "oneOf", "allOf", "prefixItems", "patternProperties", "$defs"] as const;

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

/** A schema's keywords, which its TypeScript type does not tell. */
export function keywordsOf(schema: object | undefined): Readonly<Record<string, unknown>> {
  return (schema ?? {}) as Readonly<Record<string, unknown>>;
}
