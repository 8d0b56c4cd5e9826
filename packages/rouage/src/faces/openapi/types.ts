/** What the description of a service is made from, and the parts of the document that are built here. */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import type { Resource } from "../../resource.ts";
import type { Route } from "../../route.ts";

export interface Description {
  readonly name: string;
  readonly version: string;
  /** One sentence or more. */
  readonly summary?: string | undefined;
  /** Link to the documentation; "" for none. */
  readonly docsUrl: string;
  /** Public origin; undefined: relative to where the document is read. */
  readonly origin: string | undefined;
  /** Version prefix, `/v1`. */
  readonly prefix: string;
  readonly resources: readonly Resource[];
  readonly routes: readonly Route[];
  readonly policies: readonly AuthenticationPolicy[];
  /** No writes are offered. */
  readonly readonly: boolean;
  /** Endpoints switched off by the settings: `plural_kittens_delete`. */
  readonly disabledEndpoints: readonly string[];
}

export type SchemaObject = Readonly<Record<string, unknown>>;

export interface Operation {
  operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly SchemaObject[];
  readonly requestBody?: SchemaObject;
  readonly responses: Readonly<Record<string, SchemaObject>>;
}

export type Paths = Record<string, Readonly<Record<string, Operation>>>;

/** A reference to a named component. */
export function ref(kind: "schemas" | "parameters" | "responses" | "headers", name: string): SchemaObject {
  return { $ref: `#/components/${kind}/${name}` };
}

export function jsonContent(schema: SchemaObject, type = "application/json"): SchemaObject {
  return { [type]: { schema } };
}
