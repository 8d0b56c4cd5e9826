/** The body of QUERY: a filter with and, or and not, an order, bounds and a projection as JSON, with the meaning that URLs give them. */
import type { Json, JsonObject } from "../../json.ts";
import type { FieldPath, Filter } from "../../storage/filter.ts";
import {
  beginReading,
  bound,
  condition,
  endReading,
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
import { readParameters } from "./list-query.ts";
import type { Parameter } from "./query-string.ts";

/** Deepest nesting of and, or and not. */
export const deepestFilter = 16;

/**
 * Filters of the URL and of the body must all hold; an order, a limit, a projection or a token of the URL wins over that of the body, so
 * that a page's `Next-Page` can be followed with the same body.
 * @throws ServiceError `invalid-parameters` naming everything that is wrong
 */
export function parseQueryBody(
  body: Json | undefined,
  parameters: readonly Parameter[],
  options: GrammarOptions,
): ListQuery {
  const reading = beginReading(options);
  reading.location = "body";
  if (body !== undefined) readBody(reading, body);
  reading.location = "querystring";
  readParameters(reading, parameters);
  return endReading(reading);
}

const keys: readonly string[] = ["filter", "sort", "limit", "fields", "since", "before", "token"];

function readBody(reading: Reading, body: Json): void {
  if (!isObject(body)) {
    report(reading, null, "The body must be a JSON object", "type");
    return;
  }
  refuseUnknown(reading, body);
  const { filter, sort, limit, fields, since, before, token } = body;
  if (filter !== undefined) {
    const counted = { conditions: 0 };
    const read = filterOf(reading, filter, "filter", 1, counted);
    if (counted.conditions > queryLimits.filters)
      report(reading, "filter", `At most ${queryLimits.filters} filters are allowed`, "too-many");
    if (read !== undefined) reading.filters.push(read);
  }
  if (since !== undefined) bound(reading, "since", unquoted(since), "gt");
  if (before !== undefined) bound(reading, "before", unquoted(before), "lt");
  if (sort !== undefined && isTexts(reading, "sort", sort)) reading.sort = sortOf(reading, "sort", sort);
  if (fields !== undefined && isTexts(reading, "fields", fields))
    reading.projection = projectionOf(reading, "fields", fields);
  if (limit !== undefined) {
    if (typeof limit === "number" && Number.isSafeInteger(limit) && limit >= 0) reading.limit = limit;
    else reportInvalid(reading, "limit");
  }
  if (token !== undefined) {
    if (typeof token === "string") reading.token = { text: token, name: "token", location: "body" };
    else reportInvalid(reading, "token");
  }
}

interface Counted {
  conditions: number;
}

/** `{"and": […]}`, `{"or": […]}`, `{"not": …}`, or conditions on one field: `{"field": "age", "min": 3, "lt": 10}`. */
function filterOf(reading: Reading, value: Json, name: string, depth: number, counted: Counted): Filter | undefined {
  // Everything behind the first hundred mistakes, or beyond the bound, would be read for nothing.
  if (counted.conditions > queryLimits.filters) return undefined;
  if (depth > deepestFilter) {
    report(reading, name, `Filters may be nested ${deepestFilter} deep`, "too-deep");
    return undefined;
  }
  if (!isObject(value)) {
    report(reading, name, "A filter must be a JSON object", "type");
    return undefined;
  }
  if (Object.hasOwn(value, "field")) return conditionsOf(reading, value, name, counted);
  const { and, or, not } = value;
  const parts = and ?? or;
  if (Object.keys(value).length === 1 && not !== undefined) {
    const filter = filterOf(reading, not, `${name}.not`, depth + 1, counted);
    return filter === undefined ? undefined : { kind: "not", filter };
  }
  if (Object.keys(value).length !== 1 || parts === undefined) {
    report(reading, name, "A filter has one of and, or, not, or field with operators", "type");
    return undefined;
  }
  const kind = and === undefined ? "or" : "and";
  if (!isArray(parts) || parts.length === 0) {
    report(reading, `${name}.${kind}`, `${kind} must be a list of filters, at least one`, "type");
    return undefined;
  }
  const filters: Filter[] = [];
  for (const [index, part] of parts.entries()) {
    if (reading.violations.length === 100) return undefined;
    const filter = filterOf(reading, part, `${name}.${kind}.${index}`, depth + 1, counted);
    if (filter !== undefined) filters.push(filter);
  }
  return { kind, filters };
}

function conditionsOf(reading: Reading, value: JsonObject, name: string, counted: Counted): Filter | undefined {
  const { field, ...asked } = value;
  if (typeof field !== "string" || field.includes("\0") || !reading.fields.usable(field, reading.principal)) {
    const shown = typeof field === "string" ? ` '${field.slice(0, 100)}'` : "";
    report(reading, `${name}.field`, `Unknown filter field${shown}`, "unknown-field");
    return undefined;
  }
  const filters: Filter[] = [];
  for (const [operator, operand] of Object.entries(asked)) {
    if (++counted.conditions > queryLimits.filters || operand === undefined) return undefined;
    const place = `${name}.${operator.slice(0, 64)}`;
    if (!isOperator(operator)) report(reading, place, `An operator is one of ${operators.join(", ")}`, "unknown-field");
    else {
      const filter = condition(reading, place, operator, field, onField(field, operator, operand));
      if (filter !== undefined) filters.push(filter);
    }
  }
  if (Object.keys(asked).length === 0) report(reading, name, "A condition has at least one operator", "required");
  const [only] = filters;
  return filters.length === 1 ? only : { kind: "and", filters };
}

function onField(field: FieldPath, operator: Operator, operand: Json): Json {
  return field === "last_modified" && operator !== "in" && operator !== "exclude" ? unquoted(operand) : operand;
}

/** A revision as `ETag` writes it. */
function unquoted(value: Json): Json {
  return typeof value === "string" ? value.replace(/^"(\d+)"$/, "$1") : value;
}

function isOperator(name: string): name is Operator {
  return (operators as readonly string[]).includes(name);
}

function isTexts(reading: Reading, name: string, value: Json): value is readonly string[] {
  if (isArray(value) && value.every((each) => typeof each === "string" && !each.includes("\0"))) return true;
  report(reading, name, `${name} must be a list of texts without 0x00`, "type");
  return false;
}

function refuseUnknown(reading: Reading, value: JsonObject): void {
  for (const key of Object.keys(value)) {
    if (reading.violations.length === 100) return;
    if (!keys.includes(key)) report(reading, key.slice(0, 64), "Unrecognized key", "unknown-field");
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
