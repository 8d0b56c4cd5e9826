/** Checks a declaration when it is made, so that a mistake stops the start and not a request. */
import type { TObject } from "typebox";
import Format from "typebox/format";
import type { Access, ResourceOptions } from "../resource-declaration.ts";
import { keywordsOf, readAnnotations } from "../schema/annotations.ts";
import { compileSchema } from "../schema/validator.ts";
import { rateLimitPattern } from "../settings/rate-limit.ts";
import { owner, type Rule } from "./access.ts";
import { ancestorsOf, parameterOf } from "./paths.ts";
import { effectiveRules } from "./rules.ts";
import { sharingProblems } from "./sharing/declaration.ts";

/** Everything that is wrong with the declaration, each a short sentence; empty when nothing is. */
export function declarationProblems<S extends TObject>(name: string, options: ResourceOptions<S>): readonly string[] {
  const declared = options as unknown as ResourceOptions<TObject>;
  if (!isObjectSchema(declared.schema)) return ["schema must be made with Type.Object"];
  return [
    ...nameProblems(name),
    ...schemaProblems(declared),
    ...placementProblems(name, declared),
    ...fieldProblems(declared),
    ...accessProblems(declared),
    ...sharingProblems(declared),
    ...optionProblems(declared),
  ];
}

function isObjectSchema(schema: unknown): boolean {
  return (
    typeof schema === "object" &&
    schema !== null &&
    "type" in schema &&
    schema.type === "object" &&
    "properties" in schema &&
    typeof schema.properties === "object"
  );
}

function* nameProblems(name: string): Iterable<string> {
  if (!/^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/.test(name) || name.length > 64)
    yield "the name must be lower-case words joined by - or _, at most 64 characters";
}

function* schemaProblems({ schema, unknownFields, computed = {} }: ResourceOptions<TObject>): Iterable<string> {
  for (const field of Object.keys(schema.properties)) {
    if (reservedFields.has(field))
      yield `field ${field} is reserved: every object carries it, leave it out of the schema`;
    if (field in Object.prototype) yield `field ${field} has a name that JavaScript objects inherit`;
  }
  try {
    compileSchema(schema);
  } catch (error) {
    yield `schema cannot be compiled: ${error instanceof Error ? error.message : error}`;
    return;
  }
  const { formats, misplaced, readOnly, writeOnly } = readAnnotations(schema);
  for (const format of formats) if (!Format.Has(format)) yield `format ${format} is not known`;
  for (const place of misplaced) yield `${place} has no effect there: only fields of plain objects can be annotated`;
  for (const [field, property] of Object.entries(schema.properties)) {
    const initial = keywordsOf(property).default;
    if (initial === undefined || typeof initial === "function") continue;
    for (const { name, description } of compileSchema(property).violations(initial))
      yield `default of ${name === null ? field : `${field}.${name}`} does not fit: ${description}`;
  }
  for (const path of [...readOnly, ...writeOnly])
    if (path.length > 1 && path[0] !== undefined && path[0] in computed)
      yield `computed field ${path[0]} cannot have annotated fields inside`;
  if (unknownFields === "keep" && keywordsOf(schema).additionalProperties === false)
    yield "unknownFields keep contradicts additionalProperties false of the schema";
  if ((unknownFields === "reject" || unknownFields === "drop") && isOpen(schema))
    yield `unknownFields ${unknownFields} contradicts additionalProperties of the schema`;
}

/** True when the schema itself says what unknown fields may be. */
export function isOpen(schema: TObject): boolean {
  const { additionalProperties } = keywordsOf(schema);
  return additionalProperties !== undefined && additionalProperties !== false;
}

const reservedFields: ReadonlySet<string> = new Set(["id", "last_modified", "deleted"]);

function* placementProblems(name: string, options: ResourceOptions<TObject>): Iterable<string> {
  const { path, parent, perUser, singleton, id, pageSize, unique, indexes, disabled = [] } = options;
  if (path !== undefined && !/^(\/[A-Za-z0-9._~-]+)+$/.test(path))
    yield `path ${path} must be segments of letters, digits and . _ ~ - that each begin with /, without parameters`;
  if (parent !== undefined) {
    if (parent.kind !== "resource") yield "parent must be made with resource()";
    else if (parent.options.singleton === true) yield `it cannot be nested below the singleton ${parent.name}`;
    else {
      const names = [parent, ...ancestorsOf(parent)].map((above) => above.name);
      for (const above of names)
        if (names.filter((other) => parameterOf(other) === parameterOf(above)).length > 1)
          yield `path parameter ${parameterOf(above)} would occur twice`;
      if (names.includes(name)) yield `it cannot be nested below a resource of the same name`;
    }
    if (perUser === true) yield "perUser cannot be combined with parent: nest it below a perUser resource instead";
  }
  if (singleton !== true) return;
  if (perUser !== true) yield "singleton needs perUser: true";
  const without = { id, pageSize, unique, indexes };
  for (const [option, value] of Object.entries(without))
    if (value !== undefined) yield `${option} has no meaning for a singleton`;
  for (const method of disabled)
    if (method === "list" || method === "create" || method === "deleteList")
      yield `disabled ${method} has no meaning for a singleton: it has no list`;
}

