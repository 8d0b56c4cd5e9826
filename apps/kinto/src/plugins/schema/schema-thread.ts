/** The thread that compiles schemas of users and validates with them: what they make it do, it does to itself alone. */
import { parentPort } from "node:worker_threads";
import { Ajv, type ErrorObject, MissingRefError, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { SchemaFault, SchemaJob, SchemaVerdict } from "./schema-thread-job.ts";

const options = { strict: false, allErrors: true, validateFormats: true, unicodeRegExp: true } as const;
/** Compiled schemas that are kept. */
const mostCompiled = 200;
/** Faults that one answer names. */
const mostFaults = 100;

type Schema = Readonly<Record<string, unknown>>;
const compiled = new Map<string, ValidateFunction>();

parentPort?.on("message", ({ number, schema, data }: SchemaJob) => {
  const verdict: SchemaVerdict = { number, faults: data === undefined ? schemaFaults(schema) : faults(schema, data) };
  parentPort?.postMessage(verdict);
});

/** Faults of the schema itself. A reference that leads nowhere shows only in use. */
function schemaFaults(text: string): readonly SchemaFault[] {
  try {
    validatorOf(text);
    return [];
  } catch (error) {
    return error instanceof MissingRefError ? [] : [unusable(error)];
  }
}

function faults(text: string, data: string): readonly SchemaFault[] {
  let validate: ValidateFunction;
  try {
    validate = validatorOf(text);
  } catch (error) {
    return [unusable(error)];
  }
  if (validate(JSON.parse(data))) return [];
  return (validate.errors ?? []).slice(0, mostFaults).map(faultOf);
}

function validatorOf(text: string): ValidateFunction {
  const known = compiled.get(text);
  if (known !== undefined) {
    compiled.delete(text);
    compiled.set(text, known);
    return known;
  }
  const validate = compile(JSON.parse(text));
  compiled.set(text, validate);
  const [oldest] = compiled.keys();
  if (compiled.size > mostCompiled && oldest !== undefined) compiled.delete(oldest);
  return validate;
}

/** Draft 7 unless the schema says 2020-12; an instance of its own, so that no schema's ids meet another's. */
function compile({ $schema, ...schema }: Schema): ValidateFunction {
  const is2020 = typeof $schema === "string" && $schema.includes("2020-12");
  const ajv = is2020 ? new Ajv2020(options) : new Ajv(options);
  addFormats.default(ajv);
  return ajv.compile(schema);
}

function faultOf({ instancePath, keyword, message, params }: ErrorObject): SchemaFault {
  const path = instancePath.split("/").slice(1);
  const named: unknown = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  const last = typeof named === "string" ? named : path.at(-1)?.replaceAll("~1", "/").replaceAll("~0", "~");
  return {
    name: last ?? null,
    description: message ?? `fails ${keyword}`,
    code: keyword.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  };
}

function unusable(error: unknown): SchemaFault {
  const description = error instanceof Error ? error.message : String(error);
  return { name: "schema", description: description.slice(0, 500), code: "schema" };
}
