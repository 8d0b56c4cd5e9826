/** Schemas compiled into validators that name every violation, in linear time. Knows schemas and values, nothing of resources. */
import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { Settings } from "typebox/system";
import type { Violation, ViolationLocation } from "../errors.ts";
import { keywords } from "./keywords.ts";

export interface CompiledSchema {
  /** True when the value fits; allocates nothing. */
  check(value: unknown): boolean;
  /** Everything that is wrong with the value, at most `maxViolations` entries; empty when it fits. */
  violations(value: unknown): Violation[];
}

/** More than anyone reads; bounds the answer to a hostile body. */
export const maxViolations = 100;

/**
 * Compiles a schema.
 * @param location where the value comes from, for the violations
 * @throws Error when the schema itself is wrong (a bad pattern, an unknown reference)
 */
export function compileSchema(schema: TSchema, location: ViolationLocation = "body"): CompiledSchema {
  const validator: Validator = Compile(linear(schema) as TSchema);
  const check = (value: unknown): boolean => validator.Check(value);
  return {
    check,
    violations(value) {
      if (check(value)) return [];
      const violations = translate(errorsOf(validator, value), location);
      // What does not fit is never accepted, even if the library could not say why.
      return violations.length > 0 ? violations : [{ location, name: null, description: "Not valid", code: "invalid" }];
    },
  };
}

interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The library keeps the number of errors in a process-wide setting (8): raised for this synchronous call only. */
function errorsOf(validator: Validator, value: unknown): readonly SchemaError[] {
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: maxViolations });
  try {
    return validator.Errors(value) as unknown as readonly SchemaError[];
  } finally {
    Settings.Set({ maxErrors });
  }
}

function translate(errors: readonly SchemaError[], location: ViolationLocation): Violation[] {
  const violations = new Map<string, Violation>();
  for (const error of withoutLosingBranches(errors)) {
    const { instancePath, params } = error;
    const keyword = error.keyword === "~refine" && params.message === uniqueItems ? "uniqueItems" : error.keyword;
    const meaning = keywords[keyword] ?? { code: "invalid", describe: () => "Not valid" };
    for (const name of namesOf(keyword, instancePath, params)) {
      if (violations.size >= maxViolations) break;
      const violation = { location, name, description: meaning.describe(params), code: meaning.code };
      violations.set(`${name}\n${meaning.code}`, violation);
    }
  }
  return [...violations.values()];
}

/** Errors about fields of an object are reported on the field. */
function namesOf(keyword: string, path: string, params: Readonly<Record<string, unknown>>): (string | null)[] {
  const here = dotted(path);
  const fields =
    keyword === "required"
      ? params.requiredProperties
      : keyword === "additionalProperties"
        ? params.additionalProperties
        : keyword === "unevaluatedProperties"
          ? params.unevaluatedProperties
          : undefined;
  if (!Array.isArray(fields)) return [here];
  return fields.map((field) => (here === null ? String(field) : `${here}.${field}`));
}

function dotted(pointer: string): string | null {
  if (pointer === "") return null;
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"))
    .join(".");
}

/**
 * A union reports the errors of all of its branches. Kept: those of the one branch that was meant (no error about its type or a
 * constant); otherwise the union itself, as an `enum` where every branch is a constant.
 */
function withoutLosingBranches(errors: readonly SchemaError[]): SchemaError[] {
  const unions = errors.filter(({ keyword }) => keyword === "anyOf" || keyword === "oneOf");
  let kept: SchemaError[] = [...errors];
  // Innermost first: what an inner union kept, an outer one may still drop.
  for (const union of unions.toSorted((a, b) => b.schemaPath.length - a.schemaPath.length)) {
    const prefix = `${union.schemaPath}/${union.keyword}/`;
    const inside = (error: SchemaError) =>
      error.schemaPath.startsWith(prefix) && error.instancePath.startsWith(union.instancePath);
    const branches = Map.groupBy(kept.filter(inside), (error) => error.schemaPath.slice(prefix.length).split("/")[0]);
    const meant = [...branches.values()].filter((branch) => !branch.some(({ keyword }) => decisive.has(keyword)));
    const [only] = meant;
    const rest = kept.filter((error) => !inside(error) && error !== union);
    if (meant.length === 1 && only !== undefined) kept = [...rest, ...only];
    else kept = [...rest, asEnum(union, [...branches.values()]) ?? union];
  }
  return kept;
}

const decisive: ReadonlySet<string> = new Set(["type", "const", "enum"]);

function asEnum(union: SchemaError, branches: readonly (readonly SchemaError[])[]): SchemaError | undefined {
  const values = branches.map((branch) => branch.find(({ keyword }) => keyword === "const"));
  if (values.length === 0 || values.some((error) => error?.instancePath !== union.instancePath)) return undefined;
  return { ...union, keyword: "enum", params: { allowedValues: values.map((error) => error?.params.allowedValue) } };
}

/**
 * A copy of the schema in which `uniqueItems` is checked by a refinement of ours: the library's own error pass copies the list
 * of duplicates for every duplicate, which is quadratic.
 */
function linear(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(linear);
  if (typeof schema !== "object" || schema === null || schema instanceof RegExp) return schema;
  const copy = copyOf(schema, (key, value) => {
    if (data.has(key) || key.startsWith("~")) return value;
    return maps.has(key) && typeof value === "object" && value !== null
      ? copyOf(value, (_, inner) => linear(inner))
      : linear(value);
  });
  if (copy.uniqueItems !== true) return copy;
  delete copy.uniqueItems;
  const others = Array.isArray(copy["~refine"]) ? copy["~refine"] : [];
  Object.defineProperty(copy, "~refine", { value: [...others, { check: hasUniqueItems, error: () => uniqueItems }] });
  return copy;
}

/** Keywords whose values are data, not schemas. */
const data: ReadonlySet<string> = new Set(["const", "enum", "default", "examples", "required"]);
/** Keywords whose values are schemas by name. */
const maps: ReadonlySet<string> = new Set(["properties", "patternProperties", "$defs", "dependentSchemas"]);
const uniqueItems = "unique-items";

/** Hidden properties, which the library uses as marks, are kept. */
function copyOf(object: object, transform: (key: string, value: unknown) => unknown): Record<string, unknown> {
  const copy = {};
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(object)))
    Object.defineProperty(copy, key, { ...descriptor, configurable: true, value: transform(key, descriptor.value) });
  return copy;
}

function hasUniqueItems(items: unknown): boolean {
  if (!Array.isArray(items)) return true;
  const scalars = new Set<unknown>();
  const objects = new Set<string>();
  for (const item of items) {
    if (typeof item === "object" && item !== null) objects.add(canonical(item));
    else scalars.add(item);
  }
  return scalars.size + objects.size === items.length;
}

/** JSON text with sorted keys: equal for equal values. */
function canonical(value: object): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
