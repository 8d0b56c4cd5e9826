/** The query grammar of lists: parameters of a URL become a filter, an order, a limit, a projection and a place to continue. */
import { violationError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { FieldPath } from "../../storage/filter.ts";
import { deeperThan } from "./json-depth.ts";
import {
  beginReading,
  bound,
  condition,
  endReading,
  finite,
  type GrammarOptions,
  type ListQuery,
  type Operator,
  operators,
  projectionOf,
  queryLimits,
  type Reading,
  report,
  reportInvalid,
  sortOf,
} from "./list-conditions.ts";
import type { Parameter } from "./query-string.ts";

/** @throws ServiceError `invalid-parameters` naming everything that is wrong */
export function parseListQuery(parameters: readonly Parameter[], options: GrammarOptions): ListQuery {
  const reading = beginReading(options);
  readParameters(reading, parameters);
  return endReading(reading);
}

export function readParameters(reading: Reading, parameters: readonly Parameter[]): void {
  for (const [rawName, value] of parameters) {
    const name = rawName.trim();
    if (name.includes("\0") || value.includes("\0")) {
      report(reading, name.replaceAll("\0", ""), "Invalid character 0x00", "null-byte");
      continue;
    }
    switch (name) {
      case "_since":
        bound(reading, name, native(value), "gt");
        break;
      case "_to":
        reading.deprecatedTo = true;
        bound(reading, name, native(value), "lt");
        break;
      case "_before":
        bound(reading, name, native(value), "lt");
        break;
      case "_sort":
        // Clients that build URLs from options send it empty.
        if (value !== "") reading.sort = sortOf(reading, name, value.split(","));
        break;
      case "_limit":
        readLimit(reading, value);
        break;
      case "_token":
        reading.token = { text: value, name, location: reading.location };
        break;
      case "_fields":
        reading.projection = projectionOf(reading, name, value.split(","));
        break;
      default:
        // Unknown underscore parameters are ignored on purpose: clients use them to pass caches.
        if (!name.startsWith("_") && name !== "") readFilter(reading, name, value);
    }
  }
  if (reading.filters.length > queryLimits.filters)
    report(reading, null, `At most ${queryLimits.filters} filters are allowed`, "too-many");
}

/** `_fields` alone, for single objects. @throws ServiceError `invalid-parameters` */
export function parseFields(parameters: readonly Parameter[], options: GrammarOptions): readonly string[] | undefined {
  const reading = beginReading(options);
  for (const [name, value] of parameters)
    if (name === "_fields") reading.projection = projectionOf(reading, name, value.split(","));
  if (reading.violations.length > 0) throw violationError("invalid-parameters", reading.violations);
  return reading.projection;
}

function readFilter(reading: Reading, name: string, text: string): void {
  const { operator, field } = operatorOf(reading, name);
  if (!reading.fields.usable(field, reading.principal)) {
    report(reading, name, `Unknown filter field '${name}'`, "unknown-field");
    return;
  }
  if (deeperThan(text, reading.depth)) {
    report(reading, name, `Value of ${name} is nested too deeply`, "too-deep");
    return;
  }
  const filter = condition(reading, name, operator, field, operandOf(operator, field, text));
  if (filter !== undefined) reading.filters.push(filter);
}

const operatorName = new RegExp(`^(${operators.join("|")})_(.+)$`, "s");

/** A declared field whose own name begins like an operator (`has_implant`) is itself, unless the rest names a declared field too. */
function operatorOf(reading: Reading, name: string): { operator: Operator; field: FieldPath } {
  const match = operatorName.exec(name);
  const field = match?.[2];
  if (match === null || field === undefined) return { operator: "eq", field: name };
  const { fields } = reading;
  if (fields.declared(name) && !fields.declared(field)) return { operator: "eq", field: name };
  return { operator: match[1] as Operator, field };
}

function operandOf(operator: Operator, field: FieldPath, text: string): Json {
  if (operator === "in" || operator === "exclude") return nativeList(text);
  const value = native(text);
  // Ids are strings whatever they look like.
  return field === "id" && compared.has(operator) && typeof value !== "string" ? text : value;
}

const compared: ReadonlySet<Operator> = new Set(["eq", "not", "min", "max", "gt", "lt"]);

function readLimit(reading: Reading, text: string): void {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) >= 2n ** 63n) reportInvalid(reading, "_limit");
  else reading.limit = Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

/** Parsed as JSON, or else the text itself. */
function native(text: string): Json {
  if (text === "" || !startsLikeJson.test(text)) return text;
  try {
    const value: Json = JSON.parse(text);
    return finite(value) ? value : text;
  } catch {
    return text;
  }
}

const startsLikeJson = /^\s*[-0-9"[{tfn]/;

/** A comma list whose elements are each parsed as JSON; commas inside JSON strings, arrays and objects do not separate. */
function nativeList(text: string): readonly Json[] {
  if (text === "") return [""];
  const whole = native(`[${text}]`);
  return Array.isArray(whole) ? (whole as readonly Json[]) : text.split(",").map(native);
}
