/** Finds the list that a request means: the caller's own list, or the list below a parent that exists and that the caller may read. */
import { invalid, ServiceError } from "../errors.ts";
import type { Resource } from "../resource-declaration.ts";
import type { ListKey, StoredEntry } from "../storage/storage.ts";
import { decide, refusal } from "./access.ts";
import type { OperationContext } from "./context.ts";
import type { Target } from "./operations.ts";
import { ancestorsOf, parameterOf, parentOf } from "./paths.ts";
import { type Plan, planOf, subjectOf } from "./plan.ts";
import { allows } from "./rules.ts";

/**
 * The list's key.
 * @throws ServiceError `missing-credentials` for a list of one's own without a caller; `route-not-found`, `forbidden` or
 * `missing-credentials` when a parent is missing or closed to the caller
 */
export type Locate = (context: OperationContext, target: Target) => ListKey | Promise<ListKey>;

export function locator({ resource, name, dependencies }: Plan): Locate {
  const [root = resource] = ancestorsOf(resource);
  const isPerUser = root.options.perUser === true;
  const topLevel: ListKey = { resource: name, parent: "" };
  const ancestors = ancestorsOf(resource).map((above) => ancestorOf(above, planOf(above, dependencies)));

  function rootParent({ principal }: OperationContext): string {
    if (!isPerUser) return "";
    if (principal.id === undefined) throw refusal(principal);
    return principal.id;
  }

  if (ancestors.length === 0)
    return isPerUser ? (context) => ({ resource: name, parent: rootParent(context) }) : () => topLevel;

  function climb(context: OperationContext, target: Target, parent: string, level: number): ListKey | Promise<ListKey> {
    const ancestor = ancestors[level];
    if (ancestor === undefined) return { resource: name, parent };
    const id = target.params[ancestor.parameter] ?? "";
    const arrive = (entry: StoredEntry | undefined) => {
      ancestor.assertReadable(context, id, entry);
      return climb(context, target, parentOf(ancestor.resource, parent, id), level + 1);
    };
    ancestor.assertDecidable(context);
    const entry = ancestor.isValid(id)
      ? dependencies.storage.get({ resource: ancestor.resource.name, parent, id })
      : undefined;
    return entry instanceof Promise ? entry.then(arrive) : arrive(entry);
  }
  return (context, target) => climb(context, target, rootParent(context), 0);
}

function ancestorOf(resource: Resource, { rules, id: { isValid } }: Plan) {
  return {
    resource,
    isValid,
    parameter: parameterOf(resource.name),
    assertDecidable({ principal }: OperationContext): void {
      if (decide(rules.get, principal) === false) throw refusal(principal);
    },
    assertReadable({ principal }: OperationContext, id: string, entry: StoredEntry | undefined): void {
      if (entry?.kind === "object") {
        if (!allows(rules.get, subjectOf(principal, entry))) throw refusal(principal);
      } else if (decide(rules.get, principal) === true) {
        throw new ServiceError("route-not-found", { details: { id, resource_name: resource.name } });
      } else {
        // Who sees only some objects must not learn which exist.
        throw refusal(principal);
      }
    },
  };
}

/** The object's id: from the path, or the fixed one of a singleton. */
export function idOf({ resource, name, id: ids }: Plan, target: Target): string {
  if (resource.options.singleton === true) return name;
  if (!ids.isValid(target.id)) throw invalidId();
  return target.id;
}

export function invalidId(): ServiceError {
  return invalid({ location: "path", name: null, description: "Invalid object id", code: "invalid-id" });
}

export function notFound({ name }: Plan, id: string): ServiceError {
  return new ServiceError("object-not-found", { details: { id, resource_name: name } });
}