function* fieldProblems(options: ResourceOptions<TObject>): Iterable<string> {
  const { schema, fieldAccess = {}, computed = {}, unique = [], indexes = [] } = options;
  const { writeOnly } = readAnnotations(schema);
  const isHidden = (field: string) => writeOnly.some((path) => path.length === 1 && path[0] === field);
  const isField = (field: string) => Object.hasOwn(schema.properties, field);
  for (const field of Object.keys(computed)) if (!isField(field)) yield `computed field ${field} is not in the schema`;
  for (const [field, { write }] of Object.entries(fieldAccess as Record<string, { write?: readonly Rule[] }>)) {
    if (!isField(field)) yield `fieldAccess names ${field}, which is not in the schema`;
    else if (write !== undefined && field in computed)
      yield `fieldAccess.${field}.write: a computed field is never written`;
    else if (write?.length === 0 && isRequired(schema, field))
      yield `field ${field} is required but nobody may write it: no object could be created`;
  }
  for (const [option, tuples] of Object.entries({ unique, indexes }))
    if (tuples.some((fields) => fields.length === 0)) yield `${option} has an entry without a field`;
  for (const field of unique.flat()) {
    if (!isField(field)) yield `unique names ${field}, which is not in the schema`;
    else if (isHidden(field)) yield `unique on the writeOnly field ${field} would tell its values`;
  }
  const isOpenSchema = isOpen(schema) || options.unknownFields === "keep";
  for (const field of indexes.flat()) {
    const [head = ""] = field.split(".");
    if (isHidden(head)) yield `index on the writeOnly field ${head} has no use: it can't be filtered or sorted on`;
    else if (!isField(head) && !isField(field) && !isOpenSchema && field !== "id" && field !== "last_modified")
      yield `index names ${field}, which is not in the schema`;
  }
}

function isRequired(schema: TObject, field: string): boolean {
  const required = keywordsOf(schema).required;
  return (
    Array.isArray(required) && required.includes(field) && keywordsOf(schema.properties[field]).default === undefined
  );
}

const accessKeys = ["create", "read", "write", "list", "get", "replace", "patch", "delete"] as const;

function* accessProblems(options: ResourceOptions<TObject>): Iterable<string> {
  const { access = {}, fieldAccess = {}, disabled = [], singleton } = options;
  for (const action of Object.keys(access))
    if (!accessKeys.some((known) => known === action)) yield `access.${action} is not known (${accessKeys.join(", ")})`;
  const unusable = [
    ...Object.entries(access).flatMap(([action, rules]) => [...ruleProblems(`access.${action}`, rules)]),
    ...Object.entries(fieldAccess as Record<string, Access<unknown>>).flatMap(([field, { read, write }]) => [
      ...ruleProblems(`fieldAccess.${field}.read`, read),
      ...ruleProblems(`fieldAccess.${field}.write`, write),
    ]),
  ];
  yield* unusable;
  // What follows looks into the rules.
  if (unusable.length > 0) return;
  if (access.create?.includes(owner))
    yield "access.create: nobody owns an object before it exists; use authenticated (or leave it out)";
  if (singleton === true) return;
  const rules = effectiveRules(options);
  const onLists = [
    ["list", "list", rules.list],
    ["deleteList", "delete", rules.delete],
  ] as const;
  for (const [method, action, guards] of onLists) {
    if (disabled.includes(method)) continue;
    for (const rule of guards)
      if (rule.allows !== undefined && rule.filter === undefined)
        yield `rule ${rule.name} guards ${action} and looks at objects, so it needs filter (or disable ${method})`;
  }
}

function* ruleProblems(place: string, rules: unknown): Iterable<string> {
  if (rules === undefined) return;
  if (!Array.isArray(rules)) yield `${place} must be a list of rules`;
  else if (rules.some((rule) => typeof rule?.decide !== "function")) yield `${place} has something that is not a rule`;
}

const methods = ["list", "get", "create", "replace", "patch", "delete", "deleteList"] as const;

function* optionProblems({ id, pageSize, disabled = [], ...rest }: ResourceOptions<TObject>): Iterable<string> {
  if (id?.pattern !== undefined && /[gy]/.test(id.pattern.flags)) yield "id.pattern must not have the flags g or y";
  if (pageSize !== undefined && !(Number.isSafeInteger(pageSize) && pageSize > 0))
    yield "pageSize must be a whole number above 0";
  const { cacheSeconds } = rest;
  if (typeof cacheSeconds === "number" && !(Number.isSafeInteger(cacheSeconds) && cacheSeconds >= 0))
    yield "cacheSeconds must be a whole number from 0, or a function";
  if (rest.rateLimit !== undefined && !new RegExp(rateLimitPattern).test(rest.rateLimit))
    yield `rateLimit must be "REQUESTS/SECONDS" such as "100/60"`;
  if (rest.retention !== undefined && !(rest.retention.tombstoneSeconds > 0))
    yield "retention.tombstoneSeconds must be a number above 0";
  for (const method of disabled)
    if (!methods.includes(method)) yield `disabled ${method} is not known (${methods.join(", ")})`;
  if (rest.unknownFields !== undefined && !["reject", "drop", "keep"].includes(rest.unknownFields))
    yield "unknownFields must be reject, drop or keep";
  for (const [hook, run] of Object.entries(rest.hooks ?? {})) {
    if (hook !== "before" && hook !== "stored" && hook !== "after")
      yield `hooks.${hook} is not known (before, stored, after)`;
    else if (run !== undefined && typeof run !== "function") yield `hooks.${hook} must be a function`;
  }
  for (const option of Object.keys(rest)) if (!knownOptions.has(option)) yield `option ${option} is not known`;
}

const knownOptions: ReadonlySet<string> = new Set([
  ...["schema", "path", "parent", "perUser", "singleton", "access", "sharing", "fieldAccess", "computed", "hooks"],
  ...["unique", "indexes", "unknownFields", "logBodies", "cacheSeconds", "description", "rateLimit", "retention"],
]);
