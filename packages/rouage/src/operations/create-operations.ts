/** The operations of declared resources, composed from their parts; everything that can be decided before a request is. */
import { ServiceError } from "../errors.ts";
import type { Resource } from "../resource-declaration.ts";
import type { ListDefinition } from "../storage/storage.ts";
import { cascadeOf } from "./cascade.ts";
import { explanationsOf } from "./explanations.ts";
import { inputOf } from "./input.ts";
import { listsOf } from "./lists.ts";
import { locator } from "./locate.ts";
import { createLogHub, type LogHub } from "./log-hub.ts";
import type { ResourceOperations } from "./operations.ts";
import { type OperationDependencies, planOf } from "./plan.ts";
import { readsOf } from "./reads.ts";
import { assertGrantsMeanSomething } from "./sharing/declaration.ts";
import { visibilityOf } from "./visibility.ts";
import { watchOf } from "./watch.ts";
import { writerOf } from "./writer.ts";
import { writesOf } from "./writes.ts";

export type { OperationDependencies, OperationSettings } from "./plan.ts";

/** The operations of every resource, by name; each knows the others, so that a deletion takes what is nested below along. */
export function createAllOperations(
  resources: readonly Resource[],
  dependencies: Omit<OperationDependencies, "resources">,
): ReadonlyMap<string, ResourceOperations> {
  assertGrantsMeanSomething(resources);
  const all = { ...dependencies, resources, hub: createLogHub(dependencies) };
  return new Map(resources.map((one) => [one.name, createOperations(one, all)]));
}

/**
 * The operations of one resource, on a storage where it is defined (`definitionOf`). `get` answers, and throws, synchronously
 * when the storage does; all others return promises.
 */
export function createOperations(
  resource: Resource,
  dependencies: OperationDependencies & { readonly hub?: LogHub },
): ResourceOperations {
  const plan = planOf(resource, dependencies);
  const visibility = visibilityOf(plan);
  const input = inputOf(plan, visibility);
  const locate = locator(plan);
  const writer = writerOf(plan, visibility, input);
  const cascade = cascadeOf(plan);
  const operations = {
    ...readsOf({ plan, visibility, locate }),
    ...writesOf({ plan, visibility, input, locate, writer, cascade }),
    ...listsOf({ plan, visibility, locate, writer, cascade }),
    ...explanationsOf({ plan, locate }),
    watch: watchOf({
      ...{ plan, visibility, locate },
      hub: dependencies.hub ?? createLogHub(dependencies),
      list: (...request) => offered.list(...request),
    }),
  };
  const off = new Set<string>(resource.options.disabled);
  if (resource.options.singleton === true) for (const method of listMethods) off.add(method);
  if (plan.readOnly) for (const method of writeMethods) off.add(method);
  const refuse = async () => {
    throw new ServiceError("method-not-allowed");
  };
  const offered: ResourceOperations = {
    ...operations,
    ...Object.fromEntries([...off].map((method) => [method, refuse])),
  };
  return offered;
}

const listMethods = ["list", "create", "deleteList"] as const;
const writeMethods = ["create", "replace", "patch", "delete", "deleteList"] as const;

/** What the storage has to know of a resource before its first use. */
export function definitionOf({ name, options }: Resource): ListDefinition {
  const tuples = (fields: readonly (string | readonly string[])[] = []) =>
    fields.map((field) => (typeof field === "string" ? [field] : field));
  return { resource: name, indexes: tuples(options.indexes), unique: tuples(options.unique as readonly string[]) };
}
