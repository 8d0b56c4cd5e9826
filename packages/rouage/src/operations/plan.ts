/** Everything about a resource that can be decided before the first request. */

import type { TObject } from "typebox";
import type { Clock } from "../clock.ts";
import { timeOrderedId } from "../ids.ts";
import type { Principal } from "../principal.ts";
import type { FieldAccess, Hooks, Resource } from "../resource-declaration.ts";
import { compileShape, type Fields, type Shape, type ShapeOptions } from "../schema/shape.ts";
import { parseEntry, type Storage, type StoredObject } from "../storage/storage.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AccessSubject, Rule } from "./access.ts";
import { type Guard, guardOf } from "./guard.ts";
import { type EffectiveRules, effectiveRules } from "./rules.ts";
import { type Decisions, decisionsOf } from "./sharing/decisions.ts";
import { type MembersOf, membersOf } from "./sharing/members.ts";

export interface OperationSettings {
  /** Default and largest page where the resource names none; undefined: only `maxFetch` bounds it. */
  readonly pageSize?: number | undefined;
  /** Most objects that one request reads. */
  readonly maxFetch: number;
  /** Largest object, in characters of its JSON text. Default 1 MiB. */
  readonly bodyLimit?: number | undefined;
  /** Deepest nesting of an object. Default 64. */
  readonly bodyDepth?: number | undefined;
  /** Seconds a client is told to wait after a conflict. Default 3. */
  readonly retryAfterSeconds?: number | undefined;
  /** Refuse every write with 405 and write nothing. */
  readonly readonly?: boolean | undefined;
}

export interface OperationDependencies {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: OperationSettings;
  /** All resources of the service; those nested below this one go when their parent is deleted. */
  readonly resources?: readonly Resource[] | undefined;
}

export interface FieldRules {
  readonly field: string;
  readonly read: readonly Rule[] | undefined;
  readonly write: readonly Rule[] | undefined;
}

/** A resource compiled; types of fields are erased, the declaration has checked them. */
export interface Plan {
  readonly resource: Resource;
  readonly name: string;
  readonly rules: EffectiveRules;
  readonly guard: Guard;
  /** What is shared; undefined for resources that are not. */
  readonly sharing: Decisions | undefined;
  readonly members: MembersOf;
  readonly fieldRules: readonly FieldRules[];
  readonly shape: Shape;
  readonly hooks: Hooks<Fields>;
  readonly id: {
    readonly isValid: (id: unknown) => id is string;
    readonly generate: (() => string) | undefined;
    /** What it generates was never made before. */
    readonly isUnique: boolean;
  };
  readonly logBody: boolean;
  /** Largest page. */
  readonly pageSize: number;
  readonly dependencies: OperationDependencies;
  readonly bodyLimit: number;
  readonly bodyDepth: number;
  readonly retryAfter: string;
  readonly readOnly: boolean;
}

export function planOf(resource: Resource, dependencies: OperationDependencies): Plan {
  const { options, name } = resource;
  const { settings } = dependencies;
  const { permissions } = dependencies.storage;
  const rules = effectiveRules(options);
  const sharing = decisionsOf(resource, dependencies.resources ?? [], permissions);
  const fieldAccess = (options.fieldAccess ?? {}) as Readonly<Record<string, FieldAccess<unknown>>>;
  return {
    resource,
    name,
    rules,
    guard: guardOf(rules, sharing, permissions),
    sharing,
    members: membersOf(resource),
    fieldRules: Object.entries(fieldAccess).map(([field, { read, write }]) => ({ field, read, write })),
    shape: compileShape(options as ShapeOptions & { readonly schema: TObject }),
    hooks: (options.hooks ?? {}) as Hooks<Fields>,
    id: idsOf(resource),
    logBody: options.logBodies !== false,
    pageSize: Math.min(options.pageSize ?? settings.pageSize ?? settings.maxFetch, settings.maxFetch),
    dependencies,
    bodyLimit: settings.bodyLimit ?? 1_048_576,
    bodyDepth: settings.bodyDepth ?? 64,
    retryAfter: String(settings.retryAfterSeconds ?? 3),
    readOnly: settings.readonly === true,
  };
}

const longestId = 255;

/** Ids never contain `/`, whatever the pattern says: they are segments of paths and of storage keys. */
function idsOf({ options }: Resource): Plan["id"] {
  const pattern = options.id?.pattern ?? /^[a-zA-Z0-9][a-zA-Z0-9_-]*$/;
  const isValid = (id: unknown): id is string =>
    typeof id === "string" && id.length > 0 && id.length <= longestId && pattern.test(id) && !id.includes("/");
  const generate = options.id?.generate ?? (isValid(timeOrderedId()) ? timeOrderedId : undefined);
  return { isValid, generate, isUnique: generate === timeOrderedId };
}

/** What object rules look at; the object is parsed when the first of them does. */
export function subjectOf(principal: Principal, { id, owner, body }: StoredObject): AccessSubject<Fields> {
  let parsed: Fields | undefined;
  return {
    principal,
    id,
    owner,
    get object() {
      parsed ??= JSON.parse(body) as Fields;
      return parsed;
    },
  };
}

/** The stored object as a value of its own, meta fields included. */
export function objectOf(stored: StoredObject): Fields & { readonly id: string; readonly last_modified: number } {
  return parseEntry(stored) as Fields & { readonly id: string; readonly last_modified: number };
}
