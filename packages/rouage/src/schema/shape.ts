/** A resource's schema, compiled: which fields there are, what they default to, how they are checked and computed. */
import type { TObject, TSchema } from "typebox";
import { Type } from "typebox";
import { Default } from "typebox/value";
import type { Violation } from "../errors.ts";
import { type AnnotatedPath, keywordsOf, readAnnotations } from "./annotations.ts";
import { type CompiledSchema, compileSchema } from "./validator.ts";

export type Fields = Record<string, unknown>;

export type UnknownFields = "reject" | "drop" | "keep";

export interface Shape {
  readonly known: ReadonlySet<string>;
  readonly unknownFields: UnknownFields;
  readonly computed: ReadonlySet<string>;
  readonly readOnly: readonly AnnotatedPath[];
  readonly writeOnly: readonly AnnotatedPath[];
  /** The object with defaults filled in; top-level fields may be filled in place. */
  withDefaults(object: Fields): Fields;
  /** Checks all but the computed fields. */
  violations(object: Fields): Violation[];
  /** Fills in the computed fields of a valid object, in place. */
  compute(object: Fields, meta: { readonly id: string; readonly now: number }): Violation[];
}

export interface ShapeOptions {
  readonly schema: TObject;
  readonly unknownFields?: UnknownFields | undefined;
  readonly computed?: Readonly<Record<string, Compute>> | undefined;
}

type Compute = (object: Fields, meta: { readonly id: string; readonly now: number }) => unknown;

export function compileShape({ schema, unknownFields, computed = {} }: ShapeOptions): Shape {
  const annotations = readAnnotations(schema);
  const { additionalProperties } = keywordsOf(schema);
  const isOpen = additionalProperties !== undefined && additionalProperties !== false;
  const base = compileSchema(withoutFields(schema, new Set(Object.keys(computed))));
  const derived = Object.entries(computed).map(([field, compute]) => ({
    field,
    compute,
    check: compileSchema(schema.properties[field] ?? Type.Unknown()),
    isRequired: isRequired(schema, field),
  }));
  return {
    known: new Set(Object.keys(schema.properties)),
    unknownFields: unknownFields ?? (isOpen ? "keep" : "reject"),
    computed: new Set(Object.keys(computed)),
    readOnly: annotations.readOnly,
    writeOnly: annotations.writeOnly,
    withDefaults: defaultsOf(schema, annotations.defaults),
    violations: (object) => base.violations(object),
    compute(object, meta) {
      const violations: Violation[] = [];
      for (const { field, compute, check, isRequired } of derived) {
        const value = compute(object, meta);
        if (value !== undefined) object[field] = value;
        if (value !== undefined || isRequired) violations.push(...named(check, field, value));
      }
      return violations;
    },
  };
}

function defaultsOf(schema: TObject, where: "none" | "top" | "nested"): (object: Fields) => Fields {
  if (where === "none") return (object) => object;
  if (where === "nested") return (object) => Default(schema, structuredClone(object)) as Fields;
  const initial = Object.entries(schema.properties)
    .map(([field, property]) => [field, keywordsOf(property).default] as const)
    .filter(([, value]) => value !== undefined);
  return (object) => {
    for (const [field, value] of initial)
      if (object[field] === undefined) object[field] = typeof value === "function" ? value() : structuredClone(value);
    return object;
  };
}

function isRequired(schema: TObject, field: string): boolean {
  const { required } = keywordsOf(schema);
  return Array.isArray(required) && required.includes(field);
}

function named(check: CompiledSchema, field: string, value: unknown): Violation[] {
  return check
    .violations(value)
    .map((violation) => ({ ...violation, name: violation.name === null ? field : `${field}.${violation.name}` }));
}

/** The schema without these fields; unknown fields are the resource's policy, not the schema's, unless it has a schema for them. */
function withoutFields(schema: TObject, fields: ReadonlySet<string>): TSchema {
  const { additionalProperties, required, properties, ...rest } = keywordsOf(schema);
  const kept = Object.entries(schema.properties).filter(([field]) => !fields.has(field));
  const asked = Array.isArray(required) ? required.filter((field) => !fields.has(field)) : [];
  return {
    ...rest,
    properties: Object.fromEntries(kept),
    ...(asked.length === 0 ? {} : { required: asked }),
    ...(typeof additionalProperties === "object" ? { additionalProperties } : {}),
  } as TSchema;
}
