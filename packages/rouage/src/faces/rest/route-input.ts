/** Input of plain routes: query and path parameters, which arrive as strings, converted to their schemas' types and checked. */
import type { TSchema } from "typebox";
import { type Violation, type ViolationLocation, violationError } from "../../errors.ts";
import { compileSchema } from "../../schema/validator.ts";
import type { Parameter } from "./query-string.ts";

/** A reader of parameters for one schema, made at start. */
export function parameterReader(
  schema: TSchema | undefined,
  location: ViolationLocation,
): (parameters: readonly Parameter[]) => Readonly<Record<string, unknown>> {
  if (schema === undefined) return (parameters) => collect(parameters, () => undefined);
  const compiled = compileSchema(schema, location);
  const properties = (schema as Shape).properties ?? {};
  const property = (name: string) => (Object.hasOwn(properties, name) ? properties[name] : undefined);
  const defaults = Object.entries(properties).flatMap(([name, { default: value }]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return (parameters) => {
    const values = collect(parameters, property);
    for (const [name, value] of defaults) if (!Object.hasOwn(values, name)) values[name] = structuredClone(value);
    const violations: readonly Violation[] = compiled.violations(values);
    if (violations.length > 0) throw violationError("invalid-parameters", violations);
    return values;
  };
}

interface Shape {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
}

/** The last of several values counts, except where the schema wants a list. */
function collect(
  parameters: readonly Parameter[],
  property: (name: string) => Shape | undefined,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, text] of parameters) {
    // An own `__proto__` property would need a detour, and no schema names one.
    if (name === "__proto__") continue;
    const shape = property(name);
    if (shape?.type === "array") {
      const before = values[name];
      values[name] = [...(Array.isArray(before) ? before : []), convert(shape.items, text)];
    } else values[name] = convert(shape, text);
  }
  return values;
}

/** The value a text stands for in this schema; the text itself where none fits, for the validator to name. */
function convert(shape: Shape | undefined, text: string): unknown {
  if (shape === undefined) return text;
  const options = shape.anyOf ?? shape.oneOf;
  if (options !== undefined) {
    for (const option of options) {
      const value = convert(option, text);
      if (value !== text) return value;
    }
    return text;
  }
  const constants = shape.enum ?? (shape.const === undefined ? undefined : [shape.const]);
  if (constants !== undefined) return constants.find((value) => String(value) === text) ?? text;
  const types = typeof shape.type === "string" ? [shape.type] : (shape.type ?? []);
  for (const type of types) {
    const value = convertTo(type, text);
    if (value !== undefined) return value;
  }
  return text;
}

function convertTo(type: string, text: string): unknown {
  switch (type) {
    case "number":
    case "integer":
      return /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : undefined;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined;
    case "null":
      return text === "null" ? null : undefined;
    default:
      return undefined;
  }
}
